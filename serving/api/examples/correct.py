"""Says that an answer was wrong, and what is right."""

import json
import os
from urllib.request import Request, urlopen

correction = {
    "correction_id": os.environ["CORRECTION_ID"],  # a UUID, made once for the scan
    "device_id": os.environ["DEVICE"],
    "scanned_at": os.environ["SCANNED_AT"],
    "version": os.environ["VERSION"],
    "answered": {"label": os.environ["LABEL"], "verdict": "unsure", "by": "device"},
    "right": {"kind": "label", "name": os.environ["RIGHT"]},
}
headers = {
    "Content-Type": "application/json",
    # Where no answer comes, the same is sent again: the server does it once for a key.
    "Idempotency-Key": f'"{correction["correction_id"]}"',
}
if os.environ.get("KEY"):
    headers["X-API-Key"] = os.environ["KEY"]
url = f"{os.environ['SERVER']}/v1/models/{os.environ['MODEL']}/corrections"
with urlopen(Request(url, json.dumps(correction).encode(), headers), timeout=60) as answer:
    found = json.load(answer)
print(found["state"], "the photo:", found["photo"]["why"])
