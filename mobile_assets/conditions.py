"""What a device says of itself, and the conditions that a version may set for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mobile_assets.errors import VersionError
from mobile_assets.platforms import PLATFORMS
from mobile_assets.reading import Node
from mobile_assets.versions import VersionRange, system_key

NETWORKS = ("unmetered", "metered")
_ANY, _UNMETERED = "any", "unmetered"
NETWORKS_OF_CONDITIONS = (_ANY, _UNMETERED)
MAX_MEMORY_BYTES = 1 << 50


@dataclass(frozen=True)
class RuntimeOfApp:
    """A runtime that an app links.

    Attributes:
        name: one of `conversion.artifact.RUNTIMES`.
        version: its version; None where the app does not say.
    """

    name: str
    version: str | None = None


@dataclass(frozen=True)
class Running:
    """The version that a device runs.

    Attributes:
        version: a semantic version.
        manifest_sha256: of its manifest; None where the app does not say.
    """

    version: str
    manifest_sha256: str | None = None


@dataclass(frozen=True)
class Device:
    """A device that asks what to run. What it does not say is None, or empty.

    Attributes:
        platform: one of `PLATFORMS`.
        os_version: one to four numbers with dots between them.
        app_version: a semantic version.
        device_id: stays the same for a device; decides which rollouts include it.
        channel: the channel that it follows.
        runtimes: those that the app links, best first; the platform's own list without.
        precision: the one that it wants; the most faithful without.
        memory_bytes: of the device.
        free_bytes: free space on its disk.
        network: one of `NETWORKS`.
        running: what it runs of this model; None for what it was shipped with, or nothing.
        have: SHA-256 of artifact files that it kept.
        refused: versions that failed their self-test, or to start, on this device.
    """

    platform: str
    os_version: str | None = None
    app_version: str | None = None
    device_id: str | None = None
    channel: str = "stable"
    runtimes: tuple[RuntimeOfApp, ...] = ()
    precision: str | None = None
    memory_bytes: int | None = None
    free_bytes: int | None = None
    network: str | None = None
    running: Running | None = None
    have: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns what the device says, as the body of a check."""
        value: dict[str, Any] = {
            **vars(self),
            "runtimes": [_list_said(vars(runtime)) for runtime in self.runtimes],
            "current": self.running and _list_said(vars(self.running)),
            "have": list(self.have),
            "refused": list(self.refused),
        }
        del value["running"]
        return _list_said(value)


@dataclass(frozen=True)
class Conditions:
    """What a device must be like to be offered a version.

    A device that does not say what a condition is about does not meet it.

    Attributes:
        min_os: for some platforms the oldest version of the operating system.
        app_version: which versions of the app, as in ">=1.2.0 <3.0.0".
        min_memory_bytes: how much memory.
        network: "unmetered" to be downloaded over Wi-Fi only, or "any".
    """

    min_os: Mapping[str, str] = field(default_factory=dict)
    app_version: VersionRange | None = None
    min_memory_bytes: int | None = None
    network: str = _ANY

    def find_unmet(self, device: Device) -> str | None:
        """Returns, in words, a condition that a device does not meet and will not soon."""
        least = self.min_os.get(device.platform)
        if least is not None and not _holds(
            lambda found: system_key(found) >= system_key(least), device.os_version
        ):
            return f"it needs {device.platform} {least}, not {_show(device.os_version)}"
        wanted = self.app_version
        if wanted is not None and not _holds(wanted.__contains__, device.app_version):
            return f"it needs version {wanted.text} of the app, not {_show(device.app_version)}"
        if self.min_memory_bytes is not None and (
            device.memory_bytes is None or device.memory_bytes < self.min_memory_bytes
        ):
            return (
                f"it needs {self.min_memory_bytes} bytes of memory, not "
                f"{_show(device.memory_bytes)}"
            )
        return None

    def must_wait_for_network(self, device: Device) -> bool:
        """Returns whether a device must not download it over the network that it has now."""
        return self.network == _UNMETERED and device.network != _UNMETERED

    def to_json(self) -> dict[str, Any]:
        """Returns what `release.json` holds: only the conditions that are set."""
        value: dict[str, Any] = {}
        if self.min_os:
            value["min_os"] = dict(self.min_os)
        if self.app_version is not None:
            value["app_version"] = self.app_version.text
        if self.min_memory_bytes is not None:
            value["min_memory_bytes"] = self.min_memory_bytes
        if self.network != _ANY:
            value["network"] = self.network
        return value

    @classmethod
    def from_node(cls, node: Node) -> "Conditions":
        """Reads conditions; an unknown one is refused, as ignoring it would widen the policy."""
        members = node.members()
        names = [entry.name for entry in fields(cls)]
        for name in members:
            if name not in names:
                members[name].fail(f"a condition that is not known: allowed are {names}")
        read: dict[str, Callable[[Node], Any]] = {
            "min_os": _read_min_os,
            "app_version": _read_range,
            "min_memory_bytes": lambda key: key.whole(1, MAX_MEMORY_BYTES),
            "network": lambda key: key.one_of(NETWORKS_OF_CONDITIONS),
        }
        return cls(**{name: read[name](member) for name, member in members.items()})


def _read_min_os(node: Node) -> dict[str, str]:
    found = {}
    for platform, member in node.members().items():
        if platform not in PLATFORMS:
            member.fail(f"of a platform that is not known: allowed are {', '.join(PLATFORMS)}")
        try:
            system_key(member.text())
        except VersionError as error:
            member.fail(str(error))
        found[platform] = member.text()
    return found


def _read_range(node: Node) -> VersionRange:
    try:
        return VersionRange(node.text())
    except VersionError as error:
        node.fail(str(error))


def _holds(check: Callable[[str], bool], found: str | None) -> bool:
    try:
        return found is not None and check(found)
    except VersionError:
        return False


def _show(found: object) -> str:
    return "one that does not say" if found is None else str(found)[:40]


def _list_said(value: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what is said, without what is not: a server refuses null."""
    return {name: said for name, said in value.items() if said not in (None, [])}
