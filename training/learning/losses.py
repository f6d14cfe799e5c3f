"""What a training step asks of the network's answers: the labels, their coarse classes, a teacher.

All losses are in nats, over logits in float32.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.hierarchy import Hierarchy


class LabelLoss:
    """Cross-entropy of the labels and, where there are any, of their coarse classes.

    Args:
        label_smoothing: share of each label's target that is spread over all labels.
        coarse_weight: share of the loss that asks for the coarse class.
        hierarchy: the coarse class of each label; None where there are none.
        device: where to compute.
    """

    def __init__(
        self,
        label_smoothing: float,
        coarse_weight: float,
        hierarchy: Hierarchy | None,
        device: torch.device,
    ) -> None:
        self._smoothing = label_smoothing
        self._coarse_weight = coarse_weight if hierarchy else 0.0
        self._coarse = CoarseClasses(hierarchy).to(device) if hierarchy else None

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the mean loss of a batch.

        Args:
            logits: float32, shape [N, classes].
            targets: class indices, int64, shape [N]; or shares of the classes, float32, shape
                [N, classes], as mixed photos have them.
        """
        loss: Tensor = F.cross_entropy(logits, targets, label_smoothing=self._smoothing)
        if self._coarse is None or self._coarse_weight == 0:
            return loss
        coarse_loss: Tensor = self._coarse(logits, targets)
        return (1 - self._coarse_weight) * loss + self._coarse_weight * coarse_loss


class CoarseClasses(nn.Module):
    """Answers for coarse classes out of a network's answers for labels, without a head of its own.

    The probability of a coarse class is the sum of its labels'; in logarithms,
    logsumexp over the labels of log-softmax.
    """

    members: Tensor  # [coarse, most labels of one]: indices of labels, padded with 0
    padding: Tensor  # the same shape: 0 for a label, -inf for padding
    parents: Tensor  # [classes]: coarse class of each label

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        children: list[list[int]] = [[] for _ in hierarchy.coarse.names]
        for label, parent in enumerate(hierarchy.parents):
            children[parent].append(label)
        most = max(map(len, children))
        padded = [[*labels, *[0] * (most - len(labels))] for labels in children]
        beyond = torch.arange(most) >= torch.tensor([len(labels) for labels in children])[:, None]
        self.register_buffer("members", torch.tensor(padded))
        self.register_buffer("padding", torch.zeros(len(children), most))
        self.padding[beyond] = -torch.inf
        self.register_buffer("parents", torch.tensor(hierarchy.parents))

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Maps logits of labels [N, classes] to log-probabilities [N, coarse classes]."""
        labels = logits.log_softmax(dim=1)
        return (labels[:, self.members] + self.padding).logsumexp(dim=2)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Returns the mean cross-entropy of the coarse classes; arguments as `LabelLoss` has."""
        answers = self.log_probabilities(logits)
        if targets.ndim == 1:
            return F.nll_loss(answers, self.parents[targets])
        coarse_targets = torch.zeros_like(answers).index_add_(1, self.parents, targets)
        return -(coarse_targets * answers).sum(dim=1).mean()


def distillation_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Returns how far the student's answers are from the teacher's, as a mean over the batch.

    Kullback-Leibler divergence at a temperature, times its square, so that the gradients keep
    their size whatever the temperature (Hinton et al., arXiv 1503.02531, section 2).

    Args:
        logits: of the student, float32, shape [N, classes].
        teacher_logits: of the teacher, likewise; no gradient reaches them.
        temperature: what both are divided by.
    """
    answers = (logits / temperature).log_softmax(dim=1)
    wanted = (teacher_logits.detach() / temperature).log_softmax(dim=1)
    return F.kl_div(answers, wanted, reduction="batchmean", log_target=True) * temperature**2
