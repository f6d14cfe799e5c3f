"""A moving average of a network's weights, which answers better than the last weights do."""

import hashlib

import torch
from torch import Tensor, nn


class WeightAverage:
    """Exponential moving average over the floating-point state, BN statistics included.

    Args:
        model: whose weights are averaged; the average starts from them.
        decay: share of the old average kept at each step, 0 for none. Early on it is capped at
            (1 + step) / (10 + step), as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.step = 0
        self.weights = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes in the network's weights after a step."""
        self.step += 1
        decay = min(self.decay, (1 + self.step) / (10 + self.step))
        averages, values = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                averages.append(self.weights[name])
                values.append(value)
            else:
                self.weights[name].copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)

    def digest(self) -> str:
        """Returns a hash of the averaged weights, to compare processes by."""
        digest = hashlib.sha256()
        for value in self.weights.values():
            digest.update(value.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def state(self) -> dict[str, int | dict[str, Tensor]]:
        """Returns what `restore` takes back."""
        return {"step": self.step, "weights": self.weights}

    def restore(self, state: dict[str, int | dict[str, Tensor]]) -> None:
        """Goes on from what `state` returned."""
        step, weights = state["step"], state["weights"]
        if not isinstance(step, int) or not isinstance(weights, dict):
            raise TypeError("not the state of a weight average")
        self.step = step
        for name, value in weights.items():
            self.weights[name].copy_(value)
