"""What an app must link to run a model file, as far as the file itself says so."""

from dataclasses import asdict, dataclass
from typing import Any

from conversion.errors import ArtifactError
from mobile_assets.reading import Node
from mobile_assets.versions import MAX_VERSION_CHARS

_EXECUTORCH = "executorch"
_MAX_NAMES = 1000


@dataclass(frozen=True)
class Requirements:
    """What a `.pte` calls by name and finds only in an app that links it.

    Attributes:
        runtime_version: of ExecuTorch, that made the file; it runs on this minor version and the
            next (`mobile_assets.versions.runs_on_executorch`).
        backends: names of its delegates, as in "XnnpackBackend".
        ops: names of the kernels that run outside of them, as in "aten::add.out".
    """

    runtime_version: str
    backends: tuple[str, ...]
    ops: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns what the manifest holds."""
        return asdict(self)

    @classmethod
    def from_node(cls, node: Node) -> "Requirements":
        """Reads what an artifact requires."""
        keys = node.table("runtime_version", "backends", "ops")
        return cls(
            keys["runtime_version"].text(MAX_VERSION_CHARS),
            tuple(item.text() for item in keys["backends"].items(_MAX_NAMES)),
            tuple(item.text() for item in keys["ops"].items(_MAX_NAMES)),
        )


def find_requirements(
    runtime: str, tool_versions: dict[str, str], data: bytes
) -> Requirements | None:
    """Returns what a model file requires.

    Args:
        runtime: the one that the file is for.
        tool_versions: what made it.
        data: its bytes.

    Returns:
        None for other runtimes, whose files need the runtime alone, and for a `.pte` that cannot
        be read or whose maker is not known: parity does not pass such a one.
    """
    version = tool_versions.get(_EXECUTORCH)
    if runtime != _EXECUTORCH or not version:
        return None
    try:
        return Requirements(version, *_read_calls(data, "the .pte"))
    except ArtifactError:
        return None


def _read_calls(data: bytes, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the backends and the kernels that a `.pte` calls by name, each once.

    Raises:
        ArtifactError: it is no `.pte`.
    """
    from conversion.structure.pte_file import parse_pte  # who reads manifests needs none of it

    program = parse_pte(data, where)
    backends = dict.fromkeys(call.backend for call in program.delegates)
    kernels = dict.fromkeys(name for name, _ in program.kernels)
    return tuple(backends), tuple(kernels)
