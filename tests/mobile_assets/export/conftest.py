import json
from pathlib import Path

import pytest

from conversion.artifact import read_build
from mobile_assets.bundle import Bundle, open_bundle, write_bundle
from tests.mobile_assets.builds import (
    EXECUTORCH,
    add_variants,
    change_report,
    make_build,
)
from tests.mobile_assets.tiny_pte import make_pte
from training.files import sha256_bytes, write_sums

KERNELS = (("aten::add", "out"), ("quantized_decomposed::quantize_per_tensor", "out"))


@pytest.fixture(scope="session")
def bundle(bundle_path: Path) -> Bundle:
    """LiteRT, ExecuTorch and Core ML; only the first of these files is real."""
    return open_bundle(bundle_path)


@pytest.fixture(scope="session")
def wide_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """As `bundle`, with a `.pte` that can be read, and with int8 for LiteRT."""
    folder = tmp_path_factory.mktemp("wide")
    build_dir = make_build(folder / "build")
    add_variants(build_dir, "litert-int8")
    replace_pte(build_dir, make_pte(kernels=KERNELS))
    return open_bundle(write_bundle(build_dir, folder / "wide.bundle.zip"))


def replace_pte(build_dir: Path, data: bytes) -> None:
    """Gives a build another `.pte`, with a passing report for its bytes."""
    (build_dir / EXECUTORCH).write_bytes(data)
    value = json.loads((build_dir / "build.json").read_text())
    own = next(entry for entry in value["artifacts"] if entry["file_name"] == EXECUTORCH)
    own |= {"sha256": sha256_bytes(data), "size_bytes": len(data)}
    own["tool_versions"] = {"executorch": "1.4.1"}
    (build_dir / "build.json").write_text(json.dumps(value))
    names = [line.split("  ")[1] for line in (build_dir / "SHA256SUMS").read_text().splitlines()]
    write_sums(build_dir, names)
    change_report(build_dir, read_build(build_dir).find(EXECUTORCH))
