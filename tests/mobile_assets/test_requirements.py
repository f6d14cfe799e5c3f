import json
from pathlib import Path
from typing import Any

import pytest

from mobile_assets.bundle import open_bundle
from mobile_assets.errors import ManifestError
from mobile_assets.manifest import Manifest
from mobile_assets.requirements import Requirements, find_requirements
from tests.mobile_assets.tiny_pte import make_pte

MADE_WITH = {"executorch": "1.4.1", "torch": "2.13.0"}
FOUND = Requirements("1.4.1", ("XnnpackBackend",), ("aten::add.out",))


def test_a_pte_names_the_runtime_backends_and_ops_that_an_app_must_link() -> None:
    data = make_pte(kernels=[("aten::add", "out"), ("aten::add", "out")])
    assert find_requirements("executorch", MADE_WITH, data) == FOUND


def test_other_files_and_what_cannot_be_read_require_nothing_that_is_known() -> None:
    assert find_requirements("litert", MADE_WITH, make_pte()) is None
    assert find_requirements("executorch", {}, make_pte()) is None
    assert find_requirements("executorch", MADE_WITH, make_pte()[:-9]) is None
    assert find_requirements("executorch", MADE_WITH, b"pte" * 100) is None


def put(manifest: Manifest, requires: Any) -> Manifest:
    value = json.loads(manifest.to_bytes())
    value["artifacts"][0]["requires"] = requires
    return Manifest.from_bytes(json.dumps(value).encode())


def test_the_manifest_holds_them(bundle_path: Path) -> None:
    changed = put(open_bundle(bundle_path).manifest, FOUND.to_json())
    assert changed.artifacts[0].requires == FOUND
    assert Manifest.from_bytes(changed.to_bytes()) == changed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"runtime_version": ""}, "requires.runtime_version is ''"),
        ({"backends": "XnnpackBackend"}, "requires.backends is 'Xnn"),
        ({"ops": [1]}, r"requires.ops\[0\] is 1"),
        ({"kernels": []}, "requires.kernels is not known"),
    ],
)
def test_a_malformed_entry_is_named(changes: dict[str, Any], words: str, bundle_path: Path) -> None:
    with pytest.raises(ManifestError, match=words):
        put(open_bundle(bundle_path).manifest, FOUND.to_json() | changes)
