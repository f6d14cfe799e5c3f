"""Quantisation-aware training for ExecuTorch's int8, kept only where it beats PTQ.

The quantised network learns to answer like the float one (distillation: no labels are needed)
on three quarters of the calibration photos; the last quarter decides. On small nets QAT has come
out worse than PTQ, so neither is taken on trust.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchao.quantization.pt2e import move_exported_model_to_train
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_qat_pt2e

from conversion.formats.executorch_int8 import (
    batches,
    export_batched,
    make_quantizer,
    quantise_after_training,
)
from conversion.request import PixelsNhwc, Request

# Small steps: the weights are those of a trained network. Cosine decay to zero.
_LEARNING_RATE = 1e-5
_JUDGED = 4  # every so many-th photo decides between PTQ and QAT


def choose_better(network: nn.Module, parts: tuple[str, ...], request: Request) -> nn.Module:
    """Returns the network quantised by PTQ or by QAT, whichever is nearer to the float one.

    Args:
        network: deployed, float32, takes [N, 3, side, side].
        parts: left in float, out of `conversion.variants.PARTS`.
        request: holds the calibration photos and the number of steps.
    """
    x_nhwc = request.calibration()
    judges = torch.arange(len(x_nhwc)).numpy() % _JUDGED == _JUDGED - 1
    learn, judge = x_nhwc[~judges], x_nhwc[judges]
    candidates = {
        "PTQ": quantise_after_training(network, parts, learn),
        "QAT": train_quantised(network, parts, learn, request.quantisation.qat_steps),
    }
    distances = {name: measure_distance(network, each, judge) for name, each in candidates.items()}
    better = min(distances, key=lambda name: distances[name])
    told = ", ".join(f"{name} {value:.3g}" for name, value in distances.items())
    print(f"note: KL divergence from float on {len(judge)} photos: {told}; taken: {better}")
    return candidates[better]


def train_quantised(
    network: nn.Module, parts: tuple[str, ...], x_nhwc: PixelsNhwc, steps: int
) -> nn.Module:
    """Returns the network quantised after training with quantisation in the loop.

    Args:
        network: the float network, which is the teacher and stays as it is.
        parts: left in float.
        x_nhwc: photos to learn from, uint8 [N, side, side, 3].
        steps: steps of 16 photos.
    """
    trainable = _make_trainable(network)
    exported = export_batched(trainable, x_nhwc.shape[1])
    student: Any = prepare_qat_pt2e(exported, make_quantizer(parts, train=True))
    move_exported_model_to_train(student)
    optimizer = torch.optim.AdamW(student.parameters(), lr=_LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    given = batches(x_nhwc)
    with torch.no_grad():
        wanted = [_answer(network, x_nchw) for x_nchw in given]
    for step in range(steps):
        place = step % len(given)
        loss = _kl(wanted[place], _answer(student, given[place]))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    converted: nn.Module = convert_pt2e(student)
    return converted


def measure_distance(teacher: nn.Module, student: nn.Module, x_nhwc: PixelsNhwc) -> float:
    """Returns the mean KL divergence, in nats, of a student's answers from the teacher's."""
    with torch.no_grad():
        parts = [
            _kl(_answer(teacher, x), _answer(student, x)).item() * len(x) for x in batches(x_nhwc)
        ]
    return sum(parts) / len(x_nhwc)


def _make_trainable(network: nn.Module) -> nn.Module:
    """Returns a copy whose weights can be trained."""
    return copy.deepcopy(network).requires_grad_(True)


def _answer(network: nn.Module, x_nchw: Tensor) -> Tensor:
    """Returns the probabilities; the known score follows from the features that give them."""
    probabilities: Tensor = network(x_nchw)[0]
    return probabilities


def _kl(wanted: Tensor, given: Tensor) -> Tensor:
    return F.kl_div(given.clamp_min(1e-9).log(), wanted, reduction="batchmean")
