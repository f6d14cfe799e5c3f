"""Training, from top to bottom: photos -> batches -> steps -> averaged weights -> checkpoint."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from training.answers import Answers
from training.checkpoint import save_checkpoint
from training.config import Settings
from training.errors import ConfigError, DataError, TrainingError
from training.evaluation.card import write_card
from training.evaluation.evaluate import answer_all, predict, truth_of
from training.evaluation.metrics import measure_accuracy
from training.evaluation.plots import draw_learning_curve
from training.evaluation.report import report_run
from training.files import SUMS_NAME, exclusive_lock, write_atomic
from training.learning.augment import Augment
from training.learning.batches import AugmentedPhotos, EpochBatches, load_batches
from training.learning.density import fit_density
from training.learning.events import EventWriter
from training.learning.learner import Learner, Moment
from training.learning.optimise import advise_on_average, learning_rate_at
from training.learning.parallel import Group, open_group
from training.learning.photo_cache import (
    KEPT_RESOLUTION,
    Decode,
    DecodedPhotos,
    decode_all,
    read_preprocessed,
    read_whole,
    remove_leftovers,
)
from training.learning.sides import largest_side, side_at
from training.learning.state import STATE_NAME, RunState, load_state, save_state
from training.preprocess import Preprocess
from training.sources.data import Photo, Source
from training.sources.source_index import INDEX_NAME

_NAMED_PHOTOS = 4  # of a batch, in an error message

Batches = DataLoader[tuple[Tensor, Tensor]]


def fit(settings: Settings, source: Source, out: Path) -> dict[str, Any]:
    """Trains a network and writes its checkpoint; goes on where a killed run stopped.

    Under `torchrun`, each process calls it with the same arguments; they train one network
    together, and the first one writes.

    Args:
        settings: everything that the run depends on.
        source: checked photos.
        out: the run's folder; holds the checkpoint in the end.

    Returns:
        The figures on the validation photos, as in `metrics.json`.

    Raises:
        ConfigError: settings that this source does not allow.
        DataError: no photos for training or validation.
        TrainingError: the loss is no longer finite, memory ran out, `out` holds another
            unfinished run, or another process of this run ended.
        CheckpointError: the pretrained weights or the teacher do not fit.
        StorageError: the disk is full, or another process writes to `out`.
    """
    check_possible(settings, source)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        group = stack.enter_context(open_group())
        cores = max(1, (os.cpu_count() or 1) // group.size_here)
        torch.set_num_threads(settings.train.threads or cores)
        if group.is_first:
            stack.enter_context(exclusive_lock(out / ".lock"))
            remove_leftovers(out)
        group.share(None)  # the others must not write before old files are gone
        run = Run(settings, source, out, group)
        photos, judges = stack.enter_context(run.decode())
        return run.fit(photos, judges)


def check_possible(settings: Settings, source: Source) -> None:
    """Checks what settings and photos must have of each other.

    Raises:
        ConfigError: a setting needs what is not there.
        DataError: no photos for training or validation.
    """
    if len(source.train) < 2 or not source.validation:
        raise DataError(
            f"{source.name}: photos are needed for both training and validation, at least two for "
            "training"
        )
    train = settings.train
    if train.coarse_weight > 0 and source.hierarchy is None:
        raise ConfigError(
            f"train.coarse_weight is {train.coarse_weight:g}, but {source.name} has no coarse "
            "classes: allowed is 0"
        )
    if train.frozen_bn and not settings.model.pretrained:
        raise ConfigError("train.frozen_bn needs model.pretrained: new BN statistics fit nothing")


class Run:
    """One training run: what changes from epoch to epoch, and what is kept of it.

    Args:
        settings: everything that the run depends on.
        source: the photos' labels, name and licence.
        out: the run's folder.
        group: the processes that share the run.
    """

    def __init__(self, settings: Settings, source: Source, out: Path, group: Group) -> None:
        self.settings, self.source, self.out, self.group = settings, source, out, group
        self.learner = Learner(settings, source.labels, source.hierarchy, group)
        self.history: list[dict[str, float]] = []

    @contextmanager
    def decode(self) -> Iterator[tuple[DecodedPhotos, DecodedPhotos]]:
        """Decodes photos for training, and those to measure on where this process measures."""
        train, model, source = self.settings.train, self.settings.model, self.source
        view_px = self.learner.view_px(largest_side(train, model.input_px))
        largest = Preprocess.for_input(view_px, model.crop_pct, model.resampler)
        preprocess = self._preprocess
        whole = partial(read_whole, short_px=round(KEPT_RESOLUTION * largest.resize_px))
        plain = partial(read_preprocessed, preprocess=preprocess)
        size_bytes = self.settings.data.cache_size_bytes

        def open_decoded(photos: Sequence[Photo], decode: Decode, words: str) -> DecodedPhotos:
            decoded = decode_all(photos, decode, train.workers, words, self.out, size_bytes)
            return stack.enter_context(decoded)

        with ExitStack() as stack:
            # One process of each machine decodes for all of them.
            photos = None
            if self.group.rank_here == 0:
                photos = open_decoded(source.train, whole, "decode training photos")
            measured = source.validation if self.group.is_first else ()
            judges = open_decoded(measured, plain, "decode others")
            yield self.group.share_here(photos), judges

    def fit(self, photos: DecodedPhotos, judges: DecodedPhotos) -> dict[str, Any]:
        """Trains all epochs that are left, and writes the checkpoint; see `fit` above."""
        train, learner = self.settings.train, self.learner
        sampler = self._make_sampler(photos)
        changed = AugmentedPhotos(photos, Augment(train), train.seed)
        batches = load_batches(changed, sampler, train.workers)
        advice = advise_on_average(train.ema_decay, train.epochs * sampler.steps)
        if advice:
            self._say(advice)
        begun = self._resume()
        with self._open_events(begun.epoch + 1) as events:
            for epoch in range(begun.epoch, train.epochs):
                side_px = side_at(train, self.settings.model.input_px, epoch)
                sampler.epoch, sampler.side_px = epoch, learner.view_px(side_px)
                sampler.first_step = begun.step if epoch == begun.epoch else 0
                loss_sum = begun.loss_sum if epoch == begun.epoch else 0.0
                loss = self._train_epoch(batches, sampler, side_px, loss_sum)
                self._record(epoch, loss, judges, events)
        return self._finish(photos, judges)

    def _train_epoch(
        self, batches: Batches, sampler: EpochBatches, side_px: int, loss_sum: float
    ) -> float:
        """Takes one step a batch, and returns the mean training loss in nats.

        Args:
            batches: the loader, which follows the sampler.
            sampler: stands at the epoch, and at the first step that is left of it.
            side_px: side of the photos that the network sees.
            loss_sum: of the steps that were taken before.
        """
        train, epoch, first = self.settings.train, sampler.epoch, sampler.first_step
        total = torch.tensor(loss_sum, device=self.group.device)
        self.learner.start_epoch()
        bar = tqdm(
            enumerate(batches, first),
            f"epoch {epoch + 1}/{train.epochs}",
            sampler.steps,
            initial=first,
            leave=False,
            unit="batch",
            disable=None if self.group.is_first else True,  # None: only on a terminal
        )
        for step, (x_nhwc, truth) in bar:
            rate = learning_rate_at(train, epoch + step / sampler.steps)
            try:
                loss = self.learner.learn(x_nhwc, truth, Moment(epoch, step, rate, side_px))
            except TrainingError as error:
                raise self._place(error, sampler, step) from error
            total += loss
            done = step + 1
            if self._is_time_to_save(done) and done < sampler.steps:
                self._save(epoch, done, float(total))
            if step % 10 == 0:
                bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
        return float(total) / sampler.steps

    def _record(
        self,
        epoch: int,
        train_loss: float,
        judges: DecodedPhotos,
        events: EventWriter | None,
    ) -> None:
        """Measures the averaged weights, writes the figures, and makes the epoch safe."""
        self.group.check_equal(self.learner.average.digest(), "averaged weights")
        if events is None:
            return
        learner = self.learner
        model = learner.averaged_model()
        probabilities, loss = predict(model, judges, learner.normalise, learner.device)
        figures = measure_accuracy(probabilities, truth_of(judges), self.source.labels.names)
        entry = {
            "train_loss": train_loss,
            "validation_loss": loss,
            "top1": figures["top1"],
            "top5": figures["top5"],
            "learning_rate": self.learner.rate,
        }
        self.history.append(entry)
        events.add(epoch + 1, entry)
        write_atomic(self.out / "learning_curve.png", draw_learning_curve(self.history))
        self._save(epoch + 1, 0, 0.0)
        self._say(
            f"epoch {epoch + 1}/{self.settings.train.epochs}: training loss {train_loss:.3f}, "
            f"validation loss {loss:.3f}, top-1 {100 * entry['top1']:.1f} %"
        )

    def _finish(self, photos: DecodedPhotos, judges: DecodedPhotos) -> dict[str, Any]:
        is_first = self.group.is_first
        return self.group.share(self._write_checkpoint(photos, judges) if is_first else {})

    def _write_checkpoint(self, photos: DecodedPhotos, judges: DecodedPhotos) -> dict[str, Any]:
        learner, model = self.learner, self.learner.averaged_model()
        density = fit_density(model, photos, self._preprocess, learner.normalise, learner.device)

        def answer(decoded: DecodedPhotos) -> Answers:
            return answer_all(model, density, decoded, learner.normalise, learner.device)

        figures = report_run(self.settings, self.source, photos, judges, answer, self.out)
        source = {"name": self.source.name, "licence": self.source.licence}
        loss = figures["calibration"]["before"]["nll"]
        metrics = {"source": source, "loss": loss, **figures, "history": self.history}
        save_checkpoint(
            self.out,
            self.settings,
            learner.average.weights,
            self.source.labels,
            learner.normalise,
            density,
            metrics,
            write_card(self.settings, self.source, metrics, learner.started),
            self.source.hierarchy,
            learner.teacher.sha256 if learner.teacher else None,
        )
        (self.out / STATE_NAME).unlink(missing_ok=True)
        shutil.rmtree(self.out / INDEX_NAME, ignore_errors=True)
        return metrics

    @property
    def _preprocess(self) -> Preprocess:
        model = self.settings.model
        return Preprocess.for_input(model.input_px, model.crop_pct, model.resampler)

    def _make_sampler(self, photos: DecodedPhotos) -> EpochBatches:
        train = self.settings.train
        return EpochBatches(
            photos.class_indices,
            train.batch_size,
            train.seed,
            self.settings.model.input_px,
            balance=train.balance,
            rank=self.group.rank,
            world_size=self.group.size,
        )

    def _place(self, error: TrainingError, sampler: EpochBatches, step: int) -> TrainingError:
        """Returns an error of a step that says where it was, and what is left of the run."""
        keys = next(islice(sampler, step - sampler.first_step, None))
        names = [repr(self.source.train[index].name) for _, index, _ in keys[:_NAMED_PHOTOS]]
        more = f" and {len(keys) - len(names)} more" if len(keys) > len(names) else ""
        return TrainingError(
            f"at epoch {sampler.epoch + 1}, step {step + 1}: {error}. The batch was "
            f"{', '.join(names)}{more}; the last good state is kept in {self.out}"
        )

    def _open_events(self, first_step: int) -> AbstractContextManager[EventWriter | None]:
        if self.group.is_first:
            return EventWriter(self.out / "events", first_step)
        return nullcontext()

    @cached_property
    def _identity(self) -> dict[str, str]:
        """Returns what must not change between the parts of one run."""
        digest = hashlib.sha256()
        for photo in self.source.train:
            digest.update(f"{photo.class_index} {photo.name}\n".encode())
        teacher = self.learner.teacher
        return {
            "settings": self.settings.to_toml(),
            "labels": self.source.labels.to_text(),
            "photos": f"{len(self.source.train)} with names and classes {digest.hexdigest()}",
            "teacher": teacher.sha256 if teacher else "",
        }

    def _is_time_to_save(self, steps: int) -> bool:
        every = self.settings.train.save_every_steps
        return self.group.is_first and every > 0 and steps % every == 0

    def _save(self, epoch: int, step: int, loss_sum: float) -> None:
        tensors = self.learner.state()
        state = RunState(self._identity, epoch, self.history, tensors, step, loss_sum)
        save_state(self.out, state)

    def _resume(self) -> RunState:
        """Goes on from a saved state where there is one, and returns where to go on."""
        state = load_state(self.out, self._identity) if self.group.is_first else None
        state = self.group.share(state)
        if state is None:
            if self.group.is_first:
                (self.out / SUMS_NAME).unlink(missing_ok=True)
            return RunState(self._identity, 0, [], {})
        self.learner.restore(state.tensors)
        self.history = list(state.history)
        step = f", step {state.step}" if state.step else ""
        self._say(f"resuming {self.out} after epoch {state.epoch}{step}")
        return state

    def _say(self, words: str) -> None:
        if self.group.is_first:
            tqdm.write(words)
