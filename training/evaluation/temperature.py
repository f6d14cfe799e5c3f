"""Temperature scaling: probabilities that mean what they say. Free of torch.

One number a network, fitted on validation photos: Guo et al., "On Calibration of Modern Neural
Networks", arXiv 1706.04599, section 4. It works on probabilities, because artifacts end in a
softmax: dividing the logits by T is raising the probabilities to 1/T and renormalising.
"""

import math

import numpy as np
import numpy.typing as npt

from training.errors import ConfidenceError

Floats = npt.NDArray[np.float64]

# Far outside of what a trained network needs; they end the search where nothing else does.
MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 20.0
# The likelihood needs more than 0, which underflow and int8 give.
_FLOOR = 1e-12
_MAX_STEPS = 60
_ENOUGH = 1e-7


def calibrate(probabilities: npt.NDArray[np.floating], temperature: float) -> Floats:
    """Softens (temperature over 1) or sharpens probabilities; their order stays.

    Args:
        probabilities: what a network or an artifact answers, shape [N, classes], at least 0, no
            row all 0.
        temperature: as `fit_temperature` gives it, over 0.

    Returns:
        p ** (1 / temperature), each row divided by its sum; float64, shape [N, classes].
    """
    given = np.asarray(probabilities, np.float64)
    # Relative to the best answer, no power can underflow in all of a row.
    powers: Floats = (given / given.max(axis=1, keepdims=True)) ** (1 / temperature)
    calibrated: Floats = powers / powers.sum(axis=1, keepdims=True)
    return calibrated


def fit_temperature(probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.int64]) -> float:
    """Finds the temperature under which the true classes are likeliest.

    A normal prior on log T, of mean 0 and deviation 1, counts as little as one photo; it keeps T
    from falling without end where every answer is right.

    Args:
        probabilities: shape [N, classes], rows sum to 1.
        truth: true class of each photo, shape [N], at least one.

    Returns:
        `MIN_TEMPERATURE` to `MAX_TEMPERATURE`; under 1 for a network that is too modest.

    Raises:
        ConfidenceError: no photo, or a probability that is not finite.
    """
    check_probabilities(probabilities, truth)
    logs = np.log(np.maximum(np.asarray(probabilities, np.float64), _FLOOR))
    true_logs = logs[np.arange(len(truth)), truth]
    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    sharpness = 1.0  # 1 / T, in which the likelihood is convex
    for _ in range(_MAX_STEPS):
        slope, curvature = _slopes(logs, true_logs, sharpness)
        if slope > 0:
            high = sharpness
        else:
            low = sharpness
        step = sharpness - slope / curvature if curvature > 0 else 0.0
        # Newton's step where it stays between the bounds, else halving.
        following = step if low < step < high else math.sqrt(low * high)
        if abs(following - sharpness) < _ENOUGH * sharpness:
            break
        sharpness = following
    return 1 / sharpness


def check_probabilities(
    probabilities: npt.NDArray[np.floating], truth: npt.NDArray[np.int64] | None
) -> None:
    """Raises `ConfidenceError` unless these are probabilities of photos with their true classes.

    Args:
        probabilities: should be finite, 0 or more, and not all 0 in a row; shape [N, classes].
        truth: should be of shape [N], each 0 to classes - 1; None for unknown things.
    """
    shape = probabilities.shape
    if len(shape) != 2 or not shape[0] or (truth is not None and truth.shape != shape[:1]):
        given = "none" if truth is None else truth.shape
        raise ConfidenceError(
            f"answers of shape {shape} with true classes of shape {given}: needed are "
            "[photos, classes], at least one photo, and a true class for each"
        )
    best = probabilities.max(axis=1)
    # What is no number is neither less nor more than anything.
    if not (probabilities.min() >= 0 and best.max() < math.inf):
        raise ConfidenceError("the answers hold a value that is no probability")
    if best.min() <= 0:
        raise ConfidenceError("an answer is 0 for every class")
    if truth is not None and not ((truth >= 0) & (truth < shape[1])).all():
        raise ConfidenceError(f"a true class is outside of 0 to {shape[1] - 1}")


def _slopes(logs: Floats, true_logs: Floats, sharpness: float) -> tuple[float, float]:
    """Returns the first two derivatives, by sharpness, of minus the log posterior."""
    scaled = sharpness * logs
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    means = (weights * logs).sum(axis=1)
    variances = (weights * logs**2).sum(axis=1) - means**2
    log_sharpness = math.log(sharpness)
    slope = float((means - true_logs).sum()) + log_sharpness / sharpness
    curvature = float(variances.sum()) + (1 - log_sharpness) / sharpness**2
    return slope, curvature
