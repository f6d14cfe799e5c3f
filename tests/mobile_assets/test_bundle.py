import io
import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversion.artifact import read_build
from conversion.errors import ArtifactError
from conversion.parity.confidences import write_confidence
from mobile_assets.archive import pack
from mobile_assets.bundle import open_bundle, write_bundle
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.manifest import MANIFEST_NAME, Manifest
from tests.mobile_assets.builds import (
    COREML,
    EXECUTORCH,
    LITERT,
    add_variants,
    change_report,
    make_build,
    make_confidence,
    write_build,
)
from training.errors import StorageError
from training.files import sha256_bytes, write_sums


def read_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_members(path: Path, members: dict[str, bytes]) -> Path:
    path.write_bytes(pack(members.items()))
    return path


def test_a_bundle_holds_everything_and_opens(build_dir: Path, bundle_path: Path) -> None:
    bundle = open_bundle(bundle_path)
    names = list(read_members(bundle_path))
    assert names[0] == MANIFEST_NAME
    assert {"labels.txt", "licences/ghostlens.txt", "licences/photos.txt"} < set(names)
    assert f"artifacts/{COREML}.zip" in names
    assert "reports/report.md" in names
    assert "golden/00-red.jpg" in names
    assert bundle.read(f"artifacts/{LITERT}") == (build_dir / LITERT).read_bytes()
    assert b"CC0" in bundle.read("licences/photos.txt")
    assert not any(artifact.accepted_by_hand for artifact in bundle.manifest.artifacts)


def test_same_input_same_bytes(bundle_path: Path, tmp_path: Path) -> None:
    again = make_build(tmp_path / "again")
    out = write_bundle(again, tmp_path / "again.bundle.zip")
    assert out.read_bytes() == bundle_path.read_bytes()


