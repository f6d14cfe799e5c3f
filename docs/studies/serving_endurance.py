"""Mixed load while workers are killed: `python -m docs.studies.serving_endurance REPOSITORY`.

Phones recognise, check, download, report and correct; Triton's kind of client sends pixels. Now and
then a worker gets SIGKILL or SIGTERM, through three quarters of the time; the rest shows whether
memory grows. Every answer is compared with the one that is known, and in the end every report and
correction that was acknowledged must stand in the database. Ends with an error where an answer was
wrong, something acknowledged is lost, or a status came that docs/serving.md does not name.
"""

import hashlib
import http.client
import json
import os
import random
import signal
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from sqlalchemy import select

from conversion.runners import LiteRtRunner
from docs.studies.serving_servers import list_processes, make_ours, running
from mobile_assets.manifest import Manifest
from mobile_assets.recognise import rank_answers
from serving.corrections.tables import corrections
from serving.inference.choosing import choose_artifact
from serving.inference.photos import read_photo
from serving.state.database import Database
from serving.state.tables import reports
from serving.storage import Storage

CLIENTS_A_KIND = 2
KILLED_SHARE = 0.75
KILL_EVERY_S = (2.0, 8.0)
SAMPLE_S = 2.0
WARM_S = 20.0  # a worker's memory is compared from this age on
LENGTH = "Inference-Header-Content-Length"


@dataclass
class Known:
    """What is right."""

    manifest: Manifest
    photos: list[bytes]
    pixels: list[bytes]
    answers: list[dict[str, Any]]
    rows: list[np.ndarray]
    sha256: dict[str, str]  # of files, by their address
    artifact_sha256: str


