"""The whole way in one command: what a newcomer sees first. Every step is a command to repeat."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from conversion.artifact import read_build, read_parity
from serving.errors import DemoError
from training.config import DataSettings
from training.files import write_atomic
from training.sources.data import open_source
from training.sources.synthetic import HIERARCHY, LABELS, NAMES_PATH

_MODEL, _VERSION = "demo", "1.0.0"
# One file a format and an int8 one: all twelve variants would take as long as the training.
_VARIANTS = ("executorch-fp32", "litert-fp32", "litert-int8", "coreml-fp16")
# The server runs LiteRT alone.
_CLOUD_VARIANTS = ("litert-fp32",)
_MARKER = ".made-by-the-demo"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0
_REQUEST_TIMEOUT_S = 30.0


def run_demo(out: Path, port: int, preset: str, cloud: str = "") -> None:
    """Trains, converts, checks, signs, publishes, pulls and recognises, and prints what came out.

    Args:
        out: the demo's own folder, made anew.
        port: where the server listens on loopback meanwhile.
        preset: the training preset or settings file.
        cloud: the same for a wider network that answers on the server and teaches the other one;
            empty for none.

    Raises:
        DemoError: the folder is not the demo's, a step failed, or the server did not start.
    """
    _make_folder(out)
    started_s = time.monotonic()
    bundle = out / f"{_MODEL}-{_VERSION}.bundle.zip"
    keys, repository = out / "keys", out / "repository"
    url = f"http://127.0.0.1:{port}"
    builds = _make_builds(out, preset, cloud)
    pair: tuple[str | Path, ...] = ("--cloud", builds[1]) if cloud else ()
    names = _choose_names(builds[0])
    _step("bundle", "mobile_assets", "bundle", builds[0], *pair, *names, "--out", bundle)
    _step("make keys", "mobile_assets", "keys", keys)
    publish = ("publish", bundle, "--repository", repository, "--keys", keys)
    _step("sign and publish", "serving", *publish)
    photo, truth = _write_photo(out)
    with _serve(repository, port, out / "server.log"):
        pull = ("pull", _MODEL, "--url", url, "--root", keys / "root.json")
        phone = ("--platform", "android", "--out", out / "phone")
        _step("pull as a phone", "mobile_assets", *pull, *phone)
        _step(
            "recognise on the device", "mobile_assets", "recognise", out / "phone" / _MODEL, photo
        )
        answer = _ask_cloud(url, photo)
    _print_summary(builds, answer, truth, time.monotonic() - started_s)
    _print_pages(out, url)


def _make_builds(out: Path, preset: str, cloud: str) -> list[Path]:
    """Trains and converts the network for devices; before it the cloud's, which then teaches it."""
    if not cloud:
        return [_make_build(out, "", preset, _VARIANTS)]
    server = _make_build(out, "-cloud", cloud, _CLOUD_VARIANTS)
    teacher = f"distill.teacher={out / 'checkpoint-cloud'}"
    return [_make_build(out, "", preset, _VARIANTS, "--set", teacher), server]


def _choose_names(build_dir: Path) -> tuple[str | Path, ...]:
    """The built-in photos come with names in Chinese; a preset of other photos has none here."""
    build = read_build(build_dir)
    is_built_in = build.labels == LABELS and build.hierarchy == HIERARCHY
    return ("--names", NAMES_PATH) if is_built_in else ()


def _make_build(
    out: Path, suffix: str, preset: str, variants: tuple[str, ...], *settings: str
) -> Path:
    checkpoint, model = out / f"checkpoint{suffix}", f"{_MODEL}{suffix}"
    build = out / "build" / f"{model}-{_VERSION}"
    whose = " the cloud model" if suffix else ""
    _step(f"train{whose}", "training", "fit", "--config", preset, *settings, "--out", checkpoint)
    wanted = [part for key in variants for part in ("--variant", key)]
    convert = ("convert", checkpoint, "--model", model, "--version", _VERSION, "--out", build)
    _step(f"convert{whose}", "conversion", *convert, *wanted)
    parity = ("parity", build, "--checkpoint", checkpoint, "--no-cross-check")
    # 1 says that some artifact did not pass: the bundle leaves those out, or refuses.
    _step(f"check parity{' of' if whose else ''}{whose}", "conversion", *parity, allowed=(0, 1))
    return build


