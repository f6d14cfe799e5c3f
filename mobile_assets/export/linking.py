"""What an app must link to run an artifact, as the manifest says of the file."""

from dataclasses import dataclass
from typing import Any

from mobile_assets.errors import BundleError
from mobile_assets.parts import BundledArtifact

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


def find_linkage(artifact: BundledArtifact) -> Linkage | None:
    """Returns what a `.pte` needs; None for the files of other runtimes, which need only these.

    Raises:
        BundleError: nobody knows what it needs, as it could not be read when it was bundled.
    """
    if artifact.runtime != "executorch":
        return None
    if artifact.requires is None:
        raise BundleError(
            f"the manifest does not say what {artifact.path} calls: it is not an ExecuTorch "
            "program, or nobody knows which version made it; allowed are files that parity passed"
        )
    return Linkage(artifact.requires.backends, artifact.requires.ops)
