"""How fast training is beside a plain PyTorch loop, in one run: the two take turns."""

import multiprocessing
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import PIL
import torch

from training.config import Settings
from training.errors import DataError
from training.learning.augment import Augment
from training.learning.batches import AugmentedPhotos, EpochBatches, load_batches
from training.learning.learner import Learner, Moment
from training.learning.parallel import open_group
from training.learning.photo_cache import KEPT_RESOLUTION, DecodedPhotos, decode_all, read_whole
from training.learning.plain_loop import PlainLoop
from training.photos import Photo, PhotoFile, Source
from training.preprocess import Preprocess, decode_photo

PLAIN, OURS = "plain PyTorch", "ours"
_JPEG_QUALITY = 90


@dataclass(frozen=True)
class Turn:
    """What one turn took, or the decoding.

    Attributes:
        wall_s: seconds by the clock.
        processor_s: seconds of processor time, worker processes included where the system tells
            (Linux); with `train.workers=0`, everywhere.
    """

    wall_s: float
    processor_s: float


@dataclass(frozen=True)
class Throughput:
    """What was measured.

    Attributes:
        turns: of each contender, one a round.
        decoding: of the photos once, which ours does before it starts.
        epochs: over how many epochs ours spreads the decoding.
        photos: photos a turn.
        machine: the machine, and how busy it was, in words.
    """

    turns: dict[str, list[Turn]]
    decoding: Turn
    epochs: int
    photos: int
    machine: str

    def ratios(self, name: str, what: str = "wall_s") -> list[float]:
        """Returns how many times as fast as the plain loop a contender was, for each round.

        Of ours, the time of decoding once counts, spread over the epochs.

        Args:
            name: the contender.
            what: "wall_s", or "processor_s", which other processes on the machine hardly change.
        """
        once_s = getattr(self.decoding, what) / self.epochs if name == OURS else 0.0
        return [
            getattr(plain, what) / (getattr(turn, what) + once_s)
            for plain, turn in zip(self.turns[PLAIN], self.turns[name], strict=True)
        ]

    def to_markdown(self) -> str:
        """Returns a table for people; medians with quartiles over the rounds."""
        lines = [
            "| | photos a second | times the plain loop | the same by processor time |",
            "| --- | ---: | ---: | ---: |",
        ]
        for name, turns in self.turns.items():
            rates = [self.photos / turn.wall_s for turn in turns]
            lines.append(
                f"| {name} | {_describe(rates, 1)} | {_describe(self.ratios(name), 2)} | "
                f"{_describe(self.ratios(name, 'processor_s'), 2)} |"
            )
        return "\n".join(lines)


