import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conversion.artifact import read_build
from mobile_assets.cli import main
from mobile_assets.conditions import Conditions
from mobile_assets.release import STABLE, Channel, PublishedVersion, Release
from mobile_assets.signing import PASSPHRASE_VARIABLE
from serving.app import create_app
from serving.settings import Settings
from tests.mobile_assets.builds import (
    COREML,
    LITERT,
    MODEL,
    add_variants,
    change_report,
    make_build,
    make_photo,
)
from tests.mobile_assets.cloud_builds import CLOUD_LITERT, make_cloud_build
from tests.mobile_assets.repositories import PUBLISHED_AT, Repository, Server
from tests.mobile_assets.test_transfer import serve_app
from training.labels import LabelSet


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def assert_typed_error(result: Result, *words: str) -> None:
    """One line on stderr, exit code 1, no traceback."""
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr


def test_keys_are_made_with_a_plain_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSPHRASE_VARIABLE, raising=False)
    result = run("keys", tmp_path / "keys")
    assert result.exit_code == 0
    assert "Keep root.pem and targets.pem offline" in result.stderr
    assert (tmp_path / "keys" / "timestamp.pem").is_file()
    assert_typed_error(run("keys", tmp_path / "keys"), "never overwritten")


def test_bundle_and_show(build_dir: Path, tmp_path: Path) -> None:
    out = tmp_path / "colours.bundle.zip"
    made = run("bundle", build_dir, "--out", out)
    assert made.exit_code == 0, made.stderr
    shown = run("show", out)
    assert shown.exit_code == 0
    assert "colours 1.0.0 (ghostnet_050)" in shown.stdout
    assert f"artifacts/{COREML}.zip" in shown.stdout
    assert "agrees with the trained model on 100.00% of 200 photos" in shown.stdout
    assert "sure of 90.0% of 200 photos, of which 95.0% right" in shown.stdout


def test_bundle_and_show_two_models(build_dir: Path, tmp_path: Path) -> None:
    cloud, out = make_cloud_build(tmp_path / "cloud"), tmp_path / "colours.bundle.zip"
    made = run("bundle", build_dir, "--cloud", cloud, "--out", out)
    assert made.exit_code == 0, made.stderr
    assert "the cloud model reaches 98.0% (of 200), the device's 95.0%" in made.stdout
    shown = run("show", out).stdout
    assert "the server answers with ghostnet_100, 64 pixels; top-1 98.0% of 200" in shown
    assert f"cloud/artifacts/{CLOUD_LITERT}" in shown
    assert "for the server; accuracy loss" in shown
    other = make_cloud_build(tmp_path / "other", labels=LabelSet(("red", "blue", "green")))
    refused = run("bundle", build_dir, "--cloud", other, "--out", out)
    assert_typed_error(refused, "other labels than the device's", "'blue'")
    missing = run("bundle", build_dir, "--cloud", tmp_path / "nothing", "--out", out)
    assert_typed_error(missing, "nothing")