def _make_folder(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / _MARKER).exists():
        raise DemoError(f"{out} holds something that the demo did not make; give another --out")
    shutil.rmtree(out, ignore_errors=True)
    write_atomic(out / _MARKER, "")


def _step(title: str, module: str, *arguments: str | Path, allowed: tuple[int, ...] = (0,)) -> None:
    """Runs one of our commands, shown as a user would type it."""
    command = ["-m", module, *map(str, arguments)]
    click.secho(f"\n== {title}", bold=True)
    click.echo(f"$ python {' '.join(command)}")
    started_s, used_before_s = time.monotonic(), _measure_cpu_s()
    done = subprocess.run([sys.executable, *command], check=False)
    if done.returncode not in allowed:
        raise DemoError(f"the step {title!r} failed with exit code {done.returncode}")
    used_s = _measure_cpu_s() - used_before_s
    click.echo(f"({time.monotonic() - started_s:.1f} s, {used_s:.1f} s of CPU)")


def _measure_cpu_s() -> float:
    """Returns the CPU time of all steps that ended."""
    times = os.times()
    return times.children_user + times.children_system


def _write_photo(out: Path) -> tuple[Path, str]:
    """Writes a photo that the model has not seen: one of another seed than its own photos."""
    source = open_source(DataSettings(seed=20_251, train_per_class=1, validation_per_class=1))
    photo = source.validation[0]
    path = out / "photo.jpg"
    write_atomic(path, photo.read())
    return path, source.labels.names[photo.class_index]


@contextmanager
def _serve(repository: Path, port: int, log: Path) -> Iterator[None]:
    """Runs a real server process until the block ends, and stops it as an operator does."""
    click.secho("\n== start the server", bold=True)
    command = ["-m", "serving", "run", "--repository", str(repository), "--port", str(port)]
    click.echo(f"$ python {' '.join(command)}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait_until_ready(process, port, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST_TIMEOUT_S)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    raise DemoError(f"the server did not start on port {port}; its last words:\n{_tail(log)}")


def _tail(log: Path, lines: int = 10) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _ask_cloud(url: str, photo: Path) -> dict[str, Any]:
    target = f"{url}/v1/models/{_MODEL}/recognise?top_k=3"
    click.secho("\n== recognise through the cloud fallback", bold=True)
    click.echo(f"$ curl --data-binary @{photo} -H 'Content-Type: image/jpeg' '{target}'")
    request = urllib.request.Request(
        target, photo.read_bytes(), {"Content-Type": "image/jpeg"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_REQUEST_TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise DemoError(f"the server answered {error.code}: {error.read().decode()}") from error
    for entry in answer["answers"]:
        click.echo(f"{100 * entry['probability']:5.1f} %  {entry['label']}")
    return answer


def _print_summary(builds: list[Path], answer: dict[str, Any], truth: str, took_s: float) -> None:
    click.secho("\n== summary", bold=True)
    click.echo(
        f"{'artifact':40} {'MB':>6} {'top-1':>7} {'agrees':>8} {'largest diff':>13}  verdict"
    )
    for build in builds:
        reports = read_parity(build)
        for artifact in read_build(build).artifacts:
            report = reports[artifact.file_name]
            click.echo(
                f"{artifact.file_name:40} {artifact.size_bytes / 1e6:6.2f} "
                f"{100 * report.artifact_top1:6.1f}% {100 * report.agreement:7.2f}% "
                f"{report.max_probability_difference:13.1e}  "
                f"{report.verdict} ({report.evaluator})"
            )
    first = answer["answers"][0]
    click.echo(
        f"the photo shows {truth}; the cloud fallback says {first['label']} "
        f"({100 * first['probability']:.0f} %: {answer['words']}; by the "
        f"{answer['answered_by']} model, {answer['architecture']})"
    )
    click.echo(f"the whole way took {took_s:.0f} s")


def _print_pages(out: Path, url: str) -> None:
    click.secho("\n== where to look next", bold=True)
    for place, words in (
        ("make serve", f"serves what was published: {url}/ and the API at {url}/docs"),
        (out / "checkpoint" / "README.md", "the model card; learning_curve.png, confusion.png"),
        (out / "build" / f"{_MODEL}-{_VERSION}" / "report" / "report.html", "the release report"),
        (out / "phone" / _MODEL, "what a phone holds after the pull"),
    ):
        click.echo(f"{place!s:45} {words}")
