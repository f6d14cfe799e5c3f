"""PT2E for XNNPACK: what is int8, what stays float, and that QAT has to earn its place."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from conversion.deploy import deploy
from conversion.formats import executorch_qat
from conversion.formats.executorch_int8 import batches, quantise_after_training
from conversion.formats.executorch_qat import choose_better, measure_distance, train_quantised
from conversion.request import Quantisation
from tests.conversion.conftest import random_network
from tests.conversion.densities import random_density

pytestmark = pytest.mark.slow

WEIGHTS = "quantized_decomposed.dequantize_per_channel.default"
SIDE_PX = 32


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return deploy(random_network(classes=5, seed=3), random_density(), mean, std, "nchw")


@pytest.fixture(scope="module")
def x_nhwc() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3), np.uint8)
    return coarse.repeat(SIDE_PX // 4, axis=1).repeat(SIDE_PX // 4, axis=2)


@pytest.fixture(scope="module")
def quantised(network, x_nhwc) -> torch.nn.Module:
    return quantise_after_training(network, (), x_nhwc)


def count_ops(network: torch.nn.Module) -> Counter[str]:
    return Counter(str(node.target) for node in network.graph.nodes if node.op == "call_function")


def test_every_weight_is_int8_per_channel_and_pixel_scaling_is_not(network, quantised):
    parts = network.model.modules()
    layers = [part for part in parts if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    assert count_ops(quantised)[WEIGHTS] == len(layers)
    subtraction, *of_scores = (
        node for node in quantised.graph.nodes if str(node.target) == "aten.sub.Tensor"
    )
    assert len(of_scores) == 2
    assert subtraction.args[0].op == "placeholder"
    (scaling,) = subtraction.users
    assert str(scaling.target) == "aten.mul.Tensor"


def test_parts_left_in_float_keep_their_weights(network, quantised, x_nhwc):
    kept = quantise_after_training(network, ("first", "last"), x_nhwc)
    # The stem, the four convolutions of the first bottleneck, and the classifier.
    assert count_ops(quantised)[WEIGHTS] - count_ops(kept)[WEIGHTS] == 6


def test_answers_stay_near_those_of_the_float_network(network, quantised, x_nhwc):
    assert measure_distance(network, network, x_nhwc) == pytest.approx(0, abs=1e-6)
    assert 0 < measure_distance(network, quantised, x_nhwc) < 0.2


def test_qat_gives_an_int8_network_of_the_same_parts(network, quantised, x_nhwc):
    trained = train_quantised(network, (), x_nhwc, steps=2)
    assert count_ops(trained)[WEIGHTS] == count_ops(quantised)[WEIGHTS]
    (x_nchw,) = batches(x_nhwc)
    with torch.no_grad():
        assert all(torch.isfinite(output).all() for output in trained(x_nchw))


@pytest.mark.parametrize(("best", "taken"), [(0.1, "PTQ"), (0.9, "QAT")])
def test_the_nearer_of_ptq_and_qat_is_taken_and_told(
    network, x_nhwc, monkeypatch, capsys, best, taken
):
    """The two candidates are stood for by networks at known distances."""

    class Fixed(torch.nn.Module):
        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

        def forward(self, x_nchw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            answers, scores = network(x_nchw)
            return answers + self.share * (0.2 - answers), scores

    post, aware = Fixed(best), Fixed(0.5)
    monkeypatch.setattr(executorch_qat, "quantise_after_training", lambda *_: post)
    monkeypatch.setattr(executorch_qat, "train_quantised", lambda *_: aware)
    request = SimpleNamespace(calibration=lambda: x_nhwc, quantisation=Quantisation(qat_steps=1))
    chosen = choose_better(network, (), request)
    assert chosen is (post if taken == "PTQ" else aware)
    told = capsys.readouterr().out
    assert told.startswith("note: KL divergence from float on 4 photos: PTQ ")
    assert told.rstrip().endswith(f"taken: {taken}")
