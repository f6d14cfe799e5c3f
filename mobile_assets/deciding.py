"""What a device should run: the one decision, which the server and every client make alike.

The signed release is the upper bound. A server knows more, such as that a version fails on phones,
and may hold back; it can offer nothing that the release does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from conversion.variants import VARIANTS, Variant
from mobile_assets.bucketing import WHOLE_SHARE_BP, is_included
from mobile_assets.conditions import Device, RuntimeOfApp
from mobile_assets.errors import VersionError
from mobile_assets.installed import choose_other_files
from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.platforms import RUNTIMES_OF
from mobile_assets.release import Release
from mobile_assets.versions import compare_versions, runs_on_executorch

NONE, TAKE, GO_BACK = "none", "take", "go-back"
ACTIONS = (NONE, TAKE, GO_BACK)
# The words for machines, with what each means, for the documents and for clients.
CODES = {
    "first": "take: it runs nothing of this model that was published",
    "new-version": "take: a newer version",
    "rolled-back": "take: what it runs is no longer offered to it, an older version is",
    "other-content": "take: what it runs has other content than was published",
    "up-to-date": "none: it runs what it should",
    "not-in-rollout": "none: a version is on its way, but not to this device",
    "held": "none: a version is on its way, but paused, or held until enough devices reported",
    "deprecated": "none: the version is offered to nobody any more who does not run it",
    "conditions": "none: the version's conditions do not hold for this device",
    "nothing-fits": "none: the version has no file that this app can run",
    "no-space": "none: less than twice the download is free",
    "network": "none: the version may only be downloaded over an unmetered network",
    "refused-here": "none or go-back: the version failed on this device",
    "halted": "none or go-back: the version was halted",
    "withdrawn": "go-back: what it runs is no longer offered to it, nor can it take another",
    "not-offered": "no answer to a check: the version is not one of the channel's",
    "no-channel": "none: there is no such channel",
}
# What is downloaded is copied before it is in use: a packed artifact is unpacked next to itself.
SPACE_FACTOR = 2


@dataclass(frozen=True)
class OfferedArtifact:
    """A model file that a version offers.

    Attributes:
        path: in the bundle.
        runtime: as in "litert".
        precision: as in "fp32".
        backend: the delegate of an ExecuTorch program; empty for other runtimes.
        platforms: those it is for.
        made_with: version of the runtime that made it; empty where it does not bind.
        sha256: of its bytes.
        size_bytes: its length.
    """

    path: str
    runtime: str
    precision: str
    backend: str
    platforms: tuple[str, ...]
    made_with: str
    sha256: str
    size_bytes: int

    @property
    def variant(self) -> Variant:
        """Which kind of artifact it is."""
        return Variant(self.runtime, self.precision, self.backend)

    @classmethod
    def from_artifact(cls, artifact: BundledArtifact) -> "OfferedArtifact":
        """Returns what counts of a manifest's artifact."""
        return cls(
            artifact.path,
            artifact.runtime,
            artifact.precision,
            artifact.backend,
            artifact.platforms,
            artifact.tool_versions.get("executorch", ""),
            artifact.file.sha256,
            artifact.file.size_bytes,
        )


@dataclass(frozen=True)
class Offer:
    """What a version's manifest holds for devices.

    Attributes:
        manifest_sha256: of the manifest.
        artifacts: the model files.
        other_bytes: of all else that a device downloads: manifest, labels, golden photos, licences.
    """

    manifest_sha256: str
    artifacts: tuple[OfferedArtifact, ...]
    other_bytes: int

    @classmethod
    def from_manifest(cls, manifest: Manifest, sha256: str, size_bytes: int) -> "Offer":
        """Returns what counts of a manifest of that hash and length."""
        return cls(
            sha256,
            tuple(OfferedArtifact.from_artifact(artifact) for artifact in manifest.artifacts),
            size_bytes + sum(file.size_bytes for file in choose_other_files(manifest)),
        )

    def choose_artifact(self, device: Device) -> OfferedArtifact | None:
        """Returns the file of the first runtime of an app for which there is one.

        Of several for a runtime the most faithful, unless the device names a precision.
        """
        runtimes = device.runtimes or tuple(
            RuntimeOfApp(name) for name in RUNTIMES_OF.get(device.platform, ())
        )
        for runtime in runtimes:
            fitting = [entry for entry in self.artifacts if _fits(entry, device, runtime)]
            if fitting:
                return min(fitting, key=lambda entry: VARIANTS.index(entry.variant))
        return None


