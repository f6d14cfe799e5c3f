"""What an app must link to run an artifact, as far as the file itself says so."""

from dataclasses import dataclass
from typing import Any

from conversion.errors import ArtifactError
from mobile_assets.errors import BundleError
from mobile_assets.parts import BundledArtifact
from mobile_assets.requirements import read_calls

# Names of ExecuTorch's prebuilt parts for Apple's systems, docs/source/using-executorch-ios.md
# at v1.4. The Android archive on Maven holds XNNPACK and all of these kernels; one with Vulkan is
# published beside it.
_BACKEND_PARTS = {
    "XnnpackBackend": "backend_xnnpack",
    "CoreMLBackend": "backend_coreml",
    "VulkanBackend": "backend_vulkan",
}
_QUANTISED = "quantized_decomposed::"


@dataclass(frozen=True)
class Linkage:
    """What a `.pte` calls by name and finds only in an app that links it.

    Attributes:
        backends: names of its delegates, as in "XnnpackBackend".
        kernels: names of the kernels that run outside of them, as in "aten::add.out".
    """

    backends: tuple[str, ...]
    kernels: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The prebuilt libraries that hold these, the runtime itself first."""
        parts = ["executorch", *(_BACKEND_PARTS.get(name, name) for name in self.backends)]
        if any(not name.startswith(_QUANTISED) for name in self.kernels):
            parts.append("kernels_optimized")
        if any(name.startswith(_QUANTISED) for name in self.kernels):
            parts.append("kernels_quantized")
        return tuple(parts)

    def describe(self) -> str:
        """Returns what the file calls, for a person."""
        backends = ", ".join(self.backends) or "no delegate"
        kernels = ", ".join(self.kernels) or "no kernel outside of it"
        return f"{backends}; {kernels}"

    def to_json(self) -> dict[str, Any]:
        """Returns what `model.json` holds."""
        return {
            "backends": list(self.backends),
            "kernels": list(self.kernels),
            "parts": list(self.parts),
        }


def read_linkage(artifact: BundledArtifact, data: bytes) -> Linkage | None:
    """Returns what a `.pte` needs; None for the files of other runtimes, which need only these.

    Raises:
        BundleError: the `.pte` is none.
    """
    if artifact.runtime != "executorch":
        return None
    try:
        return Linkage(*read_calls(data, artifact.path))
    except ArtifactError as error:
        raise BundleError(str(error)) from error
