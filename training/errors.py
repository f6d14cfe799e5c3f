"""Errors of the training room, and the root of every error that Ghostlens raises."""


class GhostlensError(Exception):
    """Root of all typed errors. The message says what, where and what is allowed."""


class ConfigError(GhostlensError):
    """A setting is unknown, of the wrong type, or out of its range."""


class LabelsError(GhostlensError):
    """A list of labels is empty, repeats itself, or cannot be read."""


class PhotoError(GhostlensError):
    """A photo cannot be decoded, or is larger than is allowed."""


class DataError(GhostlensError):
    """A data source is missing, malformed, or breaks a rule that training relies on."""


class CheckpointError(GhostlensError):
    """A checkpoint is incomplete, was changed, or does not fit the network."""


class TrainingError(GhostlensError):
    """Training cannot go on: the loss is no longer finite, or a resume does not match."""


class StorageError(GhostlensError):
    """A file could not be written or read: no space, no permission, or not as it was written."""


class ConfidenceError(GhostlensError):
    """Thresholds or a temperature that cannot be: out of range, or chosen on no photo."""
