from dataclasses import replace

import pytest

from mobile_assets.bundle import Bundle
from mobile_assets.errors import BundleError
from mobile_assets.export.linking import find_linkage
from mobile_assets.parts import BundledArtifact
from mobile_assets.requirements import Requirements
from tests.mobile_assets.builds import EXECUTORCH, LITERT


def find_artifact(bundle: Bundle, name: str) -> BundledArtifact:
    return next(entry for entry in bundle.manifest.artifacts if name in entry.path)


def test_a_program_names_backends_and_kernels(wide_bundle: Bundle) -> None:
    artifact = find_artifact(wide_bundle, EXECUTORCH)
    linkage = find_linkage(artifact)
    assert linkage is not None
    assert linkage.backends == ("XnnpackBackend",)
    assert linkage.kernels == ("aten::add.out", "quantized_decomposed::quantize_per_tensor.out")
    assert linkage.parts == (
        "executorch",
        "backend_xnnpack",
        "kernels_optimized",
        "kernels_quantized",
    )
    requires = Requirements("1.4.1", ("CoreMLBackend",), ())
    alone = find_linkage(replace(artifact, requires=requires))
    assert alone is not None and alone.parts == ("executorch", "backend_coreml")
    assert alone.describe() == "CoreMLBackend; no kernel outside of it"


def test_other_runtimes_need_nothing_more(bundle: Bundle) -> None:
    assert find_linkage(find_artifact(bundle, LITERT)) is None


def test_a_file_that_could_not_be_read_when_it_was_bundled_is_refused(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="not an ExecuTorch program"):
        find_linkage(find_artifact(bundle, EXECUTORCH))
