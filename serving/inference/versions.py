"""What answers for photos, wherever it runs: a version of a model, and those that can be had."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mobile_assets.manifest import Manifest
from mobile_assets.parts import BundledArtifact
from mobile_assets.released import ReleasedModel
from serving.inference.places import Ticket
from training.answers import Answers

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Version(ABC):
    """A version that answers.

    Attributes:
        manifest: the release's.
        artifact: the file of it; gives temperature and thresholds, wherever the answers come from.
    """

    manifest: Manifest
    artifact: BundledArtifact

    @cached_property  # put together from the manifest, and asked for by each request
    def model(self) -> ReleasedModel:
        """The network of the release that answers on servers."""
        return self.manifest.fallback

    @abstractmethod
    def answer(self, ticket: Ticket, x_nhwc: Pixels) -> Answers:
        """Answers as the network does, before any temperature.

        Args:
            ticket: of the request; it holds a place, which is given back early by what needs no
                processor here.
            x_nhwc: shape [N, side, side, 3], RGB, 0 to 255.

        Raises:
            BusyError: it could not be answered in time.
            ClientGoneError: the client hung up.
            ArtifactError: the network cannot answer for these values.
        """


class Versions(Protocol):
    """Those that can be had. Safe to use from threads."""

    def find(self, model: str, version: str) -> Version:
        """Returns a version that is ready to answer.

        Args:
            model: name of a published model.
            version: one of its versions.

        Raises:
            NoArtifactError: the version has nothing that runs there.
            RepositoryError: the artifact is damaged, or does not answer its golden photos as it
                should.
        """
        ...

    def preload(self, model: str, version: str) -> bool:
        """Makes a version ready where none has to be dropped for it; returns whether it is.

        Raises:
            NoArtifactError: see `find`; likewise RepositoryError.
        """
        ...

    def list_loaded(self) -> list[tuple[str, str]]:
        """Returns the models and versions that are ready, those last that were used last."""
        ...

    def find_problems(self, versions: Mapping[str, str]) -> list[str]:
        """Returns, in words, what was wrong with versions when they were last asked for.

        Args:
            versions: model -> version: those of interest.
        """
        ...
