"""`release.json`: the versions of a model, and who is offered which. Signed as a TUF target."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mobile_assets.bucketing import SALT, WHOLE_SHARE_BP, is_included
from mobile_assets.conditions import Conditions
from mobile_assets.errors import ManifestError
from mobile_assets.parts import read_model_name, read_version
from mobile_assets.reading import Node, canonical_json, check_schema, read_json

RELEASE_SCHEMA = "ghostlens.release/2"
RELEASE_NAME = "release.json"
MAX_RELEASE_BYTES = 4 << 20
STABLE = "stable"
CHANNEL = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
CHANNEL_ALLOWED = "1 to 32 of a-z, 0-9 and '-', a letter first"
MAX_VERSIONS = 10_000
MAX_CHANNELS = 100
TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")
TIME_ALLOWED = "RFC 3339 times in UTC, as in 2026-11-24T15:45:00Z"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class PublishedVersion:
    """A version that was published; it is never removed, and its content never changes.

    Attributes:
        version: a semantic version.
        published_at: when, RFC 3339 in UTC to the second.
        conditions: what a device must be like to be offered it; None for any.
        deprecated: why it is offered to nobody any more who does not run it; None where it is.
    """

    version: str
    published_at: str
    conditions: Conditions | None = None
    deprecated: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what `release.json` holds."""
        conditions = None if self.conditions is None else self.conditions.to_json()
        return {**vars(self), "conditions": conditions}

    @classmethod
    def from_node(cls, node: Node) -> "PublishedVersion":
        """Reads a version's entry."""
        keys = node.table("version", "published_at", "conditions", "deprecated")
        conditions, deprecated = keys["conditions"], keys["deprecated"]
        return cls(
            read_version(keys["version"]),
            _read_time(keys["published_at"]),
            None if conditions.value is None else Conditions.from_node(conditions),
            None if deprecated.value is None else deprecated.text(),
        )


@dataclass(frozen=True)
class Rollout:
    """A version on its way to a share of the devices of a channel.

    Attributes:
        version: the one that those devices are offered.
        share_bp: how many of 10,000 devices.
        salt: decides which; 32 hexadecimal digits, new for each rollout.
        started_at: when, RFC 3339 in UTC to the second.
    """

    version: str
    share_bp: int
    salt: str
    started_at: str

    def includes(self, device_id: str | None) -> bool:
        """Returns whether a device is among the share."""
        return is_included(self.salt, device_id, self.share_bp)

    @classmethod
    def from_node(cls, node: Node) -> "Rollout":
        """Reads a rollout."""
        keys = node.table("version", "share_bp", "salt", "started_at")
        return cls(
            read_version(keys["version"]),
            keys["share_bp"].whole(0, WHOLE_SHARE_BP),
            keys["salt"].matching(SALT, "32 lower-case hexadecimal digits"),
            _read_time(keys["started_at"]),
        )


@dataclass(frozen=True)
class Channel:
    """What the devices that follow a channel run.

    Attributes:
        current: the version for all that no rollout includes.
        pinned: a person fixed it: publishing and rollouts leave it alone until it is unpinned.
        rollout: a newer version for some of them; None where none is on its way.
    """

    current: str
    pinned: bool = False
    rollout: Rollout | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what `release.json` holds."""
        return {**vars(self), "rollout": None if self.rollout is None else vars(self.rollout)}

    @classmethod
    def from_node(cls, node: Node) -> "Channel":
        """Reads a channel."""
        keys = node.table("current", "pinned", "rollout")
        rollout = keys["rollout"]
        return cls(
            read_version(keys["current"]),
            keys["pinned"].flag(),
            None if rollout.value is None else Rollout.from_node(rollout),
        )


@dataclass(frozen=True)
class Release:
    """What is published of one model, and the policy of who is offered which version.

    Attributes:
        model: its name.
        versions: all that are published, in the order of publishing.
        channels: by name; `stable` is always among them.

    Raises:
        ManifestError: a version stands there twice, a channel names one that is not there, or
            `stable` is missing.
    """

    model: str
    versions: tuple[PublishedVersion, ...]
    channels: Mapping[str, Channel]

    def __post_init__(self) -> None:
        if len(set(self.names)) != len(self.names):
            raise ManifestError(f"{RELEASE_NAME}: versions repeat: {list(self.names)}")
        if STABLE not in self.channels:
            raise ManifestError(f"{RELEASE_NAME}: channels has no {STABLE!r}")
        for name, channel in self.channels.items():
            self._check_named(f"channels.{name}.current", channel.current)
            if channel.rollout is not None:
                self._check_named(f"channels.{name}.rollout.version", channel.rollout.version)

    @property
    def names(self) -> tuple[str, ...]:
        """The versions' names, in the order of publishing."""
        return tuple(entry.version for entry in self.versions)

    @property
    def current(self) -> str:
        """The current version of the channel `stable`."""
        return self.channels[STABLE].current

    def find(self, version: str) -> PublishedVersion | None:
        """Returns the entry of a version, or None where it was not published."""
        return next((entry for entry in self.versions if entry.version == version), None)

    def to_bytes(self) -> bytes:
        """Returns canonical JSON: the same release gives the same bytes."""
        return canonical_json(
            {
                "schema": RELEASE_SCHEMA,
                "model": self.model,
                "versions": [entry.to_json() for entry in self.versions],
                "channels": {name: entry.to_json() for name, entry in self.channels.items()},
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Release":
        """Reads a `release.json`.

        Raises:
            ManifestError: malformed, or of a newer schema; the message names the bad key.
        """
        root = read_json(data, RELEASE_NAME, MAX_RELEASE_BYTES)
        check_schema(root, RELEASE_SCHEMA)
        keys = root.table("schema", "model", "versions", "channels")
        versions = keys["versions"].items(MAX_VERSIONS, least=1)
        return cls(
            model=read_model_name(keys["model"]),
            versions=tuple(PublishedVersion.from_node(node) for node in versions),
            channels=_read_channels(keys["channels"]),
        )

    def _check_named(self, where: str, version: str) -> None:
        if version not in self.names:
            raise ManifestError(
                f"{RELEASE_NAME}: {where} is {version!r}: allowed are {list(self.names)}"
            )


def format_time(when: datetime | None = None) -> str:
    """Returns a time, now when none is given, as `release.json` holds it."""
    return (when or datetime.now(UTC)).astimezone(UTC).strftime(_TIME_FORMAT)


def _read_channels(node: Node) -> dict[str, Channel]:
    members = node.members()
    if len(members) > MAX_CHANNELS:
        node.fail(f"allowed are up to {MAX_CHANNELS} channels")
    for name, member in members.items():
        if not CHANNEL.fullmatch(name):
            member.fail(f"the name of a channel must be {CHANNEL_ALLOWED}")
    return {name: Channel.from_node(member) for name, member in members.items()}


def _read_time(node: Node) -> str:
    text = node.matching(TIME, TIME_ALLOWED)
    try:
        datetime.strptime(text, _TIME_FORMAT)
    except ValueError:
        node.fail("there is no such day or time")
    return text
