"""The same photos behind LitServe: `litserve_app.py TFLITE INPUT_PX PORT WORKERS`."""

import sys
from pathlib import Path

import litserve as ls
import numpy as np

from conversion.runners import LiteRtRunner
from serving.inference.photos import read_photo
from training.preprocess import Preprocess

TFLITE, INPUT_PX, PORT, WORKERS = Path(sys.argv[1]), *map(int, sys.argv[2:])


class Photos(ls.LitAPI):
    """Decodes, resizes and answers by the same functions as our server."""

    def setup(self, device):
        """Loads the model, in each worker."""
        self.preprocess = Preprocess.for_input(INPUT_PX)
        self.runner = LiteRtRunner(TFLITE)

    def decode_request(self, request):
        """Reads the field `photo` of a form: LitServe takes JSON and forms alone."""
        return request["photo"].file.read()

    def predict(self, photo):
        """Answers for one photo."""
        return self.runner.answer(read_photo(self.preprocess, photo)[np.newaxis])

    def encode_response(self, answers):
        """Gives the five first."""
        row = answers.probabilities[0]
        return {"answers": [[int(index), float(row[index])] for index in np.argsort(-row)[:5]]}


if __name__ == "__main__":
    server = ls.LitServer(
        Photos(api_path="/recognise"), accelerator="cpu", workers_per_device=WORKERS, timeout=60
    )
    server.run(host="127.0.0.1", port=PORT, num_api_servers=WORKERS, generate_client_file=False)
