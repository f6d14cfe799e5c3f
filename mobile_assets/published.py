"""What a repository publishes of a model, as far as the trusted root vouches for it."""

from dataclasses import dataclass

from mobile_assets.deciding import Offer
from mobile_assets.errors import PullError
from mobile_assets.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest
from mobile_assets.release import MAX_RELEASE_BYTES, RELEASE_NAME, Release
from mobile_assets.trust import TrustedRepository
from training.files import sha256_bytes


@dataclass(frozen=True)
class SignedManifest:
    """A manifest with the bytes that were signed.

    Attributes:
        manifest: what they say.
        data: the bytes.
    """

    manifest: Manifest
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the bytes, 64 hexadecimal digits."""
        return sha256_bytes(self.data)

    def to_offer(self) -> Offer:
        """Returns what counts of it for a decision."""
        return Offer.from_manifest(self.manifest, self.sha256, len(self.data))


def read_release(repository: TrustedRepository, model: str) -> Release:
    """Reads the signed policy of a model.

    Raises:
        ManifestError: malformed, or of a newer schema.
        PullError: not published, unreachable, of another model, or other bytes than signed.
    """
    path = f"{model}/{RELEASE_NAME}"
    if model not in (models := repository.list_models()):
        allowed = f"allowed are {', '.join(models)}" if models else "nothing is published yet"
        raise PullError(f"{repository.base_url} publishes no model {model!r}: {allowed}")
    release = Release.from_bytes(repository.read(path, MAX_RELEASE_BYTES))
    if release.model != model:
        raise PullError(f"{path} of {repository.base_url} is about {release.model!r}")
    return release


def read_manifest(repository: TrustedRepository, model: str, version: str) -> SignedManifest:
    """Reads the signed manifest of a version.

    Raises:
        ManifestError: malformed, or of a newer schema.
        PullError: not published, unreachable, of another version, or other bytes than signed.
    """
    path = f"{model}/{version}/{MANIFEST_NAME}"
    data = repository.read(path, MAX_MANIFEST_BYTES)
    manifest = Manifest.from_bytes(data)
    if (manifest.model, manifest.version) != (model, version):
        raise PullError(
            f"{path} of {repository.base_url} is about {manifest.model} {manifest.version}"
        )
    return SignedManifest(manifest, data)
