"""KServe's own client against our server: `kserve_client.py ADDRESS MODEL PHOTO`.

KServe's package wants other versions of some of our packages, so it has an environment of its own:
`python3.11 -m venv kserve && kserve/bin/pip install kserve`, and this file is run there, against a
server that runs from ours. Ends with an error where anything is not as it should be.
"""

import asyncio
import sys
from pathlib import Path

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput


async def check(address: str, model: str, photo: bytes) -> None:
    """Asks everything that the client can ask."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(address)
    assert await client.is_server_ready(address)
    assert await client.is_model_ready(address, model)
    tensors = httpx.get(f"{address}/v2/models/{model}").raise_for_status().json()
    side_px = tensors["inputs"][0]["shape"][1]

    pixels = InferInput("image", [2, side_px, side_px, 3], "FP32")
    values = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.float32)
    found = {}
    for binary in (True, False):
        pixels.set_data_from_numpy(values, binary_data=binary)
        wanted = [RequestedOutput("probabilities"), RequestedOutput("label")]
        for output in wanted:
            output.set_binary_data(binary) if hasattr(output, "set_binary_data") else None
        request = InferRequest(model, [pixels], request_id="one", request_outputs=wanted)
        response = await client.infer(address, request, model_name=model)
        rows = {output.name: output.as_numpy() for output in response.outputs}
        found[binary] = rows["probabilities"]
        print("pixels", "binary" if binary else "JSON", rows["probabilities"].shape, rows["label"])
        assert response.id == "one"
    np.testing.assert_allclose(found[True], found[False], atol=1e-6)

    file = InferInput("photo", [1], "BYTES")
    file.set_data_from_numpy(np.array([photo], dtype=np.object_), binary_data=True)
    response = await client.infer(address, InferRequest(model, [file]), model_name=model)
    print("photo", {output.name: output.as_numpy().tolist() for output in response.outputs})

    file.set_data_from_numpy(np.array([b"no photo"], dtype=np.object_), binary_data=True)
    for name, given, status in ((model, file, 422), ("no-such-model", pixels, 404)):
        try:
            await client.infer(address, InferRequest(name, [given]), model_name=name)
        except httpx.HTTPStatusError as error:
            print("error", error.response.status_code, error.response.json()["error"])
            assert error.response.status_code == status
        else:
            raise AssertionError(f"{name}: no error")
    await client.close()


if __name__ == "__main__":
    asyncio.run(check(sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes()))