def measure_throughput(
    settings: Settings,
    source: Source,
    steps: int,
    rounds: int,
    ladder: bool,
    tell: Callable[[str], object],
) -> Throughput:
    """Trains with our loop and with a plain one, an epoch each in turn.

    Both get the same photos, as JPEG files in a temporary folder, the same network, batch size,
    augmentation, worker processes and threads. A turn is a whole epoch of a few batches, so that
    no loader works ahead in the other's turn; a first turn of each is not counted.

    Args:
        settings: of the run; epochs only say over how many ours spreads the decoding.
        source: photos for training.
        steps: batches a turn.
        rounds: turns of each that count.
        ladder: measure what lies between the two as well.
        tell: takes lines of progress.

    Raises:
        DataError: the source has too few photos.
    """
    train = settings.train
    wanted = steps * train.batch_size
    if len(source.train) < wanted:
        raise DataError(
            f"{source.name} has {len(source.train)} training photos; {steps} batches of "
            f"{train.batch_size} need {wanted}"
        )
    torch.set_num_threads(train.threads or os.cpu_count() or 1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ghostlens-")))
        photos = write_photos(source.train, wanted, folder)
        clock = _Clock()
        decoded = stack.enter_context(_decode(settings, photos, folder))
        decoding = clock.read()
        contenders = _list_contenders(settings, source, photos, decoded, stack, ladder)
        turns: dict[str, list[Turn]] = {name: [] for name in contenders}
        for turn in range(rounds + 1):
            # Every other round backwards, so that nobody always follows the same one.
            for name in list(contenders)[:: 1 if turn % 2 else -1]:
                clock = _Clock()
                contenders[name]()
                if turn:
                    turns[name].append(clock.read())
                    tell(f"round {turn} of {rounds}: {name}: {turns[name][-1].wall_s:.1f} s")
        return Throughput(turns, decoding, train.epochs, wanted, describe_machine())


class _Clock:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._wall_s, self._processor_s = time.perf_counter(), _processor_s()

    def read(self) -> Turn:
        return Turn(time.perf_counter() - self._wall_s, _processor_s() - self._processor_s)


def _processor_s() -> float:
    """Returns the processor time of this process and of its workers, as far as it is known."""
    ended = os.times()
    total_s = ended.user + ended.system + ended.children_user + ended.children_system
    for process in multiprocessing.active_children():
        try:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # another system, or it has just ended
        total_s += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total_s


def write_photos(photos: Sequence[Photo], count: int, folder: Path) -> list[Photo]:
    """Writes photos at even distances as JPEG files; those that are JPEGs stay as they are."""
    places = np.linspace(0, len(photos) - 1, count).round().astype(int)
    written = []
    for number, place in enumerate(places):
        photo, path = photos[int(place)], folder / f"{number:06}.jpg"
        data = photo.read()
        if data.startswith(b"\xff\xd8\xff"):
            path.write_bytes(data)
        else:
            decode_photo(data, photo.name).save(path, "JPEG", quality=_JPEG_QUALITY)
        written.append(Photo(photo.name, photo.class_index, PhotoFile(path)))
    return written


def describe_machine() -> str:
    """Returns the machine and its load in words; the benchmark itself is part of the load."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} {platform.machine()} cores, load average {load}, "
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, Pillow {PIL.__version__}"
    )


@contextmanager
def _decode(settings: Settings, photos: list[Photo], folder: Path) -> Iterator[DecodedPhotos]:
    model = settings.model
    preprocess = Preprocess.for_input(model.input_px, model.crop_pct, model.resampler)
    whole = partial(read_whole, short_px=round(KEPT_RESOLUTION * preprocess.resize_px))
    limit = settings.data.cache_size_bytes
    with decode_all(photos, whole, settings.train.workers, "decode", folder, limit) as decoded:
        yield decoded


def _list_contenders(
    settings: Settings,
    source: Source,
    photos: list[Photo],
    decoded: DecodedPhotos,
    stack: ExitStack,
    ladder: bool,
) -> dict[str, Callable[[], object]]:
    plain = partial(PlainLoop, settings, photos, len(source.labels))
    contenders: dict[str, Callable[[], object]] = {PLAIN: plain().train_epoch}
    if ladder:
        contenders["plain, channels last"] = plain(channels_last=True).train_epoch
        contenders["plain, channels last, fused AdamW"] = plain(True, True).train_epoch
    contenders[OURS] = _our_epoch(settings, source, decoded, stack)
    return contenders


def _our_epoch(
    settings: Settings, source: Source, decoded: DecodedPhotos, stack: ExitStack
) -> Callable[[], object]:
    """Returns what trains an epoch as `training.learning.train` does."""
    train, side_px = settings.train, settings.model.input_px
    learner = Learner(settings, source.labels, source.hierarchy, stack.enter_context(open_group()))
    sampler = EpochBatches(decoded.class_indices, train.batch_size, train.seed, side_px)
    changed = AugmentedPhotos(decoded, Augment(train), train.seed)
    batches = load_batches(changed, sampler, train.workers)

    def train_epoch() -> None:
        learner.start_epoch()
        for step, (x_nhwc, truth) in enumerate(batches):
            moment = Moment(sampler.epoch, step, train.learning_rate, side_px)
            learner.learn(x_nhwc, truth, moment)
        sampler.epoch += 1

    return train_epoch


def _describe(values: list[float], digits: int) -> str:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
