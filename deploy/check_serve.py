"""Does the server recognise where nothing is installed that it does not need?

`python -m deploy.check_serve REPOSITORY`, in such an environment; see `make check-serve`. Starts
the server as it is deployed and asks it for a golden photo of its first model.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from serving.storage import Storage

HEAVY = ("torch", "tensorflow", "executorch", "coremltools", "litert_torch", "matplotlib")
PORT = 18765
START_S = 60


def ask(model: str, photo: bytes) -> str:
    """Returns the first name, as soon as the server answers."""
    url = f"http://127.0.0.1:{PORT}/v1/models/{model}/recognise"
    request = urllib.request.Request(url, photo, {"Content-Type": "image/jpeg"})
    for _ in range(10 * START_S):
        try:
            with urllib.request.urlopen(request) as response:
                return str(json.load(response)["answers"][0]["label"])
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"no answer within {START_S} s")


def main(repository: Path) -> None:
    """Fails where it does not recognise, or where something is installed that it does not need."""
    found = [name for name in HEAVY if importlib.util.find_spec(name) is not None]
    if found:
        raise SystemExit(f"installed here, and not needed: {', '.join(found)}")
    storage = Storage(repository)
    model, release = next(iter(storage.catalogue.releases.items()))
    golden = storage.read_manifest(model, release.current).fallback.golden[0]
    photo = storage.read_file(model, release.current, golden.file)
    with tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "serving", "run", "--port", str(PORT)]
        command += ["--repository", str(repository), "--state", state]
        with subprocess.Popen(command) as process:
            try:
                print(f"{golden.label} was recognised as {ask(model, photo)}")
            finally:
                process.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
