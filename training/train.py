"""Training, from top to bottom: photos -> batches -> steps -> averaged weights -> checkpoint."""

import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.utils.data import DataLoader
from tqdm import tqdm

from training.augment import Augment
from training.batches import AugmentedPhotos, EpochBatches, load_batches
from training.card import write_card
from training.checkpoint import save_checkpoint
from training.config import Settings
from training.data import Source
from training.ema import WeightAverage
from training.errors import DataError, TrainingError
from training.evaluate import predict, truth_of
from training.events import EventWriter
from training.files import SUMS_NAME, exclusive_lock, sha256_bytes, write_atomic
from training.ghostnet import GhostNet
from training.metrics import summarise
from training.networks import create
from training.normalise import Normalise
from training.photo_cache import (
    DecodedPhotos,
    decode_all,
    read_preprocessed,
    read_whole,
    remove_leftovers,
)
from training.plots import draw_confusions, draw_learning_curve
from training.preprocess import Preprocess
from training.pretrained import load_pretrained
from training.recipe import TrainSettings
from training.state import STATE_NAME, RunState, load_state, save_state

# Photos are kept for augmentation at up to this many times the resize length: a random crop of
# a third of the area is then still about as sharp as the network's input.
_KEPT_RESOLUTION = 1.5
_LARGEST_GRADIENT_NORM = 5.0

Batches = DataLoader[tuple[Tensor, int]]


def fit(settings: Settings, source: Source, out: Path) -> dict[str, Any]:
    """Trains a network and writes its checkpoint; goes on where a killed run stopped.

    Args:
        settings: everything that the run depends on.
        source: checked photos.
        out: the run's folder; holds the checkpoint in the end.

    Returns:
        The figures on the validation photos, as in `metrics.json`.

    Raises:
        DataError: no photos for training or validation.
        TrainingError: the loss is no longer finite, or `out` holds another unfinished run.
        CheckpointError: the pretrained weights do not fit.
        StorageError: the disk is full, or another process writes to `out`.
    """
    if not source.train or not source.validation:
        raise DataError(f"{source.name}: photos are needed for both training and validation")
    out.mkdir(parents=True, exist_ok=True)
    train, model = settings.train, settings.model
    torch.set_num_threads(train.threads or os.cpu_count() or 1)
    preprocess = Preprocess.for_input(model.input_px, model.crop_pct, model.resampler)
    whole = partial(read_whole, short_px=round(_KEPT_RESOLUTION * preprocess.resize_px))
    plain = partial(read_preprocessed, preprocess=preprocess)
    workers = train.workers
    with exclusive_lock(out / ".lock"):
        remove_leftovers(out)
        with (
            decode_all(source.train, whole, workers, "decode training photos", out) as photos,
            decode_all(source.validation, plain, workers, "decode others", out) as judges,
        ):
            return Run(settings, source, out).fit(photos, judges)


