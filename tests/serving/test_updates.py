"""A phone that follows what was really published: the whole way from publish to the delta."""

from pathlib import Path

from mobile_assets.client import BundleClient
from mobile_assets.conditions import Device
from mobile_assets.installed import load_current
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.in_use import version_in_use
from tests.mobile_assets.test_transfer import serve_app
from tests.mobile_assets.wire import Wire


def test_an_update_between_published_versions_costs_the_delta(
    published: Path, tmp_path: Path
) -> None:
    wire = Wire(create_app(Settings(published, state=tmp_path / "state")))
    root = (published / "metadata" / "1.root.json").read_bytes()
    with serve_app(wire) as url:
        phone = BundleClient(tmp_path / "cache", url, root, timeout_s=5)
        phone.pull("colours", "android", version="1.0.0")
        old = load_current(tmp_path / "cache" / "colours").artifacts[0].file
        wire.fetched_bytes.clear()
        pull = phone.update("colours", Device("android")).pull
    assert pull is not None and version_in_use(phone) == "1.1.0"
    assert wire.questions[-1]["have"] == [old.sha256]
    fetched = {
        path.rpartition("/")[2].split(".", 1)[1]: n for path, n in wire.fetched_bytes.items()
    }
    assert set(fetched) == {"manifest.json", _delta_name(old.sha256)}, "the release was read before"
    delta_bytes = fetched[_delta_name(old.sha256)]
    assert delta_bytes < pull.model.artifacts[0].file.size_bytes / 2
    assert pull.downloaded_bytes == fetched["manifest.json"] + delta_bytes


def _delta_name(sha256: str) -> str:
    return f"{sha256[:16]}-colours-1.1.0-litert-fp32.tflite.zst"
