"""Asks for the names of a photo, and again where the server is busy."""

import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

AGAIN = (429, 503)  # asked too often, or busy
LONGEST_S = 60  # where the photos of a day are used up, Retry-After says hours


def recognise(url: str, photo: bytes, headers: dict[str, str], tries: int = 5) -> dict[str, Any]:
    for left in reversed(range(tries)):
        try:
            with urlopen(Request(url, photo, headers), timeout=60) as answer:
                return json.load(answer)
        except HTTPError as error:
            problem = json.load(error)  # application/problem+json
            wait_s = int(error.headers.get("Retry-After", "1"))
            if error.code not in AGAIN or not left or wait_s > LONGEST_S:
                raise SystemExit(f"{error.code} {problem['title']}: {problem['detail']}") from error
            time.sleep(wait_s)


headers = {"Content-Type": "image/jpeg"}
if os.environ.get("KEY"):
    headers["X-API-Key"] = os.environ["KEY"]
url = f"{os.environ['SERVER']}/v1/models/{os.environ['MODEL']}/recognise?top_k=3"
found = recognise(url, Path(os.environ["PHOTO"]).read_bytes(), headers)
print(found["verdict"], found["words"])
