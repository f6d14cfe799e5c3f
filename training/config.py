"""Settings of a training run: TOML -> frozen dataclasses, checked as they are made."""

import dataclasses
import json
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.errors import ConfigError

SOURCES = ("synthetic", "folder", "csv", "grocery")
ARCHITECTURES = ("ghostnet_050", "ghostnet_100", "ghostnet_130")
OPTIMIZERS = ("adamw", "sgd")
POLICIES = ("none", "trivial", "rand")


def _check(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise ConfigError(f"{name} is {value!r}: allowed are {allowed}")


def _check_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    _check(value in allowed, name, value, ", ".join(allowed))


@dataclass(frozen=True)
class DataSettings:
    """Where the photos come from.

    Attributes:
        source: "synthetic" (built in), "folder" (train/<class>/*, val/ or validation/), "csv" (a
            manifest with the columns path, label, split) or "grocery" (Grocery Store Dataset).
        path: the folder or the CSV file; unused by "synthetic". Without a path, "grocery" fetches
            the public archive.
        seed: seed of the synthetic photos.
        train_per_class: synthetic photos drawn for training, for each class.
        validation_per_class: synthetic photos drawn for validation, for each class.
        skip_problems: leave out the photos that the check of the source reports, instead of
            stopping; each one is still named.
    """

    source: str = "synthetic"
    path: str = ""
    seed: int = 0
    train_per_class: int = 160
    validation_per_class: int = 40
    skip_problems: bool = False

    def __post_init__(self) -> None:
        _check_one_of("data.source", self.source, SOURCES)
        if self.source in ("folder", "csv"):
            _check(bool(self.path), "data.path", self.path, f"the path of the {self.source} source")
        _check(self.seed >= 0, "data.seed", self.seed, "whole numbers from 0")
        for name in ("train_per_class", "validation_per_class"):
            value = getattr(self, name)
            _check(1 <= value <= 100_000, f"data.{name}", value, "1 to 100000")


@dataclass(frozen=True)
class ModelSettings:
    """The network and the pixels that it takes.

    Attributes:
        architecture: "ghostnet_050", "ghostnet_100" or "ghostnet_130", as timm names them.
        input_px: side of the square input, in pixels, a multiple of 32.
        crop_pct: share of the photo's shorter side that the centre crop keeps.
        resampler: "bilinear", "bicubic" or "lanczos".
        dropout: share of the last features dropped in training (the paper uses 0.2).
        pretrained: weights to start from: a local .safetensors or .pth file, or the Hub name
            "timm/ghostnet_100.in1k"; empty for none.
        pretrained_sha256: what the file's SHA-256 must be; empty to skip the check for a local
            file.
    """

    architecture: str = "ghostnet_100"
    input_px: int = 224
    crop_pct: float = 0.875
    resampler: str = "bilinear"
    dropout: float = 0.2
    pretrained: str = ""
    pretrained_sha256: str = ""

    def __post_init__(self) -> None:
        _check_one_of("model.architecture", self.architecture, ARCHITECTURES)
        fits = self.input_px % 32 == 0 and 32 <= self.input_px <= 1024
        _check(fits, "model.input_px", self.input_px, "multiples of 32 from 32 to 1024")
        _check(0.5 < self.crop_pct <= 1, "model.crop_pct", self.crop_pct, "over 0.5 up to 1")
        _check_one_of("model.resampler", self.resampler, ("bilinear", "bicubic", "lanczos"))
        _check(0 <= self.dropout < 1, "model.dropout", self.dropout, "0 to below 1")
        digest = self.pretrained_sha256
        is_sha256 = len(digest) in (0, 64) and all(c in "0123456789abcdef" for c in digest)
        _check(is_sha256, "model.pretrained_sha256", digest, "64 lower-case hexadecimal digits")


@dataclass(frozen=True)
class TrainSettings:
    """The recipe.

    Attributes:
        epochs: passes over the training photos.
        batch_size: photos a step.
        optimizer: "adamw" or "sgd" (Nesterov momentum 0.9).
        learning_rate: the highest rate, reached after the warm-up.
        weight_decay: on convolution and linear weights; never on biases and BN.
        warmup_epochs: epochs of linear warm-up; cosine decay to zero follows.
        label_smoothing: share of the target spread over all classes.
        ema_decay: decay of the moving average of the weights, which is what is kept; early on
            it is capped at (1 + step) / (10 + step), so that short runs average too. 0 for none.
        policy: "none", "trivial" (TrivialAugment, arXiv 2103.10158) or "rand" (RandAugment,
            arXiv 1909.13719).
        rand_magnitude: strength of RandAugment's two operations, 0 to 10.
        crop_scale_min: smallest share of a photo's area that a random resized crop takes.
        colour_jitter: largest change of brightness, contrast and saturation, as a share.
        flip: mirror half of the photos left to right.
        seed: seed of the weights, the order of photos and the augmentation.
        workers: processes that prepare photos beside the training; 0 for none.
        threads: CPU threads of the network; 0 for as many as there are cores. Below about 128
            pixels one is as fast as two.
        target_precision: share of right answers that the threshold "sure" is chosen for.
    """

    epochs: int = 30
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup_epochs: float = 2.0
    label_smoothing: float = 0.1
    ema_decay: float = 0.999
    policy: str = "trivial"
    rand_magnitude: float = 4.0
    crop_scale_min: float = 0.35
    colour_jitter: float = 0.2
    flip: bool = True
    seed: int = 0
    workers: int = 2
    threads: int = 0
    target_precision: float = 0.95

    def __post_init__(self) -> None:
        _check(self.epochs >= 1, "train.epochs", self.epochs, "whole numbers from 1")
        _check(self.batch_size >= 2, "train.batch_size", self.batch_size, "whole numbers from 2")
        _check_one_of("train.optimizer", self.optimizer, OPTIMIZERS)
        _check_one_of("train.policy", self.policy, POLICIES)
        rate = self.learning_rate
        _check(0 < rate <= 10, "train.learning_rate", rate, "over 0 up to 10")
        _check(0 <= self.weight_decay <= 1, "train.weight_decay", self.weight_decay, "0 to 1")
        warmup = self.warmup_epochs
        _check(0 <= warmup < self.epochs, "train.warmup_epochs", warmup, "0 to below epochs")
        smoothing = self.label_smoothing
        _check(0 <= smoothing < 1, "train.label_smoothing", smoothing, "0 to below 1")
        _check(0 <= self.ema_decay < 1, "train.ema_decay", self.ema_decay, "0 to below 1")
        magnitude = self.rand_magnitude
        _check(0 <= magnitude <= 10, "train.rand_magnitude", magnitude, "0 to 10")
        scale = self.crop_scale_min
        _check(0 < scale <= 1, "train.crop_scale_min", scale, "over 0 up to 1")
        _check(0 <= self.colour_jitter < 1, "train.colour_jitter", self.colour_jitter, "0 to 1")
        for name in ("seed", "workers", "threads"):
            value = getattr(self, name)
            _check(value >= 0, f"train.{name}", value, "whole numbers from 0")
        precision = self.target_precision
        _check(0.5 <= precision < 1, "train.target_precision", precision, "0.5 to below 1")


@dataclass(frozen=True)
class Settings:
    """Everything that a training run depends on.

    Attributes:
        data: table [data].
        model: table [model].
        train: table [train].
    """

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)

    def to_toml(self) -> str:
        """Returns the settings as TOML that `read_settings` takes back."""
        lines: list[str] = []
        for table in dataclasses.fields(self):
            lines.append(f"[{table.name}]")
            section = getattr(self, table.name)
            for name, kind in typing.get_type_hints(type(section)).items():
                # A float field may hold a whole number, and must read the same either way.
                lines.append(f"{name} = {_toml_value(kind(getattr(section, name)))}")
            lines.append("")
        return "\n".join(lines)


