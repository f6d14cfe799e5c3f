"""Asks by the Open Inference Protocol, with NVIDIA's client."""

import os
from pathlib import Path

import numpy as np
import tritonclient.http as triton  # pip install "tritonclient[http]"

client = triton.InferenceServerClient(os.environ["SERVER"].removeprefix("http://"))
photo = triton.InferInput("photo", [1], "BYTES")
photo.set_data_from_numpy(np.array([Path(os.environ["PHOTO"]).read_bytes()], dtype=np.object_))
headers = {"X-API-Key": os.environ["KEY"]} if os.environ.get("KEY") else {}
found = client.infer(os.environ["MODEL"], [photo], headers=headers)
print(found.as_numpy("verdict")[0].decode(), found.as_numpy("label")[0].decode())