def test_a_failed_artifact_needs_a_person(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    change_report(build_dir, read_build(build_dir).find(LITERT), agreement=0.8)
    out = tmp_path / "out.zip"
    assert_typed_error(run("bundle", build_dir, "--out", out), "refused 1 of 3", "80.00%")
    for option in ("--accept", "--accept-failed"):
        taken = run("bundle", build_dir, "--out", out, option, LITERT)
        assert taken.exit_code == 0
        assert "ACCEPTED BY HAND although: names the same class" in taken.stdout


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    build_dir = make_build(tmp_path / "build")
    name = add_variants(build_dir, "litert-int8", labels_match=False)["litert-int8"]
    made = run("bundle", build_dir, "--out", tmp_path / "out.zip")
    assert made.exit_code == 0, made.stderr
    assert f"left out {name}: the labels inside are not the checkpoint's" in made.stdout
    assert f"artifacts/{name}" not in made.stdout


def test_a_table_of_names_goes_all_the_way_to_a_recognised_photo(
    build_dir: Path, repository: Repository, server: Server, tmp_path: Path
) -> None:
    table, bundle_path = tmp_path / "names.csv", tmp_path / "named.zip"
    table.write_text("label,zh-Hans\nblue,蓝色\npink,粉色\n", encoding="utf-8")
    bundle = ("bundle", build_dir, "--names", table, "--out", bundle_path)
    assert_typed_error(run(*bundle), str(table), "line 3: no label or coarse class 'pink'")
    assert not bundle_path.exists()
    table.write_text("label,zh-Hans\nblue,蓝色\n", encoding="utf-8")
    made = run(*bundle)
    assert "names in zh-Hans: 1 of 3 labels and coarse classes" in made.stdout, made.stderr
    assert "  names in zh-Hans\n" in run("show", bundle_path).stdout
    repository.published.clear()
    repository.add(bundle_path)
    root, photo = tmp_path / "root.json", tmp_path / "blue.jpg"
    root.write_bytes(repository.trusted_root)
    photo.write_bytes(make_photo((0, 0, 255)))
    where = ["--url", server.url, "--root", root, "--out", tmp_path / "pulled"]
    assert run("pull", MODEL, *where, "--platform", "python").exit_code == 0
    recognise = ("recognise", tmp_path / "pulled" / MODEL, photo, "--top-k", "1")
    assert "  blue\n" in run(*recognise).stdout
    assert "  蓝色\n" in run(*recognise, "--language", "zh-CN").stdout


def test_a_half_written_bundle_is_one_line(bundle_path: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bundle_path.read_bytes()[:5000])
    assert_typed_error(run("show", cut), "half-written", str(cut))
    assert_typed_error(run("show", tmp_path / "absent.zip"), "no file")


def test_pull_and_recognise(repository: Repository, server: Server, tmp_path: Path) -> None:
    root, out = tmp_path / "root.json", tmp_path / "pulled"
    root.write_bytes(repository.trusted_root)
    where = ["--url", server.url, "--root", root, "--out", out]
    absent = run("pull", MODEL, *where, "--platform", "python", "--precision", "int8")
    assert_typed_error(absent, "no int8 artifact for python with litert")
    pulled = run("pull", MODEL, *where, "--platform", "python", "--precision", "fp32")
    assert pulled.exit_code == 0, pulled.stderr
    assert "colours 1.0.0 for python: verified, now in use" in pulled.stdout
    (tmp_path / "grey.jpg").write_bytes(make_photo((100, 101, 100)))
    result = run("recognise", out / MODEL, tmp_path / "grey.jpg", "--top-k", "2")
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and len(lines) == 3
    assert lines[-1].startswith("not sure: perhaps ")
    assert lines[-1].endswith(" (unsure; colours 1.0.0)")


def test_pull_errors_are_one_line(repository: Repository, server: Server, tmp_path: Path) -> None:
    root = tmp_path / "root.json"
    where = ["--url", server.url, "--root", root, "--out", tmp_path / "pulled"]
    assert_typed_error(run("pull", MODEL, *where, "--platform", "web"), "trusted root", "No such")
    root.write_bytes(repository.trusted_root)
    plums = run("pull", "plums", *where, "--platform", "web")
    assert_typed_error(plums, f"{server.url} publishes no model 'plums': allowed are {MODEL}")
    for data in (
        b'{"schema": "ghostlens.keys/1"}',
        b"[]",
        b"\xff",
        b'{"signed": {"_type": "targets"}}',
    ):
        root.write_bytes(data)
        no_root = run("update", MODEL, *where, "--platform", "web")
        assert_typed_error(no_root, "root.json is no root metadata: give root.json")


def test_an_update_says_how_much_memory_the_device_has(
    repository: Repository, tmp_path: Path
) -> None:
    conditions = Conditions(min_memory_bytes=2 * 10**9)
    version = PublishedVersion("1.0.0", PUBLISHED_AT, conditions)
    release = Release(MODEL, (version,), {STABLE: Channel("1.0.0")})
    repository.put(f"{MODEL}/release.json", release.to_bytes())
    repository.commit()
    (tmp_path / "root.json").write_bytes(repository.trusted_root)
    app = create_app(Settings(repository.folder, state=tmp_path / "state"))
    with serve_app(app) as url:
        where = ["--url", url, "--root", tmp_path / "root.json", "--out", tmp_path / "pulled"]
        update = ["update", MODEL, *where, "--platform", "python"]
        assert "not one that does not say (conditions)" in run(*update).stdout
        assert "not 1500000000 (conditions)" in run(*update, "--memory", "1500MB").stdout
        assert "take: " in run(*update, "--memory", "2 GB").stdout
    for text in ("2", "0B", "2.5GB", "99999999999999GB", "\u0662GB"):
        refused = run(*update, "--memory", text)
        assert refused.exit_code == 2 and "as in 512MB" in refused.stderr


def test_recognise_errors_are_one_line(
    repository: Repository, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "root.json").write_bytes(repository.trusted_root)
    out = tmp_path / "pulled"
    where = ["--url", server.url, "--root", tmp_path / "root.json", "--out", out]
    assert_typed_error(run("recognise", out / MODEL, tmp_path / "x.jpg"), "no model was pulled")
    run("pull", MODEL, *where, "--platform", "web")
    assert_typed_error(run("recognise", out / MODEL, tmp_path / "x.jpg"), "cannot read")
    (tmp_path / "x.jpg").write_bytes(b"no photo")
    assert_typed_error(
        run("recognise", out / MODEL, tmp_path / "x.jpg"),
        "x.jpg: not a",
        "TIFF on the device; the server takes AVIF",
    )
    current = out / MODEL / "current.json"
    installed = json.loads(current.read_text())
    installed["entries"][0]["version"] = "../../x"
    current.write_text(json.dumps(installed))
    assert_typed_error(run("recognise", out / MODEL, tmp_path / "x.jpg"), "version is '../../x'")
