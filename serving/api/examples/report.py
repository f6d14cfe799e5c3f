"""Reports that a version passed its self-test."""

import json
import os
import uuid
from urllib.request import Request, urlopen

report = {
    "report_id": str(uuid.uuid4()),  # where no answer comes, the same is sent again: it counts once
    "device_id": os.environ["DEVICE"],
    "version": os.environ["VERSION"],
    "artifact_sha256": os.environ["ARTIFACT_SHA256"],
    "event": "self-test",
    "passed": True,
    "platform": "android",
}
headers = {"Content-Type": "application/json"}
if os.environ.get("KEY"):
    headers["X-API-Key"] = os.environ["KEY"]
url = f"{os.environ['SERVER']}/v1/models/{os.environ['MODEL']}/reports"
with urlopen(Request(url, json.dumps(report).encode(), headers), timeout=60) as answer:
    print("counted" if json.load(answer)["counted"] else "was here before")