@dataclass
class Tally:
    """What came."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    reports: set[str] = field(default_factory=set)
    corrections: set[str] = field(default_factory=set)
    memory: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, status: object) -> None:
        """Counts an answer."""
        with self.lock:
            self.counts[f"{kind} {status}"] += 1

    def check(self, holds: bool, words: str) -> None:
        """Notes what is wrong."""
        if not holds:
            with self.lock:
                self.wrong.append(words)


def learn(repository: Path) -> Known:
    """Computes the right answers, past the server."""
    storage = Storage(repository)
    model, release = next(iter(storage.catalogue.releases.items()))
    manifest = storage.read_manifest(model, release.current)
    artifact = choose_artifact(manifest)

    def read(path: str) -> bytes:
        return storage.read_file(model, manifest.version, path)

    runner = LiteRtRunner(read(artifact.path))
    photos = [read(entry.file) for entry in manifest.fallback.golden]
    answers, rows, pixels = [], [], []
    for photo in photos:
        x_nhwc = read_photo(manifest.fallback.preprocess, photo)[np.newaxis]
        given = runner.answer(x_nhwc)
        found = rank_answers(manifest, artifact, given, 5)
        answers.append({"label": found.answers[0].label, "verdict": found.verdict})
        answers[-1]["probability"] = found.answers[0].probability
        rows.append(given.probabilities[0])
        pixels.append(x_nhwc.tobytes())
    sha256 = manifest.artifacts[0].file.sha256
    return Known(manifest, photos, pixels, answers, rows, {}, sha256)


Ask = Callable[..., tuple[int, bytes]]
Step = Callable[[Known, Tally, Ask, random.Random], None]


def recognise(known: Known, tally: Tally, ask: Ask, chance: random.Random) -> None:
    """Sends a photo."""
    index = chance.randrange(len(known.photos))
    path = f"/v1/models/{known.manifest.model}/recognise"
    status, body = ask("POST", path, known.photos[index], {"Content-Type": "image/jpeg"})
    tally.note("recognise", status)
    if status == 200:
        found, right = json.loads(body), known.answers[index]
        first = found["answers"][0]
        same = (first["label"], found["verdict"]) == (right["label"], right["verdict"])
        near = abs(first["probability"] - right["probability"]) < 1e-5
        tally.check(same and near, f"recognise: {first}, {found['verdict']} for {right}")


def infer(known: Known, tally: Tally, ask: Ask, chance: random.Random) -> None:
    """Sends pixels."""
    index = chance.randrange(len(known.pixels))
    side_px = known.manifest.fallback.preprocess.input_px
    parameters = {"binary_data_size": len(known.pixels[index])}
    shape = [1, side_px, side_px, 3]
    image = {"name": "image", "datatype": "UINT8", "shape": shape, "parameters": parameters}
    head = json.dumps({"inputs": [image]}).encode()
    headers = {LENGTH: str(len(head)), "Content-Type": "application/octet-stream"}
    path = f"/v2/models/{known.manifest.model}/infer"
    status, body = ask("POST", path, head + known.pixels[index], headers)
    tally.note("infer", status)
    if status == 200:
        outputs = {entry["name"]: entry["data"] for entry in json.loads(body)["outputs"]}
        near = np.abs(np.array(outputs["probabilities"]) - known.rows[index]).max() < 1e-5
        tally.check(bool(near), f"infer: other probabilities for photo {index}")


def check(known: Known, tally: Tally, ask: Ask, chance: random.Random) -> None:
    """Asks which version to run."""
    question = {"platform": "android", "device_id": f"phone-{chance.randrange(1000)}"}
    path = f"/v1/models/{known.manifest.model}/check"
    status, body = ask("POST", path, json.dumps(question).encode(), {})
    tally.note("check", status)
    if status == 200:
        tally.check(known.manifest.version in body.decode(), f"check: {body[:200]!r}")


def download(known: Known, tally: Tally, ask: Ask, chance: random.Random) -> None:
    """Downloads a file of the version."""
    url = chance.choice(sorted(known.sha256))
    status, body = ask("GET", url, None, {})
    tally.note("download", status)
    if status == 200:
        tally.check(hashlib.sha256(body).hexdigest() == known.sha256[url], f"download: {url}")


def report(known: Known, tally: Tally, ask: Ask, chance: random.Random) -> None:
    """Reports a self-test, as a phone does that tries again until it is heard."""
    own = str(uuid.uuid4())
    said = {
        "report_id": own,
        "device_id": f"phone-{chance.randrange(1000)}",
        "version": known.manifest.version,
        "artifact_sha256": known.artifact_sha256,
        "event": "self-test",
        "passed": True,
        "platform": "android",
    }
    path = f"/v1/models/{known.manifest.model}/reports"
    status, _ = ask("POST", path, json.dumps(said).encode(), {})
    tally.note("report", status)
    if status == 202:
        with tally.lock:
            tally.reports.add(own)


def correct(known: Known, tally: Tally, ask: Ask, chance: random.Random) -> None:
    """Corrects an answer, each with an Idempotency-Key of its own."""
    own = str(uuid.uuid4())
    label = chance.choice(known.manifest.labels.names)
    said = {
        "correction_id": own,
        "device_id": f"phone-{chance.randrange(1000)}",
        "scanned_at": "2026-11-30T12:00:00Z",
        "version": known.manifest.version,
        "answered": {"verdict": "unsure", "label": label, "probability": 0.4, "by": "device"},
        "right": {"kind": "label", "name": chance.choice(known.manifest.labels.names)},
    }
    path = f"/v1/models/{known.manifest.model}/corrections"
    status, _ = ask("POST", path, json.dumps(said).encode(), {"Idempotency-Key": f'"{own}"'})
    tally.note("correct", status)
    if status in (200, 201):
        with tally.lock:
            tally.corrections.add(own)


STEPS: tuple[tuple[Step, float], ...] = (
    (recognise, 0.0),
    (infer, 0.0),
    (check, 0.05),
    (download, 0.2),
    (report, 0.05),
    (correct, 0.05),
)


def act(
    step: Step, pause_s: float, number: int, address: str, known: Known, tally: Tally, end_s: float
) -> None:
    """Is one client: asks, waits, asks again, and connects anew where its worker was killed."""
    chance, lines = random.Random(f"{step.__name__}{number}"), []

    def ask(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        if not lines:
            lines.append(http.client.HTTPConnection(address, timeout=60))
        given = {"Content-Type": "application/json", **headers}
        lines[0].request(method, path, body, given)
        response = lines[0].getresponse()
        return response.status, response.read()

    while time.monotonic() < end_s:
        try:
            step(known, tally, ask, chance)
        except (OSError, http.client.HTTPException) as error:
            tally.note(step.__name__, type(error).__name__)
            while lines:
                lines.pop().close()
            time.sleep(0.05)
        time.sleep(pause_s)


def kill(pid: int, tally: Tally, end_s: float) -> None:
    """Ends workers at random."""
    chance = random.Random(1)
    while time.monotonic() < end_s:
        time.sleep(chance.uniform(*KILL_EVERY_S))
        workers = [one for one in list_processes(pid) if one != pid]
        if workers:
            number = chance.choice([signal.SIGKILL, signal.SIGTERM])
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), number)
                tally.kills[number.name] += 1


def watch(pid: int, tally: Tally, end_s: float) -> None:
    """Notes the memory of each process over time."""
    page_mb = os.sysconf("SC_PAGE_SIZE") / 2**20
    while time.monotonic() < end_s:
        with suppress(OSError):
            for one in list_processes(pid):
                size_mb = int(Path(f"/proc/{one}/statm").read_text().split()[1]) * page_mb
                tally.memory.setdefault(one, []).append((time.monotonic(), size_mb))
        time.sleep(SAMPLE_S)


def list_files(address: str, known: Known) -> dict[str, str]:
    """Returns the SHA-256 of the version's files, by their addresses."""
    line = http.client.HTTPConnection(address, timeout=60)
    line.request("GET", f"/v1/models/{known.manifest.model}/versions/{known.manifest.version}")
    files = json.load(line.getresponse())["files"]
    return {entry["url"]: entry["sha256"] for entry in files}


