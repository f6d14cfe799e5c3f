import pytest

from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError
from mobile_assets.export.linking import read_linkage
from tests.mobile_assets.builds import EXECUTORCH, LITERT
from tests.mobile_assets.tiny_pte import make_pte


def test_a_program_names_backends_and_kernels(wide_bundle: Bundle) -> None:
    artifact = next(entry for entry in wide_bundle.manifest.artifacts if EXECUTORCH in entry.path)
    linkage = read_linkage(artifact, wide_bundle.read(artifact.path))
    assert linkage is not None
    assert linkage.backends == ("XnnpackBackend",)
    assert linkage.kernels == ("aten::add.out", "quantized_decomposed::quantize_per_tensor.out")
    assert linkage.parts == (
        "executorch",
        "backend_xnnpack",
        "kernels_optimized",
        "kernels_quantized",
    )
    alone = read_linkage(artifact, make_pte("CoreMLBackend"))
    assert alone is not None and alone.parts == ("executorch", "backend_coreml")
    assert alone.describe() == "CoreMLBackend; no kernel outside of it"


def test_other_runtimes_need_nothing_more(bundle: Bundle) -> None:
    artifact = next(entry for entry in bundle.manifest.artifacts if LITERT in entry.path)
    assert read_linkage(artifact, bundle.read(artifact.path)) is None


def test_bytes_that_are_no_program_are_refused(bundle: Bundle) -> None:
    artifact = next(entry for entry in bundle.manifest.artifacts if EXECUTORCH in entry.path)
    with pytest.raises(BundleError, match="not an ExecuTorch program"):
        read_linkage(artifact, bundle.read(artifact.path))
    with pytest.raises(BundleError):
        read_linkage(artifact, make_pte()[:200])
