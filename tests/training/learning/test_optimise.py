"""Groups of parameters, the schedule, frozen BN, and advice on the average."""

import itertools

import pytest
from torch import nn

from training.learning.optimise import (
    advise_on_average,
    learning_rate_at,
    make_optimizer,
    set_rate,
    start_training_mode,
)
from training.networks.catalogue import create
from training.recipe import TrainSettings


def test_rate_warms_up_and_falls_to_zero() -> None:
    train = TrainSettings(epochs=10, warmup_epochs=2, learning_rate=1.0)
    rates = [learning_rate_at(train, step / 10) for step in range(101)]
    assert 0 < rates[0] < 0.02
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates.index(max(rates)) == 20
    assert all(a > b for a, b in itertools.pairwise(rates[20:]))
    assert rates[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_weight_decay_spares_biases_and_bn(name: str, layer_decay: float) -> None:
    model = create("ghostnet_050", 3)
    train = TrainSettings(optimizer=name, weight_decay=0.1, layer_decay=layer_decay)
    groups = make_optimizer(model, train).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for parameter_name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.1 if parameter.ndim > 1 else 0), parameter_name


@pytest.mark.parametrize("architecture", ["ghostnet_050", "ghostnetv3_050"])
def test_each_stage_learns_at_a_share_of_the_rate_of_the_next(architecture: str) -> None:
    model = create(architecture, 3)
    optimizer = make_optimizer(model, TrainSettings(layer_decay=0.5))
    set_rate(optimizer, 8.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    parameters = dict(model.named_parameters())
    assert rates[id(parameters["classifier.weight"])] == 8.0
    assert rates[id(parameters["conv_head.weight"])] == 4.0
    of_stages = [
        {rates[id(p)] for name, p in parameters.items() if name.startswith(tuple(prefixes))}
        for prefixes in model.layer_groups()
    ]
    assert of_stages == [{8.0 * 0.5**after} for after in reversed(range(len(of_stages)))]


def test_frozen_bn_alone_stays_in_evaluation_mode() -> None:
    model = create("ghostnet_050", 3)
    start_training_mode(model, frozen_bn=True)
    training = {type(module) for module in model.modules() if module.training}
    assert nn.BatchNorm2d not in training
    assert nn.Dropout in training
    start_training_mode(model, frozen_bn=False)
    assert all(module.training for module in model.modules())


def test_an_average_longer_than_half_of_the_run_is_named_with_one_that_fits() -> None:
    assert advise_on_average(0.0, 10) is None
    assert advise_on_average(0.99, 200) is None
    advice = advise_on_average(0.999, 400)
    assert advice is not None
    assert "1000 steps, but the run has 400: 0.98" in advice
