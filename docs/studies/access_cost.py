"""What asking for keys and counting requests costs: the same request with and without, in turns.

Run: python docs/studies/access_cost.py REPOSITORY
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from flask.testing import FlaskClient

from serving.access.keys import Wish, create_key
from serving.access.rates import KEY_LIMITS, read_limits
from serving.app import create_app
from serving.context import get_database
from serving.settings import Settings

_ROUNDS, _REQUESTS = 15, 200
_NO_LIMIT = ", ".join(f"{scope}=none" for scope in KEY_LIMITS)
_MUCH = ", ".join(f"{scope}=100000000/day" for scope in KEY_LIMITS)


def make_client(
    repository: Path, state: Path, limits: str | None
) -> tuple[FlaskClient, dict[str, str]]:
    """Returns a client of an app and its key's header; None as limits asks for no key either."""
    if limits is None:
        return create_app(Settings(repository, state=state)).test_client(), {}
    found = read_limits(limits, KEY_LIMITS)
    settings = Settings(repository, state=state, public_scopes=(), key_limits=found)
    client = create_app(settings).test_client()
    with client.application.app_context():
        token = create_key(get_database(), Wish("study", frozenset({"pull"})), "study", 0)
    return client, {"Authorization": f"Bearer {token}"}


def main() -> None:
    """Prints milliseconds of processor time a request."""
    repository = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        clients = {
            words: make_client(repository, Path(folder) / str(number), limits)
            for number, (words, limits) in enumerate(
                {"no key": None, "a key": _NO_LIMIT, "a key and a limit": _MUCH}.items()
            )
        }
        took: dict[str, list[float]] = {words: [] for words in clients}
        for _ in range(_ROUNDS):
            for words, (client, headers) in clients.items():
                start_s = time.process_time()
                for _ in range(_REQUESTS):
                    assert client.get("/v1/models", headers=headers).status_code == 200
                took[words].append(1000 * (time.process_time() - start_s) / _REQUESTS)
    least = statistics.median(took["no key"])
    for words, times_ms in took.items():
        median_ms = statistics.median(times_ms)
        print(f"{words:20} {median_ms:6.3f} ms a request, {median_ms - least:+.3f}")


if __name__ == "__main__":
    main()
