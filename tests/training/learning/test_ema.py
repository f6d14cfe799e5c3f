"""The moving average of the weights."""

import pytest
import torch
from torch import nn

from training.learning.ema import WeightAverage


def test_follows_the_definition_and_caps_the_decay_early() -> None:
    model = nn.BatchNorm1d(1)
    average = WeightAverage(model, decay=0.5)
    expected = 1.0
    for step in range(1, 30):
        model.weight.data.fill_(float(step))
        average.update(model)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_no_decay_keeps_the_last_weights() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, decay=0.0)
    model.running_mean.fill_(3.0)
    model.num_batches_tracked.fill_(7)
    average.update(model)
    assert average.weights["running_mean"].tolist() == [3.0, 3.0]
    assert average.weights["num_batches_tracked"].item() == 7


def test_goes_on_from_its_state() -> None:
    model = nn.Linear(2, 2)
    first, second = WeightAverage(model, 0.9), WeightAverage(model, 0.9)
    model.weight.data.add_(1)
    first.update(model)
    second.restore(first.state())
    model.weight.data.add_(1)
    first.update(model)
    second.update(model)
    assert torch.equal(first.weights["weight"], second.weights["weight"])
