"""A thousand phones in one process, the server beside it, and the owner's commands."""

import random
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

from click.testing import CliRunner
from urllib3.connectionpool import HTTPConnectionPool

from mobile_assets.bucketing import is_included
from mobile_assets.client import BundleClient
from mobile_assets.manifest import Manifest
from mobile_assets.signing import create_keys
from mobile_assets.transfer import Transfer
from serving.cli import main
from serving.rollouts import Rollouts
from serving.rule import Counts
from serving.settings import find_state
from serving.state.audit import Entry, list_entries
from serving.state.database import Database
from tests.fleet.bundles import FIRST, list_files, make_bundles
from tests.fleet.phones import BUILT_IN, Observer, Phone
from tests.fleet.server_process import ServerProcess
from tests.mobile_assets.builds import MODEL

# Phones that are used in the same moment.
AT_ONCE = 8
# Of all phones: those whose app wants int8 files, those whose app crashes on `CRASHING`, and those
# that nobody used before, which have only what the app was shipped with.
_INT8_SHARE, _CRASHING_SHARE, _NEW_SHARE = 0.4, 0.5, 0.05
# What a raise waits for: one per cent of a thousand phones are fewer than the usual 20.
LEAST_REPORTS = 8


class Fleet:
    """The phones, the server that they ask, and the owner who releases versions.

    Attributes:
        phones: all of them.
        observer: what they saw.
        server: in processes of its own.
        requests: how many HTTP requests the phones sent.
        check_s: how long a phone waited for each answer to a check, in seconds.
        rolled_back: the phones that were used after the rollback.
        told_late: those of them that did not see it at their first use.
        included: names of the phones that a share of the good rollout includes, by the share.
        reached: names of those that ran its version while that share was in effect.
    """

    def __init__(self, folder: Path, count: int, seed: int = 1) -> None:
        """Publishes the first version and starts the server; most phones come with that version.

        Args:
            folder: where everything lies.
            count: how many phones.
            seed: of everything that is left to chance.
        """
        self._random = random.Random(seed)
        # Of their own, so that a share includes the same phones however many are used.
        self._salts = random.Random(seed)
        self._folder, self._salt = folder, ""
        self._bundles = make_bundles(folder / "bundles")
        create_keys(folder / "keys", models=[MODEL])
        self.publish(FIRST)
        self.observer = Observer({name: list_files(path) for name, path in self._bundles.items()})
        self.server = ServerProcess(
            folder / "repository", GHOSTLENS_RAISE_LEAST_REPORTS=str(LEAST_REPORTS)
        )
        self.requests, self.check_s = 0, list[float]()
        self.rolled_back: list[Phone] = []
        self.told_late: list[Phone] = []
        self.included: dict[int, set[str]] = {}
        self.reached: dict[int, set[str]] = {}
        self._database = Database(find_state(folder / "repository"))
        self.server.start()
        try:
            self.phones = list(self._make_phones(count))
        except BaseException:
            self.server.kill()
            raise

    def publish(self, version: str, *options: str) -> None:
        """Publishes a version, as the owner does it."""
        self.command("publish", str(self._bundles[version]), *options)

    def command(self, *words: str) -> str:
        """Gives a command of `python -m serving` that signs, and returns what it printed."""
        places = (
            "--repository",
            str(self._folder / "repository"),
            "--keys",
            str(self._folder / "keys"),
        )
        with mock.patch("serving.publishing.policy.secrets.token_hex", self._make_salt):
            done = CliRunner().invoke(main, [*words, *places])
        assert done.exit_code == 0, f"{words}: {done.output}"
        return done.output

    def list_included(self, share_bp: int) -> list[Phone]:
        """Returns the phones that the last rollout includes at a share, in parts of 10,000."""
        return [x for x in self.phones if is_included(self._salt, x.name, share_bp)]

    def list_running(self, version: str) -> list[Phone]:
        """Returns the phones that run a version."""
        return [phone for phone in self.phones if phone.life.ran[-1:] == [version]]

    def list_new(self) -> list[Phone]:
        """Returns the phones that nobody used yet."""
        return [phone for phone in self.phones if not phone.cache_dir.exists()]

    def choose(
        self, share: float, needed: Iterable[Phone] = (), without: Iterable[Phone] = ()
    ) -> list[Phone]:
        """Returns a share of all phones by chance, and those that are needed, in random order.

        Args:
            share: of all phones, 0 to 1.
            needed: phones to be among them.
            without: phones to leave out.
        """
        others = set(without)
        chosen = self._random.sample(self.phones, round(share * len(self.phones)))
        chosen = [phone for phone in chosen if phone not in others]
        chosen += [phone for phone in needed if phone not in set(chosen)]
        self._random.shuffle(chosen)
        return chosen

    def use(self, phones: list[Phone]) -> None:
        """Has phones used, some at a time."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(phone.use) for phone in phones]:
                done.result()

    def use_and_kill(self, phones: list[Phone], outage: int) -> None:
        """Has phones used; kills the server amid the first half, and starts it again.

        Args:
            phones: all that are used, once; those that found no server, once more at the end.
            outage: how many of them are used while there is no server.
        """
        before, during, after = _split(phones, len(phones) // 2, outage)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            using = [pool.submit(phone.use) for phone in before]
            for done in islice(as_completed(using), len(before) - AT_ONCE // 2):
                done.result()
            self.observer.server_is_down = True
            self.server.kill()
            self.observer.mark("server killed")
            for done in using:
                done.result()
        self.use(during)
        lost = [phone for phone in phones if phone.life.unreachable]
        self.server.start()
        self.observer.server_is_down = False
        self.use([*after, *lost])

    def count(self, version: str) -> Counts:
        """Returns how many devices were offered a version and reported on it."""
        return Rollouts(self._database).count(MODEL, version)

    def list_log(self) -> list[Entry]:
        """Returns the audit log."""
        with self._database.read() as connection:
            return list_entries(connection)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Counts requests and times checks; manifests are parsed once for all phones."""
        ask, urlopen, lock = Transfer.ask, HTTPConnectionPool.urlopen, threading.Lock()

        def timed_ask(transfer: Transfer, url: str, *given: Any) -> bytes:
            began_s = time.monotonic()
            answer = ask(transfer, url, *given)
            if url.endswith("/check"):
                self.check_s.append(time.monotonic() - began_s)
            return answer

        def counted_urlopen(pool: HTTPConnectionPool, *given: Any, **options: Any) -> Any:
            with lock:
                self.requests += 1
            return urlopen(pool, *given, **options)

        # The same bytes give the same manifest, which nothing can change afterwards.
        read_once = staticmethod(lru_cache(maxsize=16)(Manifest.from_bytes))
        with (
            mock.patch.object(Transfer, "ask", timed_ask),
            mock.patch.object(HTTPConnectionPool, "urlopen", counted_urlopen),
            mock.patch.object(Manifest, "from_bytes", read_once),
        ):
            yield

    def _make_salt(self, size_bytes: int) -> str:
        self._salt = self._salts.randbytes(size_bytes).hex()
        return self._salt

    def _make_phones(self, count: int) -> Iterator[Phone]:
        root = (self._folder / "keys" / "root.json").read_bytes()

        def make(name: str, observer: Observer, precision: str | None, crashes: bool) -> Phone:
            client = BundleClient(self._folder / "phones" / name, self.server.url, root)
            return Phone(name, client, observer, precision, crashes)

        images = {}
        for precision in (None, "int8"):
            made = make(f"image-{precision}", Observer(self.observer.published), precision, False)
            made.use()
            images[precision] = made.cache_dir
        for number in range(count):
            draw = self._random.random
            precision = "int8" if draw() < _INT8_SHARE else None
            name, crashes = f"phone-{number:04}", draw() < _CRASHING_SHARE
            phone = make(name, self.observer, precision, crashes)
            is_new = draw() < _NEW_SHARE
            if not is_new:
                _copy_image(images[precision], phone.cache_dir)
            self.observer.note_running(name, BUILT_IN if is_new else FIRST)
            yield phone


def _copy_image(image: Path, to: Path) -> None:
    """Gives a phone the folder that phones leave the factory with.

    Files are linked, as the client never writes into one that is there; locks are its own.
    """
    ignored = shutil.ignore_patterns("*.lock", "*.in-use")
    shutil.copytree(image, to, symlinks=True, ignore=ignored, copy_function=_link)


def _link(source: str, to: str) -> None:
    Path(to).hardlink_to(source)


def _split(phones: list[Phone], first: int, second: int) -> tuple[list[Phone], ...]:
    return phones[:first], phones[first : first + second], phones[first + second :]
