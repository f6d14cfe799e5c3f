"""Errors of the serving room; `serving.problems` turns them into HTTP answers."""

from collections.abc import Iterable

from training.errors import GhostlensError

_SHOWN_NAMES = 20

# Of what tells a client of an error (RFC 9457); here, so that who writes one without the app can
# know it without importing the app.
MEDIA_TYPE = "application/problem+json"


class ServingError(GhostlensError):
    """Root of the errors of this room."""


class SettingsError(ServingError):
    """A setting of the server is unknown or out of its range."""


class RepositoryError(ServingError):
    """The repository's metadata or files are incomplete, not signed as required, or changed."""


class PublishError(ServingError):
    """A release cannot be published as asked; what is published already is untouched."""


class HoldError(PublishError):
    """A version cannot be held back as asked."""


class ConflictError(ServingError):
    """Another publisher was faster; what that one published is untouched, and this is not seen."""


class CeremonyError(ServingError):
    """A change of keys cannot be made as asked, or is not signed by enough people yet."""


class StateError(ServingError):
    """What the server remembers cannot be read or written."""


class NewerStateError(StateError):
    """A newer server has used the state, and this one does not know its tables."""


class AuditError(ServingError):
    """The audit log is not what was appended to it."""


class NotReadyError(ServingError):
    """The server has nothing verified to answer from."""


class KeyStoreError(ServingError):
    """There is no such API key, or it cannot be made or changed as asked."""


class KeyNeededError(ServingError):
    """A request needs an API key, and came with none that counts.

    Attributes:
        is_wrong: whether it came with one at all.
    """

    def __init__(self, message: str, is_wrong: bool = False) -> None:
        super().__init__(message)
        self.is_wrong = is_wrong


class ScopeError(ServingError):
    """The key of a request may not do what was asked.

    Attributes:
        scope: what it would need; empty where it is not for that model.
    """

    def __init__(self, message: str, scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope


class QuotaError(ServingError):
    """So much was asked lately that no more is answered for a while.

    Attributes:
        policy: the limit that was reached.
        retry_after_s: when it begins again, in seconds.
    """

    def __init__(self, message: str, policy: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.policy = policy
        self.retry_after_s = retry_after_s


class ProxyError(ServingError):
    """A request came through a proxy that the server was not told of."""


class BusyError(ServingError):
    """A photo cannot be recognised in time: too many came at once.

    Attributes:
        retry_after_s: when it is worth to ask again, in seconds.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RemoteError(BusyError):
    """The machine that shall recognise does not, or not as the release says."""


class ClientGoneError(ServingError):
    """The client hung up before its answer was ready: nobody sees this one."""


class SlowBodyError(ServingError):
    """A request's body did not come to its end in time."""


class BodyLengthError(ServingError):
    """A request's body is too long once it is inflated."""


class IdempotencyError(ServingError):
    """An `Idempotency-Key` was used for another request before."""


class UnknownCorrectionError(ServingError):
    """There is no such correction, or it has no photo any more."""


class CorrectionError(ServingError):
    """A correction contradicts one that was taken in or accepted before."""


class RunningError(ServingError):
    """The first request with an `Idempotency-Key` is not answered yet.

    Attributes:
        retry_after_s: when it is worth to ask again, in seconds.
    """

    retry_after_s = 1


class InferenceError(ServingError):
    """A request of the Open Inference Protocol is malformed, or its tensors are."""


class RequestError(ServingError):
    """A request lacks something, or holds something that is not allowed."""


class DigestError(ServingError):
    """A request's body is not what its digest fields say, or those are malformed."""


class MalformedError(ServingError):
    """A request's body is no JSON that can be read, or comes in chunks that are none."""


class MediaTypeError(ServingError):
    """A request's body is of a type that is not taken."""


class DemoError(ServingError):
    """A step of the demo failed."""


class UnknownModelError(ServingError):
    """No model of that name is published."""

    def __init__(self, model: str, models: Iterable[str]) -> None:
        super().__init__(f"no model {model!r}; {_list('published', models)}")


class UnknownVersionError(ServingError):
    """The model has no such version."""

    def __init__(self, model: str, version: str, versions: Iterable[str]) -> None:
        newest_first = reversed(list(versions))
        super().__init__(f"{model} has no version {version!r}; {_list('published', newest_first)}")


class UnknownChannelError(ServingError):
    """The model has no such channel."""

    def __init__(self, model: str, channel: str, channels: Iterable[str]) -> None:
        super().__init__(f"{model} has no channel {channel!r}; {_list('there', channels)}")


class NotCurrentError(ServingError):
    """A version was asked for as the current one of a channel, and is not."""


class NoArtifactError(ServingError):
    """A version holds no artifact that can do what was asked."""


class UnknownFileError(ServingError):
    """No such file is published."""


def _list(verb: str, names: Iterable[str]) -> str:
    found = list(names)
    if not found:
        return f"none is {verb} yet"
    more = f" and {len(found) - _SHOWN_NAMES} more" if len(found) > _SHOWN_NAMES else ""
    return f"{verb} are: {', '.join(found[:_SHOWN_NAMES])}{more}"


def explain_json(error: ValueError | RecursionError) -> str:
    """Returns in words why a body could not be read as JSON."""
    if isinstance(error, RecursionError):
        return "the body is nested too deeply"
    # Behind a semicolon stands what whoever wrote the program might do.
    return f"the body is no JSON that can be read: {str(error).partition(';')[0]}"
