"""What the journal of SQLite costs, and PostgreSQL: reports a second of two processes.

    python docs/studies/database_choices.py [--folder FOLDER] [--seconds 4] [--rounds 3]

Each process stores reports as `POST …/reports` does, in a transaction of its own each, as fast as
it can. The folder must lie on the disk that is meant: a memory file system costs nothing. The
PostgreSQL server is one of the tests' kind, but with `fsync=on`, asked over a socket.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from serving.state.database import Database
from tests.serving import postgres_server

ROOT = Path(__file__).parents[2]
# Journal and synchronous; what the server takes of them is marked in the table.
SQLITE = (
    ("delete", "EXTRA", ""),
    ("truncate", "FULL", "taken where SQLite's log has the fault"),
    ("wal", "FULL", "taken elsewhere"),
    ("wal", "NORMAL", "may forget what it acknowledged"),
)
WRITER = """
import itertools, json, sys, time
from pathlib import Path
from unittest import mock
from serving.reports import Report, take_report
from serving.rollouts import Rollouts
from serving.state import on_sqlite
from serving.state.database import Database
from tests.serving.test_rollouts import NEW, at_share
place, name, seconds, journal, synchronous = json.loads(sys.argv[1])

def set_up(connection, _):
    connection.isolation_level = None
    connection.execute(f"PRAGMA journal_mode={journal}")
    connection.execute(f"PRAGMA synchronous={synchronous}")

mock.patch.object(on_sqlite, "_set_up", set_up).start()
mock.patch.object(on_sqlite, "_settle_journal", lambda path, wanted: journal).start()
database = Database(place if place.startswith("postgresql:") else Path(place))
rollouts, release, times_s = Rollouts(database), at_share(10_000), []
rollouts.restrain(release, "stable")
print("ready", flush=True)
sys.stdin.readline()
end_s = time.monotonic() + seconds
while (begun_s := time.monotonic()) < end_s:
    number = f"{name}-{len(times_s)}"
    take_report(database, rollouts, release, Report(number, number, NEW, "start", True, {"a": 1}))
    times_s.append(time.monotonic() - begun_s)
print(json.dumps(times_s))
"""


def measure(place: str, seconds: float, journal: str, synchronous: str) -> list[list[float]]:
    """Returns how long each report of two processes took, in seconds."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, json.dumps([place, n, seconds, journal, synchronous])],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return [json.loads(process.communicate()[0]) for process in processes]


def describe(name: str, runs: list[tuple[float, list[list[float]]]], words: str) -> str:
    """Returns a row of the table: the median run, and times over all runs."""
    rates = sorted(sum(map(len, both)) / seconds for seconds, both in runs)
    times_s = sorted(time_s for _, both in runs for one in both for time_s in one)
    shares = [max(map(len, both)) / max(1, sum(map(len, both))) for _, both in runs]
    p50, p99 = times_s[len(times_s) // 2], times_s[int(len(times_s) * 0.99)]
    return (
        f"| {name} | {statistics.median(rates):.0f} ({rates[0]:.0f} to {rates[-1]:.0f}) | "
        f"{1000 * p50:.0f} | {1000 * p99:.0f} | {1000 * times_s[-1]:.0f} | "
        f"{100 * statistics.median(shares):.0f} % | {words} |"
    )


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("out/database-study"))
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=given.folder)).resolve()
    folder.chmod(0o755)  # PostgreSQL may run as somebody else
    runs: dict[str, list[tuple[float, list[list[float]]]]] = {}
    words: dict[str, str] = {}
    settings = mock.patch.dict(postgres_server._SETTINGS, {"fsync": "on"})
    temporary = mock.patch.object(tempfile, "tempdir", str(folder))
    with settings, temporary, postgres_server.serve_postgres() as server:
        for number in range(given.rounds):
            for journal, synchronous, note in SQLITE:
                name = f"SQLite, {journal}, {synchronous}"
                place = str(folder / f"{number}-{journal}-{synchronous}")
                with Database(Path(place)).read():
                    pass
                both = measure(place, given.seconds, journal, synchronous)
                runs.setdefault(name, []).append((given.seconds, both))
                words[name] = note
            both = measure(server.make_database(), given.seconds, "", "")
            runs.setdefault("PostgreSQL", []).append((given.seconds, both))
            words["PostgreSQL"] = "one writer at a time, as on SQLite"
    print("| database | reports/s | p50, ms | p99, ms | longest, ms | of the busier process | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for name, found in runs.items():
        print(describe(name, found, words[name]))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
