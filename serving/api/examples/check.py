"""Asks which version a device should run."""

import json
import os
from urllib.request import Request, urlopen

device = {
    "platform": "android",
    "device_id": os.environ["DEVICE"],  # the same at each check
    "current": {"version": os.environ["VERSION"]},  # what the device runs
}
headers = {"Content-Type": "application/json"}
if os.environ.get("KEY"):
    headers["X-API-Key"] = os.environ["KEY"]
url = f"{os.environ['SERVER']}/v1/models/{os.environ['MODEL']}/check"
with urlopen(Request(url, json.dumps(device).encode(), headers), timeout=60) as answer:
    found = json.load(answer)
# A hint: verify release.json and each file with a TUF client before you switch.
print(found["action"], found["version"], found["reason"])
