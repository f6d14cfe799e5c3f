"""Recognises photos with published versions: with the cloud model where a version has one."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np

from conversion.errors import ArtifactError
from mobile_assets.recognise import Recognition, rank_answers
from serving.errors import InferenceError
from serving.inference.photos import read_photo
from serving.inference.places import Places, Ticket
from serving.inference.versions import Pixels, Version, Versions
from serving.observing.stages import StageClock
from training.answers import Answers


@dataclass(frozen=True)
class Answered:
    """What the server says of a photo.

    Attributes:
        found: the answers.
        answered_by: "cloud" or "device": which network of the release answered.
        architecture: of that network.
        timings_ms: milliseconds by stage: waiting for a place, loading the model, preparing the
            photo, running the model, and in total.
    """

    found: Recognition
    answered_by: str
    architecture: str
    timings_ms: dict[str, float]


@dataclass(frozen=True)
class Inferred:
    """What an artifact says of some photos.

    Attributes:
        version: the one that answered.
        answers: as the artifact gives them, one row a photo.
        timings_ms: milliseconds by stage, of all photos together; see `Answered`.
    """

    version: Version
    answers: Answers
    timings_ms: dict[str, float]

    def judge(self) -> list[Answered]:
        """Returns the name and verdict of each photo."""
        return [
            _judge(self.version, self.answers[index : index + 1], 1, self.timings_ms)
            for index in range(len(self.answers))
        ]


class Engine:
    """Answers for photos, wherever their pixels are looked at. Safe to use from threads."""

    def __init__(self, versions: Versions, places: Places) -> None:
        """Loads nothing yet: runtimes that were loaded before a fork hang after it.

        Args:
            versions: what answers.
            places: how many photos at once.
        """
        self._places = places
        self.versions = versions

    def admit(self, is_gone: Callable[[], bool]) -> AbstractContextManager[Ticket]:
        """Admits a request; see `Places.admit`.

        Raises:
            BusyError: the line is full.
        """
        return self._places.admit(is_gone)

    def recognise(
        self, ticket: Ticket, model: str, version: str, photo: bytes, top_k: int
    ) -> Answered:
        """Recognises a photo.

        Args:
            ticket: of the request.
            model: name of a published model.
            version: one of its versions.
            photo: bytes of the photo's file.
            top_k: number of answers; fewer where the model has fewer labels.

        Raises:
            PhotoError: not a readable photo, or too large.
            BusyError: it could not be answered in time.
            ClientGoneError: the client hung up.
            NoArtifactError: the version has nothing that runs here.
            RepositoryError: the artifact is damaged, or does not answer its golden photos as
                it should.
        """
        clock = StageClock()
        with ticket.take_place():
            clock.stop("wait")
            loaded = self.versions.find(model, version)
            clock.stop("load")
            x_hwc = read_photo(loaded.model.preprocess, photo)
            clock.stop("prepare")
            # Looks itself whether somebody still waits, and so does `take_place`.
            given = loaded.answer(ticket, x_hwc[np.newaxis])
            clock.stop("run")
        clock.finish()
        return _judge(loaded, given, top_k, clock.timings_ms)

    def infer(
        self,
        ticket: Ticket,
        model: str,
        version: str,
        read_input: Callable[[Version], Pixels | Sequence[bytes]],
    ) -> Inferred:
        """Answers as the artifact does.

        Args:
            ticket: of the request.
            model: name of a published model.
            version: one of its versions.
            read_input: gives the pixels, shape [N, side, side, 3], 0 to 255, or the photos' files;
                it is called with a place taken, since reading costs time and memory too.

        Raises:
            InferenceError: the artifact cannot answer for these values; else see `recognise`.
        """
        clock = StageClock()
        with ticket.take_place():
            clock.stop("wait")
            loaded = self.versions.find(model, version)
            clock.stop("load")
            x_nhwc = _prepare(ticket, loaded, read_input(loaded))
            clock.stop("prepare")
            try:
                answers = loaded.answer(ticket, x_nhwc)
            except ArtifactError as error:
                raise InferenceError(str(error)) from error
            clock.stop("run")
        clock.finish()
        return Inferred(loaded, answers, clock.timings_ms)

    def load(self, ticket: Ticket, model: str, version: str) -> None:
        """Loads a version, so that the next request need not wait for that.

        Raises:
            BusyError: no place became free in time; else see `recognise`.
        """
        with ticket.take_place():
            self.versions.find(model, version)

    def find_problems(self, versions: Mapping[str, str]) -> list[str]:
        """Returns, in words, what could not be loaded; see `Versions.find_problems`."""
        return self.versions.find_problems(versions)


def _judge(loaded: Version, given: Answers, top_k: int, timings_ms: dict[str, float]) -> Answered:
    found = rank_answers(loaded.manifest, loaded.artifact, given, top_k)
    return Answered(found, loaded.model.place, loaded.model.architecture, timings_ms)


def _prepare(ticket: Ticket, loaded: Version, given: Pixels | Sequence[bytes]) -> Pixels:
    if isinstance(given, np.ndarray):
        return given
    photos = []
    for file in given:
        ticket.check()
        photos.append(read_photo(loaded.model.preprocess, file))
    return np.stack(photos)
