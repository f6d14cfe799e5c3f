"""Digests of the API's operations and schemas, beside the changelog that tells of them.

After a change of the API: write it into docs/api-changelog.md, and run `python -m
tests.serving.api.recorded` from the root of the checkout.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from serving.api.document import list_operations
from serving.app import API_VERSION, create_app
from serving.settings import Settings
from training.files import sha256_bytes

ROOT = Path(__file__).parents[3]
CHANGELOG = ROOT / "docs" / "api-changelog.md"
RECORD = Path(__file__).with_name("recorded.json")
# Words and examples may be bettered at any time.
_WORDS = {"description", "summary", "example", "examples", "tags", "title"}


def describe(spec: dict[str, Any]) -> dict[str, Any]:
    """Returns what is recorded of a document."""
    found = {
        f"{method.upper()} {path}": operation for path, method, operation in list_operations(spec)
    }
    found |= {f"schema {name}": form for name, form in spec["components"]["schemas"].items()}
    return {
        "version": API_VERSION,
        "changelog": sha256_bytes(CHANGELOG.read_bytes()),
        "digests": {name: _digest(value) for name, value in sorted(found.items())},
    }


def _digest(value: object) -> str:
    return sha256_bytes(json.dumps(_strip(value), sort_keys=True).encode())[:16]


def _strip(value: object) -> object:
    if isinstance(value, dict):
        # A member may be called as a keyword is: under `properties` all are members.
        return {
            key: {name: _strip(form) for name, form in part.items()}
            if key == "properties"
            else _strip(part)
            for key, part in value.items()
            if key not in _WORDS and not key.startswith("x-")
        }
    return [_strip(part) for part in value] if isinstance(value, list) else value


def record() -> None:
    """Writes the record, where the changelog was written first."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder) / "none", public_scopes=())
        spec = create_app(settings).test_client().get("/openapi.json").json
    new = describe(spec)
    old = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if new["digests"] != old.get("digests") and new["changelog"] == old.get("changelog"):
        raise SystemExit(f"nothing new stands in {CHANGELOG}: write first what changed")
    RECORD.write_text(json.dumps(new, indent=1) + "\n")


if __name__ == "__main__":
    record()
