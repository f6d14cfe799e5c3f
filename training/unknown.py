"""Scores that tell photos of known things from photos of unknown ones. Free of torch.

Every score is higher for what looks known. `max_probability` and `gen` need only the answers of
an artifact, so a phone can compute them; see `docs/unknown.md` for what each is worth.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# GEN's exponent and number of classes, for ImageNet: Liu et al., CVPR 2023, section 4.
GEN_GAMMA = 0.1
GEN_TOP = 100


def max_probability(probabilities: npt.NDArray[np.floating]) -> Floats:
    """Returns the probability of the best answer (Hendrycks and Gimpel, arXiv 1610.02136).

    Args:
        probabilities: shape [N, classes], rows sum to 1.

    Returns:
        Float64, shape [N], 1 / classes to 1.
    """
    best: Floats = np.asarray(probabilities, np.float64).max(axis=1)
    return best


def gen(
    probabilities: npt.NDArray[np.floating], gamma: float = GEN_GAMMA, top: int = GEN_TOP
) -> Floats:
    """Returns minus the generalised entropy of the best answers.

    GEN, "Pushing the Limits of Softmax-Based Out-of-Distribution Detection", Liu, Lochman and
    Zach, CVPR 2023, equation 4: the sum of p^gamma (1 - p)^gamma. A small exponent makes it
    sensitive to probabilities near 0, which the largest probability does not see.

    Args:
        probabilities: shape [N, classes], rows sum to 1.
        gamma: exponent, over 0 and below 1.
        top: how many of the largest probabilities count; all, where there are fewer.

    Returns:
        Float64, shape [N], at most 0.
    """
    best = np.sort(np.asarray(probabilities, np.float64), axis=1)[:, -top:]
    # Rounding may leave a probability a hair outside 0 to 1, whose power is no number.
    best = np.clip(best, 0, 1)
    spread: Floats = -((best * (1 - best)) ** gamma).sum(axis=1)
    return spread