def read_settings(text: str, where: str = "settings") -> Settings:
    """Reads settings from TOML text; what is left out takes its default.

    Args:
        text: TOML with the tables [data], [model] and [train].
        where: name of the text, for error messages.

    Raises:
        ConfigError: not TOML, an unknown table or key, a wrong type, or a value out of range.
    """
    try:
        tables = tomllib.loads(text)
        sections = {name: kind for name, kind in typing.get_type_hints(Settings).items()}
        unknown = sorted(set(tables) - set(sections))
        _check(not unknown, "table", ", ".join(unknown), ", ".join(sections))
        return Settings(**{name: _make(sections[name], name, tables[name]) for name in tables})
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def load_settings(path: Path) -> Settings:
    """Reads settings from a TOML file.

    Raises:
        ConfigError: the file cannot be read, or see `read_settings`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read settings from {path}: {error}") from error
    return read_settings(text, str(path))


def override(settings: Settings, assignments: tuple[str, ...]) -> Settings:
    """Returns settings with some values replaced.

    Args:
        settings: what to start from.
        assignments: each "table.key=value", the value as in TOML; plain words need no quotes.

    Raises:
        ConfigError: not of that form, or see `read_settings`.
    """
    tables = {name: dataclasses.asdict(getattr(settings, name)) for name in _section_names()}
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        table, dot, name = key.strip().partition(".")
        formed = bool(separator and dot and table in tables and name)
        _check(formed, "--set", assignment, "TABLE.KEY=VALUE with " + ", ".join(tables))
        tables[table][name] = _parse_value(value.strip())
    kinds = typing.get_type_hints(Settings)
    return Settings(**{name: _make(kinds[name], name, tables[name]) for name in tables})


def _section_names() -> list[str]:
    return [table.name for table in dataclasses.fields(Settings)]


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _make(kind: type, table: str, values: object) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"{table} is {values!r}: it must be a table")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    _check(not unknown, f"[{table}] key", ", ".join(unknown), ", ".join(hints))
    return kind(**{name: _typed(f"{table}.{name}", hints[name], values[name]) for name in values})


def _typed(name: str, kind: type | types.GenericAlias, value: object) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        kind_name = getattr(kind, "__name__", str(kind))
        raise ConfigError(f"{name} is {value!r}: it must be of type {kind_name}")
    return value


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the one control character that JSON leaves alone.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
