"""Which phones get which precision: Google Play's device targeting, from a TOML file.

    [[group]]
    name = "low_ram"
    precision = "int8"
    ram_max_bytes = 4_000_000_000

    [[group]]
    name = "sm8750"
    precision = "fp16"
    chips = [["QTI", "SM8750"], ["Qualcomm", "SM8750"]]

The form of Play's own file is that of developer.android.com/google/play/device-targeting; names
are checked as bundletool's DeviceTargetingUtils does.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from conversion.variants import PRECISIONS
from training.errors import ConfigError

OTHER = "other"
_NAMESPACE = "http://schemas.android.com/apk/config"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_MAX_GROUPS = 20
_MAX_RAM_BYTES = 1 << 50
_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class DeviceGroup:
    """Phones that get another precision than all others. All conditions must hold.

    Attributes:
        name: a letter, then letters, digits and underscores; not "other", Play's own name for
            the rest.
        precision: one of `conversion.variants.PRECISIONS`.
        ram_min_bytes: at least so much memory; None for any.
        ram_max_bytes: less than so much; None for any.
        chips: one of these, as (manufacturer, model) of `Build.SOC_MANUFACTURER` and `SOC_MODEL`,
            which exist from Android 12 (API level 31) on; empty for any.
        devices: one of these, as (brand, device) of Play's device catalogue; empty for any.

    Raises:
        ConfigError: a value is out of range, or there is no condition.
    """

    name: str
    precision: str
    ram_min_bytes: int | None = None
    ram_max_bytes: int | None = None
    chips: tuple[tuple[str, str], ...] = ()
    devices: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name) or self.name == OTHER:
            raise ConfigError(
                f"group name {self.name!r}: allowed are 1 to 64 letters, digits and underscores, "
                f"a letter first, and not {OTHER!r}"
            )
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"group {self.name}: precision {self.precision!r}: allowed are "
                f"{', '.join(PRECISIONS)}"
            )
        low, high = self.ram_min_bytes, self.ram_max_bytes
        for name, value in (("ram_min_bytes", low), ("ram_max_bytes", high)):
            if value is not None and (type(value) is not int or not 1 <= value <= _MAX_RAM_BYTES):
                raise ConfigError(
                    f"group {self.name}: {name} is {value!r}: allowed are whole numbers from 1 to "
                    f"{_MAX_RAM_BYTES}"
                )
        if low is not None and high is not None and low >= high:
            raise ConfigError(
                f"group {self.name}: ram_min_bytes {low} must lie below ram_max_bytes {high}"
            )
        if low is None and high is None and not self.chips and not self.devices:
            raise ConfigError(
                f"group {self.name} has no condition: allowed are ram_min_bytes, ram_max_bytes, "
                "chips and devices"
            )


def read_groups(path: Path) -> tuple[DeviceGroup, ...]:
    """Reads a TOML file of device groups; a phone gets what the first that it fits says.

    Raises:
        ConfigError: the file cannot be read or is malformed, a key is unknown, or a name is given
            twice.
    """
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            raise ConfigError(f"{path} has {len(data)} bytes: allowed are {_MAX_BYTES}")
        value = tomllib.loads(data.decode())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    entries = value.get("group")
    if set(value) != {"group"} or not isinstance(entries, list) or len(entries) > _MAX_GROUPS:
        raise ConfigError(
            f"{path}: allowed are 1 to {_MAX_GROUPS} tables [[group]] and nothing else"
        )
    groups = tuple(_read_group(entry, path) for entry in entries)
    names = [group.name.lower() for group in groups]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{path}: the group {name!r} is given twice")
    return groups


def _read_group(entry: Any, path: Path) -> DeviceGroup:
    allowed = [field.name for field in fields(DeviceGroup)]
    if not isinstance(entry, dict) or not {"name", "precision"} <= set(entry) <= set(allowed):
        raise ConfigError(
            f"{path}: a group needs name and precision; allowed are {', '.join(allowed)}"
        )
    pairs = {
        key: _read_pairs(entry[key], key, path) for key in ("chips", "devices") if key in entry
    }
    try:
        return DeviceGroup(**{**entry, **pairs})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_pairs(value: Any, key: str, path: Path) -> tuple[tuple[str, str], ...]:
    if isinstance(value, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(text, str) and text and text.isprintable() for text in pair)
        for pair in value
    ):
        return tuple((pair[0], pair[1]) for pair in value)
    raise ConfigError(f"{path}: {key} is {value!r}: allowed are pairs of texts")


def targeting_xml(groups: tuple[DeviceGroup, ...]) -> bytes:
    """Returns Play's device targeting configuration. Play's group "other" is never named there."""
    ElementTree.register_namespace("config", _NAMESPACE)
    root = ElementTree.Element(f"{{{_NAMESPACE}}}device-targeting-config")
    for group in groups:
        entry = ElementTree.SubElement(root, f"{{{_NAMESPACE}}}device-group", name=group.name)
        limits = {"ram-min-bytes": group.ram_min_bytes, "ram-max-bytes": group.ram_max_bytes}
        selector = ElementTree.SubElement(
            entry,
            f"{{{_NAMESPACE}}}device-selector",
            {name: str(value) for name, value in limits.items() if value is not None},
        )
        for brand, device in group.devices:
            ElementTree.SubElement(
                selector, f"{{{_NAMESPACE}}}included-device-id", brand=brand, device=device
            )
        for manufacturer, model in group.chips:
            ElementTree.SubElement(
                selector,
                f"{{{_NAMESPACE}}}system-on-chip",
                manufacturer=manufacturer,
                model=model,
            )
    ElementTree.indent(root, "    ")
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()
