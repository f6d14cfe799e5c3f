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
from training.limits import check, check_one_of
from training.recipe import DistillSettings, TrainSettings

SOURCES = ("synthetic", "folder", "csv", "grocery")
ARCHITECTURES = (
    "ghostnet_050",
    "ghostnet_100",
    "ghostnet_130",
    "ghostnetv2_100",
    "ghostnetv2_130",
    "ghostnetv2_160",
    "ghostnetv3_050",
    "ghostnetv3_100",
    "ghostnetv3_130",
    "ghostnetv3_160",
)
# Decoded photos up to this size are kept on disk while a run lasts; see
# `training.learning.photo_cache`.
_CACHE_SIZE_BYTES = 16_000_000_000


@dataclass(frozen=True)
class DataSettings:
    """Where the photos come from.

    Attributes:
        source: "synthetic" (built in), "folder" (train/<class>/*, val/ or validation/, where wanted
            hierarchy.csv and unknown/), "csv" (a manifest with the columns path, label, split and,
            where wanted, coarse) or "grocery" (Grocery Store Dataset).
        path: the folder or the CSV file; unused by "synthetic". Without a path, "grocery" fetches
            the public archive.
        more: CSV manifests, or folders with a `manifest.csv`, as of corrections: their photos are
            trained on too. See `training.sources.more`.
        seed: seed of the synthetic photos.
        train_per_class: synthetic photos drawn for training, for each class.
        validation_per_class: synthetic photos drawn for validation, for each class.
        skip_problems: leave out the photos that the check of the source reports, instead of
            stopping; each one is still named.
        held_out: classes that are left out of the labels and of training; their validation
            photos become photos of unknown things, to measure how those are rejected.
        clutter: synthetic photos of no item at all, added to the unknown things.
        cache_size_bytes: decoded photos are kept on disk while a run lasts, up to this size;
            photos beyond it are decoded anew each time.
    """

    source: str = "synthetic"
    path: str = ""
    more: tuple[str, ...] = ()
    seed: int = 0
    train_per_class: int = 160
    validation_per_class: int = 40
    skip_problems: bool = False
    held_out: tuple[str, ...] = ()
    clutter: int = 0
    cache_size_bytes: int = _CACHE_SIZE_BYTES

    def __post_init__(self) -> None:
        check_one_of("data.source", self.source, SOURCES)
        if self.source in ("folder", "csv"):
            check(bool(self.path), "data.path", self.path, f"the path of the {self.source} source")
        check(self.seed >= 0, "data.seed", self.seed, "whole numbers from 0")
        for name in ("train_per_class", "validation_per_class"):
            value = getattr(self, name)
            check(1 <= value <= 100_000, f"data.{name}", value, "1 to 100000")
        twice = sorted({name for name in self.held_out if self.held_out.count(name) > 1})
        check(not twice, "data.held_out", self.held_out, f"each class once, {twice} is not")
        check(0 <= self.clutter <= 100_000, "data.clutter", self.clutter, "0 to 100000")
        size_bytes = self.cache_size_bytes
        check(size_bytes >= 0, "data.cache_size_bytes", size_bytes, "whole numbers from 0")


@dataclass(frozen=True)
class ModelSettings:
    """The network and the pixels that it takes.

    Attributes:
        architecture: one of `ARCHITECTURES`, as timm names them: GhostNet, GhostNetV2 with DFC
            attention, or GhostNetV3, which also trains with branches; the number is the width in
            percent.
        input_px: side of the square input, in pixels, a multiple of 32; for GhostNetV2 and V3
            at least 64, as DFC attention cannot pool the one place that 32 pixels leave.
        crop_pct: share of the photo's shorter side that the centre crop keeps.
        resampler: "bilinear", "bicubic" or "lanczos".
        dropout: share of the last features dropped in training (the paper uses 0.2).
        pretrained: weights to start from: a local .safetensors or .pth file, or one of
            `training.networks.pretrained.HUB_NAMES`, as in "timm/ghostnet_100.in1k"; empty for
            none.
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
        check_one_of("model.architecture", self.architecture, ARCHITECTURES)
        low = self.smallest_px()
        fits = self.input_px % 32 == 0 and low <= self.input_px <= 1024
        check(fits, "model.input_px", self.input_px, f"multiples of 32 from {low} to 1024")
        check(0.5 < self.crop_pct <= 1, "model.crop_pct", self.crop_pct, "over 0.5 up to 1")
        check_one_of("model.resampler", self.resampler, ("bilinear", "bicubic", "lanczos"))
        check(0 <= self.dropout < 1, "model.dropout", self.dropout, "0 to below 1")
        digest = self.pretrained_sha256
        is_sha256 = len(digest) in (0, 64) and all(c in "0123456789abcdef" for c in digest)
        check(is_sha256, "model.pretrained_sha256", digest, "64 lower-case hexadecimal digits")

    def smallest_px(self) -> int:
        """Returns the smallest side, in pixels, that the network can take."""
        return 32 if self.architecture.startswith("ghostnet_") else 64


@dataclass(frozen=True)
class Settings:
    """Everything that a training run depends on.

    Attributes:
        data: table [data].
        model: table [model].
        train: table [train].
        distill: table [distill].
    """

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    distill: DistillSettings = field(default_factory=DistillSettings)

    def __post_init__(self) -> None:
        low = self.model.smallest_px()
        for name in ("start_px", "finish_px"):
            value = getattr(self.train, name)
            allowed = f"from {low} for {self.model.architecture}, and 0"
            check(value == 0 or value >= low, f"train.{name}", value, allowed)

    def to_toml(self) -> str:
        """Returns the settings as TOML that `read_settings` takes back."""
        lines: list[str] = []
        for table in dataclasses.fields(self):
            lines.append(f"[{table.name}]")
            section = getattr(self, table.name)
            for name, kind in typing.get_type_hints(type(section)).items():
                # A float field may hold a whole number, and must read the same either way.
                value = getattr(section, name)
                lines.append(f"{name} = {_toml_value(kind(value) if kind is float else value)}")
            lines.append("")
        return "\n".join(lines)


def read_settings(text: str, where: str = "settings") -> Settings:
    """Reads settings from TOML text; what is left out takes its default.

    Args:
        text: TOML with the tables [data], [model], [train] and [distill].
        where: name of the text, for error messages.

    Raises:
        ConfigError: not TOML, an unknown table or key, a wrong type, or a value out of range.
    """
    try:
        tables = tomllib.loads(text)
        sections = {name: kind for name, kind in typing.get_type_hints(Settings).items()}
        unknown = sorted(set(tables) - set(sections))
        check(not unknown, "table", ", ".join(unknown), ", ".join(sections))
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
        words = getattr(error, "strerror", None) or error
        raise ConfigError(
            f"cannot read settings from {path}: {words}; allowed are a TOML file, or the name of a "
            "preset (`python -m training presets` lists them)"
        ) from error
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
        check(formed, "--set", assignment, "TABLE.KEY=VALUE with " + ", ".join(tables))
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
    check(not unknown, f"[{table}] key", ", ".join(unknown), ", ".join(hints))
    return kind(**{name: _typed(f"{table}.{name}", hints[name], values[name]) for name in values})


def _typed(name: str, kind: type | types.GenericAlias, value: object) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if typing.get_origin(kind) is tuple:
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ConfigError(f"{name} is {value!r}: it must be a list of strings")
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
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return repr(value)