@click.command()
@click.argument("repository", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--seconds", default=600.0, show_default=True)
def main(repository: Path, seconds: float) -> None:
    """Runs it against a server of its own, on the first model of a REPOSITORY."""
    known, tally = learn(repository), Tally()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        server = make_ours(repository.resolve(), state, known.manifest.model)
        with running(server, known.photos[0]) as found:
            known.sha256 = list_files(found.address, known)
            end_s = time.monotonic() + seconds
            threads = [
                threading.Thread(
                    target=act, args=(step, pause_s, number, found.address, known, tally, end_s)
                )
                for step, pause_s in STEPS
                for number in range(CLIENTS_A_KIND)
            ]
            killed_s = end_s - (1 - KILLED_SHARE) * seconds
            threads.append(threading.Thread(target=kill, args=(found.pid, tally, killed_s)))
            threads.append(threading.Thread(target=watch, args=(found.pid, tally, end_s)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        lost = find_lost(state, tally)
    tell(tally, lost, seconds)


def find_lost(state: Path, tally: Tally) -> list[str]:
    """Returns what was acknowledged and is not in the database."""
    database = Database(state)
    with database.read() as connection:
        kept_reports = set(connection.scalars(select(reports.c.report_id)))
        kept = set(connection.scalars(select(corrections.c.correction_id)))
    database.close()
    return sorted((tally.reports - kept_reports) | (tally.corrections - kept))


def tell(tally: Tally, lost: list[str], seconds: float) -> None:
    """Prints what came, and fails where it should not have."""
    click.echo(f"{seconds:.0f} s; killed: {dict(tally.kills)}")
    click.echo("\n| asked for, and what came | times |\n| --- | ---: |")
    for name, count in sorted(tally.counts.items()):
        click.echo(f"| {name} | {count} |")
    click.echo("\n| process | seconds | MB when warm | MB at the end | MB a minute |")
    click.echo("| --- " + "| ---: " * 4 + "|")
    for pid, samples in tally.memory.items():
        warm = [sample for sample in samples if sample[0] - samples[0][0] >= WARM_S]
        if len(warm) * SAMPLE_S < WARM_S:
            continue  # killed young
        times_s, sizes_mb = np.array(warm).T
        slope = 60 * np.polyfit(times_s, sizes_mb, 1)[0]
        click.echo(
            f"| {pid} | {times_s[-1] - samples[0][0]:.0f} | {sizes_mb[0]:.0f} "
            f"| {sizes_mb[-1]:.0f} | {slope:+.2f} |"
        )
    kept = len(tally.reports), len(tally.corrections)
    click.echo(f"\nacknowledged: {kept[0]} reports, {kept[1]} corrections; lost: {len(lost)}")
    click.echo(f"wrong answers: {len(tally.wrong)}")
    strange = [
        name
        for name in tally.counts
        if (status := name.split()[1]).isdigit() and int(status) >= 300 and status != "503"
    ]
    for words in [*tally.wrong[:5], *lost[:5], *strange]:
        click.echo(words, err=True)
    if tally.wrong or lost or strange:
        raise click.ClickException("not as it should be")


if __name__ == "__main__":
    main()
