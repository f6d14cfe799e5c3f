"""What is noted of every recognised photo."""

from serving.inference.engine import Answered


def note_answered(model: str, version: str, answered: Answered) -> None:
    """Notes an answer; called once for each photo, however it was asked for.

    Args:
        model: name of a published model.
        version: the published version that answered.
        answered: what was answered. Times are those of the request, which may have had several
            photos.
    """