@dataclass(frozen=True)
class Restraint:
    """What a server holds back of the signed policy.

    Attributes:
        halted: versions that nobody should run.
        share_bp: no device beyond this share is newly offered the rollout's version; 0 pauses it.
    """

    halted: frozenset[str] = frozenset()
    share_bp: int = WHOLE_SHARE_BP


@dataclass(frozen=True)
class Objection:
    """Why a version is not for a device.

    Attributes:
        code: one of `CODES`.
        reason: in words.
    """

    code: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """What a device should do.

    Attributes:
        action: "none": run on as you are; "take": download `version` and switch to it;
            "go-back": run what the app was shipped with.
        code: one of `CODES`.
        reason: in words.
        version: the one to take, or else the one that the reason is about; None where there is
            no such channel.
        artifact: path of the model file to take; None where nothing is to be taken.
    """

    action: str
    code: str
    reason: str
    version: str | None
    artifact: str | None = None


NOTHING_HELD_BACK = Restraint()


def list_candidates(release: Release, channel: str) -> tuple[str, ...]:
    """Returns the versions that a channel's devices may be offered, the first choice first."""
    found = release.channels.get(channel)
    if found is None:
        return ()
    if found.rollout is None or found.rollout.version == found.current:
        return (found.current,)
    return found.rollout.version, found.current


def decide(
    release: Release,
    device: Device,
    offers: Mapping[str, Offer],
    restraint: Restraint = NOTHING_HELD_BACK,
) -> Decision:
    """Decides what a device should run.

    Args:
        release: the signed policy.
        device: what it says of itself.
        offers: of each of `list_candidates`; other versions may be missing.
        restraint: what a server holds back; a client knows of nothing.
    """
    candidates = list_candidates(release, device.channel)
    if not candidates:
        reason = f"there is no channel {device.channel!r}: there are {', '.join(release.channels)}"
        return Decision(NONE, "no-channel", reason, None)
    last = Objection("up-to-date", "you run what you should")
    for version in candidates:
        running = _runs(device, version, offers[version])
        judge = object_to_running if running else object_to_taking
        objection = judge(release, device, version, offers[version], restraint)
        if objection is None and running:
            return Decision(NONE, last.code, last.reason, version)
        if objection is None:
            return _take(device, version, offers[version])
        last = objection
    leave = _object_to_staying(release, device, restraint)
    if leave is None:
        return Decision(NONE, last.code, last.reason, candidates[-1])
    reason = f"{leave.reason}; {last.reason}"
    return Decision(GO_BACK, leave.code, reason, candidates[-1])


def object_to_taking(
    release: Release,
    device: Device,
    version: str,
    offer: Offer,
    restraint: Restraint = NOTHING_HELD_BACK,
) -> Objection | None:
    """Returns why a device may not take a version now, or None where it may.

    With no restraint this is what a client holds a server's answer against.
    """
    if objection := object_to_running(release, device, version, offer, restraint):
        return objection
    rollout = release.channels[device.channel].rollout
    if (
        rollout is not None
        and version == rollout.version != release.channels[device.channel].current
        and not is_included(rollout.salt, device.device_id, restraint.share_bp)
    ):
        return Objection("held", f"{version} is held until enough devices reported")
    return _object_to_download(release, device, version, offer)


