"""Lists the models with their current versions."""

import json
import os
from urllib.request import Request, urlopen

headers = {"X-API-Key": os.environ["KEY"]} if os.environ.get("KEY") else {}
request = Request(f"{os.environ['SERVER']}/v1/models", headers=headers)
with urlopen(request, timeout=60) as answer:
    for entry in json.load(answer)["models"]:
        print(entry["model"], entry["current"])
