"""Losses of labels, of coarse classes and of a teacher's answers."""

import pytest
import torch
from torch.nn import functional as F

from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.learning.losses import CoarseClasses, LabelLoss, distillation_loss

CPU = torch.device("cpu")
FRUIT = Hierarchy(LabelSet(("fruit", "vegetable")), (0, 1, 0, 0))
LOGITS = torch.tensor([[1.0, -2.0, 0.5, 3.0], [0.0, 4.0, -1.0, 0.2]])


def test_coarse_probability_is_the_sum_of_its_labels() -> None:
    answers = CoarseClasses(FRUIT).log_probabilities(LOGITS)
    expected = FRUIT.sum_coarse(LOGITS.softmax(dim=1).numpy())
    assert torch.allclose(answers.exp(), torch.from_numpy(expected), atol=1e-6)


def test_coarse_answers_stay_finite_where_probabilities_are_not_representable() -> None:
    logits = torch.tensor([[500.0, -500.0, 0.0, 0.0]], requires_grad=True)
    CoarseClasses(FRUIT)(logits, torch.tensor([1])).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_indices_and_whole_shares_are_the_same_target() -> None:
    truth = torch.tensor([3, 1])
    loss = LabelLoss(0.1, 0.3, FRUIT, CPU)
    shares = F.one_hot(truth, 4).float()
    assert loss(LOGITS, truth).item() == pytest.approx(loss(LOGITS, shares).item(), rel=1e-6)


def test_weights_share_the_loss_between_labels_and_coarse_classes() -> None:
    truth = torch.tensor([3, 0])
    fine = F.cross_entropy(LOGITS, truth)
    coarse = F.nll_loss(CoarseClasses(FRUIT).log_probabilities(LOGITS), torch.tensor([0, 0]))
    mixed = LabelLoss(0.0, 0.25, FRUIT, CPU)(LOGITS, truth)
    assert mixed.item() == pytest.approx((0.75 * fine + 0.25 * coarse).item(), rel=1e-6)
    assert LabelLoss(0.0, 0.25, None, CPU)(LOGITS, truth).item() == pytest.approx(fine.item())


def test_a_student_that_answers_like_its_teacher_has_no_loss_and_others_have() -> None:
    same = distillation_loss(LOGITS, LOGITS + 7, temperature=3.0)
    assert same.item() == pytest.approx(0, abs=1e-6)
    assert distillation_loss(LOGITS, -LOGITS, temperature=3.0).item() > 0.1


def test_temperature_does_not_change_the_size_of_gradients_far_from_certainty() -> None:
    def gradient(temperature: float) -> float:
        logits = (LOGITS / 100).requires_grad_()
        distillation_loss(logits, -LOGITS / 100, temperature).backward()
        assert logits.grad is not None
        return logits.grad.norm().item()

    assert gradient(4.0) == pytest.approx(gradient(1.0), rel=0.05)


def test_no_gradient_reaches_the_teacher() -> None:
    teacher = LOGITS.clone().requires_grad_()
    distillation_loss(LOGITS.clone().requires_grad_(), teacher, 2.0).backward()
    assert teacher.grad is None
