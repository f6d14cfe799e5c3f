"""Errors of the mobile assets room."""

from training.errors import GhostlensError, StorageError


class ManifestError(GhostlensError):
    """A manifest or a release file is malformed; the message names the path of the bad key."""


class BundleError(GhostlensError):
    """A bundle cannot be made as asked, or is damaged, incomplete or hostile."""


class SigningError(GhostlensError):
    """A signing key is missing, is not the one expected, or would be overwritten."""


class PullError(GhostlensError):
    """A bundle could not be pulled; the version in use is untouched."""


class NoSpaceError(StorageError):
    """Less is free than a download needs; nothing was fetched of it."""


class SelfTestError(GhostlensError):
    """A pulled artifact does not answer as expected on the golden photos."""


class VersionError(GhostlensError):
    """A version, or a range of versions, is not of the form that is allowed."""


class VectorsError(GhostlensError):
    """The test vectors that lie here are not those that this version makes."""


class DeltaError(GhostlensError):
    """A delta is damaged, leads elsewhere, or cannot be made; the whole file still can be had."""