class Run:
    """One training run: what changes from step to step, and how.

    Args:
        settings: everything that the run depends on.
        source: the photos' labels, name and licence.
        out: the run's folder.
    """

    def __init__(self, settings: Settings, source: Source, out: Path) -> None:
        self.settings, self.source, self.out = settings, source, out
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.normalise = Normalise()
        self.history: list[dict[str, float]] = []
        torch.manual_seed(settings.train.seed)
        model = create(settings.model.architecture, len(source.labels), settings.model.dropout)
        self.started = "trained from random weights"
        if settings.model.pretrained:
            self.started = load_pretrained(
                model, settings.model.pretrained, settings.model.pretrained_sha256
            )
        self.model = model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = make_optimizer(self.model, settings.train)
        self.average = WeightAverage(self.model, settings.train.ema_decay)

    def fit(self, photos: DecodedPhotos, judges: DecodedPhotos) -> dict[str, Any]:
        """Trains all epochs that are left, and writes the checkpoint; see `training.train.fit`."""
        train, model = self.settings.train, self.settings.model
        augment = Augment(train, model.input_px)
        sampler = EpochBatches(len(photos), train.batch_size, train.seed)
        batches = load_batches(AugmentedPhotos(photos, augment, train.seed), sampler, train.workers)
        first = self._resume()
        judge = self._averaged_model()
        with EventWriter(self.out / "events", first + 1) as events:
            for epoch in range(first, train.epochs):
                sampler.epoch = epoch
                torch.manual_seed(train.seed * 1_000_003 + epoch)  # dropout
                loss = self._train_epoch(batches, epoch)
                judge.load_state_dict(self.average.weights)
                self._record(epoch, loss, judge, judges, events)
        judge.load_state_dict(self.average.weights)
        return self._finish(judge, judges)

    def _train_epoch(self, batches: Batches, epoch: int) -> float:
        """Takes one step a batch, and returns the mean training loss in nats."""
        train = self.settings.train
        criterion = nn.CrossEntropyLoss(label_smoothing=train.label_smoothing)
        total = torch.zeros((), device=self.device)
        self.model.train()
        bar = tqdm(batches, f"epoch {epoch + 1}/{train.epochs}", leave=False, unit="batch")
        for step, (x_nhwc, truth) in enumerate(bar):
            rate = learning_rate_at(train, epoch + step / len(batches))
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
                logits = self.model(self.normalise(x_nhwc.to(self.device)))
                loss = criterion(logits, truth.to(self.device))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), _LARGEST_GRADIENT_NORM)
            if not torch.isfinite(loss) or not torch.isfinite(norm):
                raise TrainingError(
                    f"the loss is {loss.item()} at epoch {epoch + 1}, step {step + 1}: lower "
                    f"train.learning_rate (it was {rate:g}); the last good state is kept in "
                    f"{self.out}"
                )
            self.optimizer.step()
            self.average.update(self.model)
            total += loss.detach()
            if step % 10 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        return float(total) / len(batches)

    def _record(
        self,
        epoch: int,
        train_loss: float,
        judge: GhostNet,
        judges: DecodedPhotos,
        events: EventWriter,
    ) -> None:
        """Measures the averaged weights, writes the figures, and makes the epoch safe."""
        figures, loss = self._measure(judge, judges)
        entry = {
            "train_loss": train_loss,
            "validation_loss": loss,
            "top1": figures["top1"],
            "top5": figures["top5"],
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }
        self.history.append(entry)
        events.add(epoch + 1, entry)
        write_atomic(self.out / "learning_curve.png", draw_learning_curve(self.history))
        self._save(epoch + 1)
        tqdm.write(
            f"epoch {epoch + 1}/{self.settings.train.epochs}: training loss {train_loss:.3f}, "
            f"validation loss {loss:.3f}, top-1 {100 * entry['top1']:.1f} %"
        )

    def _finish(self, judge: GhostNet, judges: DecodedPhotos) -> dict[str, Any]:
        figures, loss = self._measure(judge, judges)
        source = {"name": self.source.name, "licence": self.source.licence}
        metrics = {"source": source, "loss": loss, **figures, "history": self.history}
        write_atomic(self.out / "confusion.png", draw_confusions(metrics))
        save_checkpoint(
            self.out,
            self.settings,
            self.average.weights,
            self.source.labels,
            self.normalise,
            metrics,
            write_card(self.settings, self.source, metrics, self.started),
            self.source.hierarchy,
        )
        (self.out / STATE_NAME).unlink(missing_ok=True)
        return metrics

    def _measure(self, judge: GhostNet, judges: DecodedPhotos) -> tuple[dict[str, Any], float]:
        probabilities, loss = predict(judge, judges, self.normalise, self.device)
        target = self.settings.train.target_precision
        names = self.source.labels.names
        return summarise(probabilities, truth_of(judges), names, target), loss

    def _averaged_model(self) -> GhostNet:
        model = create(self.settings.model.architecture, len(self.source.labels), dropout=0.0)
        return model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _identity(self) -> dict[str, str]:
        """Returns what must not change between the parts of one run."""
        photos = "\n".join(photo.name for photo in self.source.train)
        return {
            "settings": self.settings.to_toml(),
            "labels": self.source.labels.to_text(),
            "photos": f"{len(self.source.train)} named {sha256_bytes(photos.encode())}",
        }

    def _save(self, epoch: int) -> None:
        tensors = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state(),
        }
        save_state(self.out, RunState(self._identity(), epoch, self.history, tensors))

    def _resume(self) -> int:
        """Goes on from a saved state where there is one, and returns the first epoch to train."""
        state = load_state(self.out, self._identity())
        if state is None:
            (self.out / SUMS_NAME).unlink(missing_ok=True)
            return 0
        self.model.load_state_dict(state.tensors["model"])
        self.optimizer.load_state_dict(state.tensors["optimizer"])
        self.average.restore(state.tensors["average"])
        self.history = list(state.history)
        tqdm.write(f"resuming {self.out} after epoch {state.epoch}")
        return state.epoch


def make_optimizer(model: nn.Module, train: TrainSettings) -> Optimizer:
    """Makes the optimizer; weight decay spares biases and BN, whose tensors have one dimension."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    spared = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": train.weight_decay},
        {"params": spared, "weight_decay": 0.0},
    ]
    if train.optimizer == "sgd":
        return SGD(groups, train.learning_rate, momentum=0.9, nesterov=True)
    return AdamW(groups, train.learning_rate, fused=True)


def learning_rate_at(train: TrainSettings, epoch: float) -> float:
    """Returns the rate of linear warm-up followed by a cosine to zero.

    Args:
        train: the recipe.
        epoch: epochs done so far, with their fraction, 0 to `train.epochs`.
    """
    if epoch < train.warmup_epochs:
        # Never zero: the first step would be wasted.
        return train.learning_rate * (epoch + 0.01) / (train.warmup_epochs + 0.01)
    progress = (epoch - train.warmup_epochs) / (train.epochs - train.warmup_epochs)
    return train.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
