"""A network that learns, one batch at a time."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.config import Settings
from training.errors import TrainingError
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.learning.ema import WeightAverage
from training.learning.losses import LabelLoss, distillation_loss
from training.learning.memory import find_fitting_batch, is_out_of_memory
from training.learning.mixing import mix
from training.learning.optimise import make_optimizer, set_rate, start_training_mode
from training.learning.parallel import Group
from training.learning.teacher import Teacher, resize
from training.learning.whole_batch import act_on_whole_batches
from training.networks.catalogue import create
from training.networks.ghostnet import GhostNet
from training.networks.normalise import Normalise
from training.networks.pretrained import load_pretrained

_LARGEST_GRADIENT_NORM = 5.0


@dataclass(frozen=True)
class Moment:
    """Where a run stands; everything random in a step follows from it.

    Attributes:
        epoch: from 0.
        step: in the epoch, from 0.
        rate: learning rate of the classifier.
        side_px: side of the photos that the network sees.
    """

    epoch: int
    step: int
    rate: float
    side_px: int


class Learner:
    """The network, its optimizer, the average of its weights, and its teacher if it has one.

    Args:
        settings: everything that the run depends on.
        labels: names of the outputs.
        hierarchy: the coarse class of each label, where there are any.
        group: the processes that share the run.

    Attributes:
        started: one sentence on the first weights, and on the teacher.
        normalise: scaling of the pixels.
        average: the averaged weights.
        rate: learning rate of the classifier at the last step.
        teacher: None where there is none.

    Raises:
        CheckpointError: the pretrained weights or the teacher's do not fit.
        TrainingError: the teacher has other labels.
    """

    def __init__(
        self, settings: Settings, labels: LabelSet, hierarchy: Hierarchy | None, group: Group
    ) -> None:
        self.settings, self.group, self.device = settings, group, group.device
        self.classes = len(labels)
        model, train = settings.model, settings.train
        torch.manual_seed(train.seed)
        network = create(model.architecture, self.classes, model.dropout)
        self.started = "trained from random weights"
        if model.pretrained:
            self.started = load_pretrained(network, model.pretrained, model.pretrained_sha256)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        act_on_whole_batches(network, group)
        self.model = network
        self.optimizer = make_optimizer(network, train)
        self.average = WeightAverage(network, train.ema_decay)
        wrapped = group.wrap(network)
        # Only the call is compiled: names in the state stay as they are.
        self._forward = torch.compile(wrapped, dynamic=False) if train.compile else wrapped
        self.rate = 0.0
        self.normalise = Normalise()
        self.teacher = None
        if settings.distill.teacher:
            self.teacher = Teacher(settings.distill, labels, self.normalise, self.device)
            self.started += f"; taught by {self.teacher.name} (checkpoint {self.teacher.sha256})"
        self._label_loss = LabelLoss(
            train.label_smoothing, train.coarse_weight, hierarchy, self.device
        )

    def view_px(self, side_px: int) -> int:
        """Returns the side at which photos are augmented: the larger of network and teacher."""
        return max(side_px, self.teacher.side_px) if self.teacher else side_px

    def start_epoch(self) -> None:
        """Puts the network into training mode."""
        start_training_mode(self.model, self.settings.train.frozen_bn)

    def learn(self, x_nhwc: Tensor, truth: Tensor, moment: Moment) -> Tensor:
        """Takes one step, and returns the loss of the whole batch in nats, without a gradient.

        Args:
            x_nhwc: this process' photos of the batch, uint8, shape [N, view_px, view_px, 3], RGB.
            truth: class indices, int64, shape [N].
            moment: where the run stands.

        Raises:
            TrainingError: the loss is no longer finite, or memory ran out.
        """
        loss = self._compute_gradients(x_nhwc, truth, moment)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), _LARGEST_GRADIENT_NORM)
        if not torch.isfinite(loss) or not torch.isfinite(norm):
            raise TrainingError(
                f"the loss is {loss.item()} and the norm of its gradient {norm:g}: lower "
                f"train.learning_rate (it was {moment.rate:g})"
            )
        self.rate = moment.rate
        set_rate(self.optimizer, moment.rate)
        self.optimizer.step()
        self.average.update(self.model)
        return loss

    def averaged_model(self) -> GhostNet:
        """Returns a network with the averaged weights, in evaluation mode."""
        network = create(self.settings.model.architecture, self.classes, dropout=0.0)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.load_state_dict(self.average.weights)
        return network.eval()

    def state(self) -> dict[str, object]:
        """Returns what `restore` takes back: all that changes from step to step."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state(),
        }

    def restore(self, state: dict[str, object]) -> None:
        """Goes on from what `state` returned."""
        self.model.load_state_dict(state["model"])  # type: ignore[arg-type]
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]
        self.average.restore(state["average"])  # type: ignore[arg-type]

    def _compute_gradients(self, x_nhwc: Tensor, truth: Tensor, moment: Moment) -> Tensor:
        try:
            loss = self._loss_of(x_nhwc, truth, moment)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            return self.group.mean(loss.detach())
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # After the block, where the error no longer holds the tensors of its frames.
        raise TrainingError(self._advise_on_memory(x_nhwc, truth, moment))

    def _loss_of(self, x_nhwc: Tensor, truth: Tensor, moment: Moment) -> Tensor:
        train, distill = self.settings.train, self.settings.distill
        dropout_seed, mixing_seed = _draw_seeds(train.seed, moment)
        torch.manual_seed(dropout_seed)
        x_nchw = self.normalise(x_nhwc.to(self.device))
        targets = truth.to(self.device)
        if train.mixup > 0 or train.cutmix > 0:
            generator = torch.Generator().manual_seed(mixing_seed)
            x_nchw, targets = mix(
                x_nchw, targets, self.classes, generator, train.mixup, train.cutmix
            )
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=train.precision == "bfloat16"
        ):
            logits = self._forward(resize(x_nchw, moment.side_px)).float()
            taught = self.teacher.answer(x_nchw) if self.teacher else None
        loss = self._label_loss(logits, targets)
        if taught is None:
            return loss
        taught_loss = distillation_loss(logits, taught, distill.temperature)
        return (1 - distill.weight) * loss + distill.weight * taught_loss

    def _advise_on_memory(self, x_nhwc: Tensor, truth: Tensor, moment: Moment) -> str:
        """Says which batch size fits, after trying."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        batch = len(truth) * self.group.size
        said = f"a batch of {batch} photos of {moment.side_px} pixels did not fit in memory"
        if self.group.size > 1:
            # BN would wait for the other processes, which have not run out.
            return f"{said}; try train.batch_size={batch // 2}"

        def attempt(size: int) -> None:
            self._loss_of(x_nhwc[:size], truth[:size], moment).backward()  # type: ignore[no-untyped-call]
            self.optimizer.zero_grad(set_to_none=True)

        fitting = find_fitting_batch(attempt, batch)
        if fitting is None:
            return f"{said}, nor did two: use a smaller model.input_px or architecture"
        return f"{said}; {fitting} does (tried): set train.batch_size={fitting}"


def _draw_seeds(seed: int, moment: Moment) -> tuple[int, int]:
    """Returns the seeds of a step's dropout and of its mixing."""
    sequence = np.random.SeedSequence((seed, moment.epoch, moment.step))
    first, second = sequence.generate_state(2, np.uint32)
    return int(first), int(second)
