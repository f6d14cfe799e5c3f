"""The same photos behind BentoML: `bentoml serve bentoml_app:Photos`, in an environment with it."""

import os
from pathlib import Path
from typing import Annotated, Any

import bentoml
import numpy as np
from bentoml.validators import ContentType

from conversion.runners import LiteRtRunner
from serving.inference.photos import read_photo
from training.preprocess import Preprocess

WORKERS = int(os.environ["BENCH_WORKERS"])


@bentoml.service(workers=WORKERS, threads=1, traffic={"timeout": 60}, metrics={"enabled": False})
class Photos:
    """Decodes, resizes and answers by the same functions as our server."""

    def __init__(self) -> None:
        self.preprocess = Preprocess.for_input(int(os.environ["BENCH_INPUT_PX"]))
        self.runner = LiteRtRunner(Path(os.environ["BENCH_TFLITE"]))

    @bentoml.api(route="/recognise")
    def recognise(self, photo: Annotated[bytes, ContentType("image/jpeg")], /) -> dict[str, Any]:
        """Answers for one photo, which is the whole body."""
        answers = self.runner.answer(read_photo(self.preprocess, photo)[np.newaxis])
        row = answers.probabilities[0]
        return {"answers": [[int(index), float(row[index])] for index in np.argsort(-row)[:5]]}