def test_an_artifact_without_parity_is_refused(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    shutil.rmtree(build_dir / "parity")
    with pytest.raises(BundleError, match=r"refused 3 of 3.*no parity report") as caught:
        write_bundle(build_dir, tmp_path / "out.zip")
    assert "name it with --accept" in str(caught.value)
    assert not (tmp_path / "out.zip").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"artifact_sha256": sha256_bytes(b"other")}, "about other bytes"),
        ({"checkpoint_sha256": sha256_bytes(b"other")}, "another checkpoint"),
        ({"agreement": 0.99}, "99.00% of 200 photos"),
        ({"labels_match": False}, "labels inside"),
        ({"photos": 0}, "no photo"),
        ({"failure": "the file is cut short"}, "cut short"),
    ],
)
def test_an_artifact_that_parity_does_not_speak_for_is_refused(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    build_dir = make_build(tmp_path / "build")
    artifact = read_build(build_dir).find(LITERT)
    change_report(build_dir, artifact, **changes)
    with pytest.raises(BundleError, match=f"refused 1 of 3 artifacts: {LITERT}.*{words}"):
        write_bundle(build_dir, tmp_path / "out.zip")


def test_an_artifact_whose_parity_left_no_thresholds_is_refused(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    (build_dir / "parity" / "confidence" / f"{LITERT}.json").unlink()
    write_sums(build_dir / "parity")
    with pytest.raises(BundleError, match=f"refused 1 of 3.*{LITERT}.*no parity report with thr"):
        write_bundle(build_dir, tmp_path / "out.zip")


def test_each_artifact_carries_its_own_confidence(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    own = make_confidence(0.8, temperature=1.5)
    write_confidence(build_dir / "parity", LITERT, own)
    write_sums(build_dir / "parity")
    manifest = open_bundle(write_bundle(build_dir, tmp_path / "out.zip")).manifest
    found = {artifact.runtime: artifact.confidence for artifact in manifest.artifacts}
    assert found["litert"] == own
    assert found["coreml"] == make_confidence()


def test_an_artifact_without_golden_answers_is_refused(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    golden = json.loads((build_dir / "parity" / "golden.json").read_text())
    del golden[1]["answers"][LITERT]
    (build_dir / "parity" / "golden.json").write_text(json.dumps(golden))
    write_sums(build_dir / "parity")
    with pytest.raises(BundleError, match="no golden photos with its answers"):
        write_bundle(build_dir, tmp_path / "out.zip")


def test_a_failed_artifact_taken_by_hand_is_marked(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    change_report(build_dir, read_build(build_dir).find(LITERT), agreement=0.5)
    out = write_bundle(build_dir, tmp_path / "out.zip", frozenset({LITERT}))
    marked = {a.path: a for a in open_bundle(out).manifest.artifacts}
    assert marked[f"artifacts/{LITERT}"].accepted_by_hand
    assert "50.00%" in marked[f"artifacts/{LITERT}"].objections[0]
    assert not marked[f"artifacts/{EXECUTORCH}"].accepted_by_hand


def test_an_unknown_name_cannot_be_accepted(build_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no artifact 'typo\.tflite'"):
        write_bundle(build_dir, tmp_path / "out.zip", frozenset({"typo.tflite"}))


def test_an_artifact_changed_after_the_build_is_refused(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    (build_dir / EXECUTORCH).write_bytes(b"another model")
    with pytest.raises(ArtifactError, match="changed after it was written"):
        write_bundle(build_dir, tmp_path / "out.zip")


def test_a_swapped_golden_photo_is_refused(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    golden = build_dir / "parity" / "golden"
    shutil.copy(golden / "00-red.jpg", golden / "01-green.jpg")
    write_sums(build_dir / "parity")
    with pytest.raises(BundleError, match="01-green"):
        write_bundle(build_dir, tmp_path / "out.zip")


def test_metrics_that_are_no_shares_are_named(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    build = read_build(build_dir)
    build.metrics["top1"] = 95.0
    write_build(build_dir, build)
    with pytest.raises(ManifestError, match=r"metrics\.top1 is 95\.0"):
        write_bundle(build_dir, tmp_path / "out.zip")


def test_a_folder_that_cannot_be_written_leaves_the_old_bundle(
    build_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        write_bundle(build_dir, tmp_path / "file" / "out.zip")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 0.9999])
def test_half_written_bundle(bundle_path: Path, tmp_path: Path, share: float) -> None:
    data = bundle_path.read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(BundleError, match="half-written"):
        open_bundle(cut)


def test_what_is_no_bundle_at_all_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no file"):
        open_bundle(tmp_path / "absent.zip")
    with pytest.raises(BundleError, match="is a folder and not a bundle: expected is one file"):
        open_bundle(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"words")
    with pytest.raises(BundleError, match=r"photo\.jpg is not a bundle: expected is one file"):
        open_bundle(tmp_path / "photo.jpg")


def test_a_bundle_of_an_older_schema_says_how_to_make_it_again(
    bundle_path: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old.zip"
    with zipfile.ZipFile(bundle_path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    manifest = members[0][1].replace(b"ghostlens.bundle/3", b"ghostlens.bundle/2")
    old.write_bytes(pack([(MANIFEST_NAME, manifest), *members[1:]]))
    with pytest.raises(ManifestError, match=r"old\.zip: .*make it again from its build"):
        open_bundle(old)


def test_zero_filled_bundle(bundle_path: Path, tmp_path: Path) -> None:
    hole = tmp_path / "hole.zip"
    data = bytearray(bundle_path.read_bytes())
    offset = data.index(b"TFL3")
    data[offset : offset + 400] = bytes(400)
    hole.write_bytes(data)
    with pytest.raises(BundleError):
        open_bundle(hole)


def test_tampered_artifact(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    model = bytearray(members[f"artifacts/{LITERT}"])
    model[300] ^= 1
    members[f"artifacts/{LITERT}"] = bytes(model)
    with pytest.raises(BundleError, match=f"{LITERT} was changed: sha256"):
        open_bundle(write_members(tmp_path / "b.zip", members))


def test_changed_after_opening(bundle_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    shutil.copy(bundle_path, path)
    bundle = open_bundle(path)
    members = read_members(path)
    members["labels.txt"] = b"X" + members["labels.txt"][1:]
    write_members(path, members)
    with pytest.raises(BundleError, match=r"labels\.txt was changed"):
        bundle.read("labels.txt")


def test_extra_file(bundle_path: Path, tmp_path: Path) -> None:
    members = {**read_members(bundle_path), "artifacts/extra.tflite": b"unlisted"}
    with pytest.raises(BundleError, match=r"extra\.tflite.*does not name"):
        open_bundle(write_members(tmp_path / "b.zip", members))


def test_missing_file(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    del members["golden/00-red.jpg"]
    with pytest.raises(BundleError, match=r"lacks 'golden/00-red\.jpg'"):
        open_bundle(write_members(tmp_path / "b.zip", members))


def test_missing_manifest(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    del members[MANIFEST_NAME]
    with pytest.raises(BundleError, match="not a bundle"):
        open_bundle(write_members(tmp_path / "b.zip", members))


@pytest.mark.parametrize(
    "name",
    ["../escape.txt", "/etc/escape", "artifacts/../../x", "C:/x", "a\\..\\x", "./x", "a//b", "a/"],
)
def test_path_traversal(bundle_path: Path, tmp_path: Path, name: str) -> None:
    members = {**read_members(bundle_path), name: b"x"}
    with pytest.raises(BundleError, match=r"not allowed|folder"):
        open_bundle(write_members(tmp_path / "b.zip", members))


def test_path_traversal_in_the_manifest(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    changed = members[MANIFEST_NAME].replace(b'"golden/00-red.jpg"', b'"golden/../../x.jpg"')
    assert changed != members[MANIFEST_NAME]
    members[MANIFEST_NAME] = changed
    with pytest.raises(ManifestError, match=r"golden\[0\]\.file.*allowed are golden/"):
        open_bundle(write_members(tmp_path / "b.zip", members))


def build_zip(path: Path, members: dict[str, bytes], odd: zipfile.ZipInfo, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(odd, data)
    return path


def test_symlink(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    del members["labels.txt"]
    link = zipfile.ZipInfo("labels.txt")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(BundleError, match="is a link"):
        open_bundle(build_zip(tmp_path / "b.zip", members, link, b"/etc/passwd"))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["labels.txt", "LABELS.txt"])
def test_duplicate_name(bundle_path: Path, tmp_path: Path, name: str) -> None:
    members = read_members(bundle_path)
    with pytest.raises(BundleError, match="stands in it twice"):
        open_bundle(build_zip(tmp_path / "b.zip", members, zipfile.ZipInfo(name), b"x"))


def test_zip_bomb(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    members.pop("labels.txt")
    bomb = zipfile.ZipInfo("labels.txt")
    bomb.compress_type = zipfile.ZIP_DEFLATED
    path = build_zip(tmp_path / "b.zip", members, bomb, bytes(50_000_000))
    assert path.stat().st_size < 1_000_000
    with pytest.raises(BundleError, match="compressed"):
        open_bundle(path)


def test_encrypted_entry(bundle_path: Path, tmp_path: Path) -> None:
    data = bytearray(bundle_path.read_bytes())
    with zipfile.ZipFile(bundle_path) as archive:
        first_entry = archive.start_dir
    data[first_entry + 8] |= 1  # general purpose flag, bit 0
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(BundleError, match=r"manifest\.json' is encrypted$"):
        open_bundle(tmp_path / "b.zip")


def test_size_over_the_cap(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    manifest = json.loads(members[MANIFEST_NAME])
    manifest["artifacts"][0]["size_bytes"] = 1 << 40
    members[MANIFEST_NAME] = json.dumps(manifest).encode()
    with pytest.raises(ManifestError, match=r"artifacts\[0\]\.size_bytes is 1099511627776"):
        open_bundle(write_members(tmp_path / "b.zip", members))


def test_labels_that_differ_from_the_manifest(bundle_path: Path, tmp_path: Path) -> None:
    members = read_members(bundle_path)
    swapped = b"green\nred\nblue\n"
    manifest = json.loads(members[MANIFEST_NAME])
    entry = next(file for file in manifest["other_files"] if file["path"] == "labels.txt")
    entry["sha256"] = sha256_bytes(swapped)
    members |= {MANIFEST_NAME: json.dumps(manifest).encode(), "labels.txt": swapped}
    with pytest.raises(BundleError, match="differs from the labels"):
        open_bundle(write_members(tmp_path / "b.zip", members))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_a_typed_error_or_harmless(
    bundle_path: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(bundle_path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "b.zip"
    path.write_bytes(content)
    try:
        bundle = open_bundle(path)
    except (BundleError, ManifestError):
        return
    # Bytes that carry nothing (dates, modes): what is read is what was published.
    assert bundle.manifest == open_bundle(bundle_path).manifest
    for file in bundle.manifest.files:
        assert sha256_bytes(bundle.read(file.path)) == file.sha256


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=400))
def test_noise_is_never_a_bundle(noise: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("noise") / "b.zip"
    path.write_bytes(noise)
    with pytest.raises(BundleError):
        open_bundle(path)


def test_the_manifest_of_a_bundle_is_canonical(bundle_path: Path) -> None:
    data = open_bundle(bundle_path).manifest_bytes
    assert Manifest.from_bytes(data).to_bytes() == data
    assert zipfile.is_zipfile(io.BytesIO(bundle_path.read_bytes()))


def write_with(build_dir: Path, out: Path, *accepted: str) -> tuple[set[str], list[str]]:
    """Packs a build; returns the names of its artifacts and what was said."""
    said: list[str] = []
    write_bundle(build_dir, out, frozenset(accepted), said.append)
    artifacts = open_bundle(out).manifest.artifacts
    return {artifact.path.removeprefix("artifacts/") for artifact in artifacts}, said


def test_what_did_not_pass_is_left_out_with_its_reason(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    good = add_variants(build_dir, "litert-fp16", "coreml-palette8")
    bad = add_variants(build_dir, "litert-int8", labels_match=False)["litert-int8"]
    doubtful = add_variants(build_dir, "executorch-int8", loss_high=0.2)["executorch-int8"]
    names, said = write_with(build_dir, tmp_path / "out.zip")
    assert {LITERT, EXECUTORCH, f"{COREML}.zip", good["litert-fp16"]} < names
    assert len(names) == 5
    assert len(said) == 2
    assert said[0].startswith(f"left out {bad}: the labels inside")
    assert said[1].startswith(f"left out {doubtful}: inconclusive: the accuracy loss")
    members = read_members(tmp_path / "out.zip")
    for name in (bad, doubtful):
        assert not [path for path in members if name in path], "not even its report"
    assert f"reports/{good['litert-fp16']}.json" in members


def test_what_was_not_executed_is_left_out_unless_a_person_takes_it(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    added = add_variants(
        build_dir,
        "executorch-coreml-fp16",
        "executorch-vulkan-fp16",
        failure="the delegate is on phones only",
    )
    names, said = write_with(build_dir, tmp_path / "out.zip")
    assert not names & set(added.values())
    assert all("not executed: the delegate is on phones only" in line for line in said)
    vulkan = added["executorch-vulkan-fp16"]
    names, said = write_with(build_dir, tmp_path / "again.zip", vulkan)
    assert vulkan in names
    assert len(said) == 1
    marked = {a.path: a for a in open_bundle(tmp_path / "again.zip").manifest.artifacts}
    taken = marked[f"artifacts/{vulkan}"]
    assert taken.accepted_by_hand
    assert taken.platforms == ("android",)
    assert "not executed" in taken.objections[0]


def test_a_runtime_without_an_artifact_is_refused_however_many_others_passed(
    tmp_path: Path,
) -> None:
    build_dir = make_build(tmp_path / "build")
    add_variants(build_dir, "litert-fp16", "litert-int8")
    change_report(build_dir, read_build(build_dir).find(EXECUTORCH), labels_match=False)
    with pytest.raises(BundleError, match=r"refused 1 of 5.*Nothing would be left for executorch"):
        write_bundle(build_dir, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
    names, _ = write_with(build_dir, tmp_path / "out.zip", EXECUTORCH)
    assert EXECUTORCH in names
