"""Errors of the conversion room."""

from training.errors import GhostlensError


class ArtifactError(GhostlensError):
    """A build or an artifact is missing, damaged, or not of the form that was promised."""


class ConversionError(GhostlensError):
    """A converter refused a checkpoint, or what it wrote is not what was asked for."""


class ParityError(GhostlensError):
    """Artifacts cannot be compared: no photos, other labels, or a build of another checkpoint."""


class RuntimeMissingError(GhostlensError):
    """The runtime that an artifact needs is not installed."""


class UnknownOpError(ArtifactError):
    """A MIL program uses an op, or a form of one, that the reference evaluation does not know."""


class BenchmarkError(GhostlensError):
    """A benchmark cannot be made or read: another checkpoint, a yardstick that cannot run."""
