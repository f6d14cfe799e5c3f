from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mobile_assets.bundle import open_bundle
from mobile_assets.manifest import Manifest
from mobile_assets.release import Channel, PublishedVersion, Release, Rollout
from serving.cli import main
from serving.errors import UnknownModelError
from serving.publishing.changelog import read_changelog, to_markdown
from serving.storage import Storage

TIME = "2026-11-24T12:00:00Z"


@dataclass(frozen=True)
class Shelf:
    """A storage that holds one release, and the same manifest under every version."""

    release: Release
    manifest: Manifest

    @property
    def catalogue(self) -> Any:
        return self

    def find_release(self, _model: str) -> Release:
        return self.release

    def read_manifest(self, _model: str, version: str) -> Manifest:
        return replace(self.manifest, version=version)


def put(bundle_path: Path, channels: dict[str, Channel], *versions: PublishedVersion) -> Any:
    release = Release("colours", versions, {"stable": Channel(versions[0].version), **channels})
    return Shelf(release, open_bundle(bundle_path).manifest)


def test_each_version_is_compared_with_the_one_before(published: Path) -> None:
    new, old = read_changelog(Storage(published), "colours")
    assert (new.version, new.since, old.version, old.since) == ("1.1.0", "1.0.0", "1.0.0", None)
    assert new.channels == ("stable",) and old.channels == ()
    assert old.changes[0] == "3 labels" and new.deprecated is None
    assert old.changes[2] == "ghostnet_050, top-1 95.0 % (91.0 to 97.3 % on 200 photos)"
    text = to_markdown("colours", (new, old))
    assert text.startswith("# colours\n\n## 1.1.0 (20")
    assert "Current in stable." in text and "Since 1.0.0:" in text
    assert "The first version:\n\n- 3 labels\n" in text
    with pytest.raises(UnknownModelError):
        read_changelog(Storage(published), "plums")


def test_a_correction_is_compared_with_its_own_line(bundles: dict[str, Path]) -> None:
    versions = [PublishedVersion(name, TIME) for name in ("1.0.0", "2.0.0", "1.0.1", "0.9.0")]
    shelf = put(bundles["1.0.0"], {}, *versions)
    since = {entry.version: entry.since for entry in read_changelog(shelf, "colours")}
    assert since == {"0.9.0": "1.0.1", "1.0.1": "1.0.0", "2.0.0": "1.0.0", "1.0.0": None}
    assert [entry.version for entry in read_changelog(shelf, "colours", 2)] == ["0.9.0", "1.0.1"]


def test_channels_rollouts_and_deprecation_are_told(bundles: dict[str, Path]) -> None:
    rollout = Rollout("1.1.0", 250, "0" * 32, TIME)
    shelf = put(
        bundles["1.0.0"],
        {"beta": Channel("1.0.0", rollout=rollout)},
        PublishedVersion("1.0.0", TIME),
        PublishedVersion("1.1.0", TIME, deprecated="red is *blue* <b>"),
    )
    entries = read_changelog(shelf, "colours")
    assert entries[0].rollouts == (("beta", 0.025),)
    assert entries[1].channels == ("stable", "beta")
    text = to_markdown("colours", entries)
    assert "On its way to 2.50% of beta." in text
    assert r"**Deprecated:** red is \*blue\* \<b\>" in text
    assert "- nothing changed that an app could see" in text


def test_the_command_prints_or_writes(published: Path, tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> Any:
        return CliRunner().invoke(main, ["changelog", *(str(entry) for entry in arguments)])

    printed = run("colours", "--repository", published)
    assert printed.exit_code == 0 and printed.stdout.startswith("# colours\n")
    out = tmp_path / "CHANGES.md"
    assert run("colours", "--repository", published, "--out", out).exit_code == 0
    assert out.read_text() == printed.stdout
    unknown = run("plums", "--repository", published)
    assert unknown.exit_code == 1 and unknown.stderr.count("\n") == 1
