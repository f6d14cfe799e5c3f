"""How many bytes the first visit of the scan page costs, in Chromium, by what they are for.

python -m docs.studies.first_visit out/demo/repository
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.scan.conftest import find_chromium
from tests.scan.proxy import Proxy
from tests.serving.test_server import serve

PATIENCE_MS = 120_000
# Reports are sent, and the service worker keeps the page's files, after the model is in use.
SETTLE_MS = 3000


def find_purpose(path: str) -> str:
    """Returns what a request is for."""
    if path.startswith("/scan/"):
        return "runtime" if path.startswith("/scan/litert/") else "page"
    return "model" if path.startswith("/targets/") else "metadata and API"


def measure(repository: Path) -> Counter[str]:
    """Visits a server of a repository with a new browser; returns the bytes of all bodies."""
    with (
        tempfile.TemporaryDirectory() as state,
        serve(repository, "--state", state) as (address, _),
        Proxy(address).running() as way,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(f"{way.url}/scan/#settings")
        page.get_by_text("is installed").wait_for(timeout=PATIENCE_MS)
        page.wait_for_timeout(SETTLE_MS)
        browser.close()
        found: Counter[str] = Counter()
        for path, size_bytes in way.sent_bytes.items():
            found[find_purpose(path)] += size_bytes
    return found


if __name__ == "__main__":
    sizes = measure(Path(sys.argv[1]))
    for purpose, size_bytes in sizes.items():
        print(f"{purpose}: {size_bytes:,} bytes")
    print(f"first visit: {sizes.total():,} bytes")
