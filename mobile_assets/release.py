"""`release.json`: which version of a model is current. Signed as a TUF target."""

from dataclasses import dataclass

from mobile_assets.errors import ManifestError
from mobile_assets.parts import read_model_name, read_version
from mobile_assets.reading import canonical_json, check_schema, read_json

RELEASE_SCHEMA = "ghostlens.release/1"
RELEASE_NAME = "release.json"
MAX_RELEASE_BYTES = 1 << 20
_MAX_VERSIONS = 10_000


@dataclass(frozen=True)
class Release:
    """What is published of one model.

    Attributes:
        model: its name.
        current: the version that apps take unless they ask for another.
        versions: all that are published, in the order of publishing.

    Raises:
        ManifestError: `current` is not among `versions`, or one stands there twice.
    """

    model: str
    current: str
    versions: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.current not in self.versions:
            raise ManifestError(
                f"release.json: current is {self.current!r}: allowed are {list(self.versions)}"
            )
        if len(set(self.versions)) != len(self.versions):
            raise ManifestError(f"release.json: versions repeat: {list(self.versions)}")

    def to_bytes(self) -> bytes:
        """Returns canonical JSON: the same release gives the same bytes."""
        return canonical_json(
            {
                "schema": RELEASE_SCHEMA,
                "model": self.model,
                "current": self.current,
                "versions": list(self.versions),
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
        keys = root.table("schema", "model", "current", "versions")
        versions = keys["versions"].items(_MAX_VERSIONS, least=1)
        return cls(
            model=read_model_name(keys["model"]),
            current=read_version(keys["current"]),
            versions=tuple(read_version(node) for node in versions),
        )