def object_to_running(
    release: Release,
    device: Device,
    version: str,
    offer: Offer,
    restraint: Restraint = NOTHING_HELD_BACK,
) -> Objection | None:
    """Returns why a device may not run a version of its channel on, or None where it may.

    Only the policy counts: what runs already needs no space, and passed its self-test.
    """
    if version not in list_candidates(release, device.channel):
        return Objection("not-offered", f"{version} is not offered in {device.channel}")
    channel = release.channels[device.channel]
    if version != channel.current and not (
        channel.rollout and channel.rollout.includes(device.device_id)
    ):
        return Objection("not-in-rollout", f"{version} is not yet for this device")
    if version in restraint.halted:
        return Objection("halted", f"{version} was halted")
    if version in device.refused:
        return Objection("refused-here", f"{version} failed on this device")
    return None


def _object_to_download(
    release: Release, device: Device, version: str, offer: Offer
) -> Objection | None:
    entry = release.find(version)
    if entry is None or entry.deprecated is not None:
        why = "" if entry is None else f": {entry.deprecated}"
        return Objection("deprecated", f"{version} is deprecated{why}")
    unmet = entry.conditions and entry.conditions.find_unmet(device)
    if unmet:
        return Objection("conditions", f"{version} is not for this device: {unmet}")
    artifact = offer.choose_artifact(device)
    if artifact is None:
        return Objection("nothing-fits", _describe_misfit(release, device, version))
    download_bytes = offer.other_bytes
    download_bytes += 0 if artifact.sha256 in device.have else artifact.size_bytes
    if device.free_bytes is not None and device.free_bytes < SPACE_FACTOR * download_bytes:
        least = SPACE_FACTOR * download_bytes
        return Objection("no-space", f"{version} needs {least} free bytes, twice its download")
    if entry.conditions and entry.conditions.must_wait_for_network(device):
        return Objection("network", f"{version} is downloaded over an unmetered network only")
    return None


def _object_to_staying(release: Release, device: Device, restraint: Restraint) -> Objection | None:
    """Returns why a device must leave what it runs although it can take nothing."""
    running = device.running
    if running is None:
        return None
    version = running.version
    if version in restraint.halted:
        return Objection("halted", f"{version} was halted")
    if version in device.refused:
        return Objection("refused-here", f"{version} failed on this device")
    current = release.channels[device.channel].current
    # An older one is waiting for the update; a newer one was rolled back.
    if version not in release.names or compare_versions(version, current) >= 0:
        return Objection("withdrawn", f"{version} is not what should run")
    return None


def _take(device: Device, version: str, offer: Offer) -> Decision:
    artifact = offer.choose_artifact(device)
    path = None if artifact is None else artifact.path
    running = device.running
    if running is None:
        return Decision(TAKE, "first", "you run none yet", version, path)
    if running.version == version:
        reason = f"what you run as {version} has other content than was published"
        return Decision(TAKE, "other-content", reason, version, path)
    if _is_newer(version, running.version):
        return Decision(TAKE, "new-version", f"{version} is newer than yours", version, path)
    reason = f"{running.version} is not offered to you any more"
    return Decision(TAKE, "rolled-back", reason, version, path)


def _is_newer(version: str, running: str) -> bool:
    try:
        return compare_versions(version, running) > 0
    except VersionError:
        return True  # than something that never was a version


def _runs(device: Device, version: str, offer: Offer) -> bool:
    running = device.running
    if running is None or running.version != version:
        return False
    return running.manifest_sha256 in (None, offer.manifest_sha256)


def _fits(entry: OfferedArtifact, device: Device, runtime: RuntimeOfApp) -> bool:
    if entry.runtime != runtime.name or device.platform not in entry.platforms:
        return False
    made_with, linked = entry.made_with, runtime.version
    binds = entry.runtime == "executorch" and made_with and linked is not None
    if binds and not runs_on_executorch(made_with, linked or ""):
        return False
    if device.precision is not None:
        return entry.precision == device.precision
    return entry.variant.executed_here


def _describe_misfit(release: Release, device: Device, version: str) -> str:
    names = [
        runtime.name + (f" {runtime.version}" if runtime.version else "")
        for runtime in device.runtimes
    ] or RUNTIMES_OF.get(device.platform, ())
    wanted = " or ".join(names) + (f" in {device.precision}" if device.precision else "")
    return f"{release.model} {version} has nothing for {device.platform} with {wanted}"
