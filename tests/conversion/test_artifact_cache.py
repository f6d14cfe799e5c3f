"""Artifacts kept by hash: taken back whole or not at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversion import artifact_cache
from conversion.artifact import KNOWN_SCORE, PROBABILITIES, Artifact, artifact_bytes
from conversion.artifact_cache import ArtifactCache, make_key
from conversion.request import Quantisation
from conversion.variants import find_variant
from training.files import sha256_bytes

LITERT, INT8 = find_variant("litert-fp32"), find_variant("litert-int8")
KEY = "0" * 64


def put(cache: ArtifactCache, folder, key: str = KEY, content: bytes = b"model") -> Artifact:
    path = folder / "a-1.0.0-litert-fp32.tflite"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    digest = sha256_bytes(content)
    outputs = ({"name": PROBABILITIES}, {"name": KNOWN_SCORE})
    made = Artifact(
        path.name, "litert", "fp32", "", digest, len(content), {}, outputs, {"torch": "2"}
    )
    cache.put(key, made, folder)
    return made


def test_what_was_put_is_taken(tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    made = put(cache, tmp_path / "build")
    (tmp_path / "other").mkdir()
    assert cache.take(KEY, tmp_path / "other") == made
    assert artifact_bytes(tmp_path / "other" / made.file_name) == b"model"


def test_what_was_never_put_or_was_damaged_is_not_taken(tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    assert cache.take(KEY, tmp_path) is None
    made = put(cache, tmp_path / "build")
    (cache.folder / KEY / made.file_name).write_bytes(b"modem")
    assert cache.take(KEY, tmp_path) is None
    (cache.folder / KEY / "artifact.json").write_text("[")
    assert cache.take(KEY, tmp_path) is None
    assert not (tmp_path / made.file_name).exists()


def test_what_was_used_longest_ago_goes_first(tmp_path, monkeypatch):
    cache = ArtifactCache(tmp_path / "cache")
    monkeypatch.setattr(artifact_cache, "MAX_BYTES", 2000)
    for digit in "123":
        put(cache, tmp_path / "build", digit * 64, b"x" * 1000)
    kept = {entry.name[0] for entry in cache.folder.iterdir() if entry.is_dir()}
    assert kept == {"3"}


BASE = {
    "checkpoint_sha256": "a" * 64,
    "model": "produce",
    "version": "1.0.0",
    "variant": INT8,
    "quantisation": Quantisation(),
    "calibration_sha256": "b" * 64,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint_sha256": "c" * 64},
        {"model": "fruit"},
        {"version": "1.0.1"},
        {"variant": LITERT},
        {"quantisation": Quantisation(keep_float=("gates",))},
        {"calibration_sha256": "c" * 64},
    ],
)
def test_everything_that_decides_the_bytes_changes_the_key(changes):
    assert make_key(**(BASE | changes)) != make_key(**BASE)


def test_a_new_version_of_a_tool_changes_the_key(monkeypatch):
    before = make_key(**BASE)
    monkeypatch.setattr(artifact_cache.converter_of(INT8).__class__, "versions", lambda _: {"x": 1})
    assert make_key(**BASE) != before


@given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_photos_do_not_matter_to_what_is_not_calibrated(digest):
    base = BASE | {"variant": LITERT, "quantisation": replace(Quantisation(), qat_steps=5)}
    assert make_key(**(base | {"calibration_sha256": digest})) == make_key(**base)
