"""The page that a person reads: complete, by itself, the same each time, and not to be tricked."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conversion.artifact import GoldenPhoto
from conversion.benchmark.result import Benchmark, Entry, Ratio, Timing
from conversion.errors import ArtifactError
from conversion.parity.check import Options, run_parity
from conversion.parity.files import read_findings
from conversion.parity.flips import MAX_PHOTOS, choose_flips, read_flips, to_thumbnail
from conversion.parity.gate import Gate
from conversion.parity.statistics import Flip, compare
from conversion.report.html_charts import Point, draw_scatter, nice_ticks
from conversion.report.html_data import Material, gather
from conversion.report.html_report import render, write_report
from conversion.report.html_words import explain
from tests.conftest import ROOT, run_command, run_here
from tests.conversion import damage
from tests.conversion.parity.test_report import make_report
from tests.conversion.parity.test_statistics import draw_case
from training.files import write_sums
from training.labels import LabelSet

KEPT = ("executorch-fp32", "executorch-vulkan-fp16", "litert-fp32", "litert-int8", "coreml-fp16")
EVIL = "<script>alert('x')</script>"


def silent(_line: str) -> None:
    pass


@pytest.fixture(scope="module")
def reported(build_folder: Path, checkpoint, tmp_path_factory) -> Path:
    """A build of a few variants after parity."""
    copy = tmp_path_factory.mktemp("reported") / "build"
    shutil.copytree(build_folder, copy)
    damage.keep_variants(copy, *KEPT)
    run_parity(copy, checkpoint, Options(), silent)
    return copy


@pytest.fixture(scope="module")
def material(reported: Path) -> Material:
    return gather(reported)


@pytest.fixture(scope="module")
def page(reported: Path) -> str:
    return (reported / "report" / "report.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Lists elements with attributes, and checks that they are closed in order."""

    VOID = frozenset({"meta", "img", "br", "line", "rect", "circle", "polyline", "polygon"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == [], "something is not closed"

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


def make_benchmark(material: Material, **changes) -> Benchmark:
    one = Ratio(1.0, 1.0, 1.0)
    timings = tuple(
        Timing(threads, 10, 2.0, 3.0, 1.5, 4.0, 5.0, 10**7, 10**6, one, None) for threads in (1, 2)
    )
    entries = [
        Entry(name, name, "yardstick", "", 10, 0.0, timings) for name in ("eager", "onnx-runtime")
    ]
    for finding in material.findings:
        artifact = finding.artifact
        here = artifact.runtime != "coreml" and artifact.variant.executed_here
        entries.append(
            Entry(
                artifact.file_name,
                "a title",
                "artifact",
                artifact.sha256,
                10,
                0.0 if here else None,
                timings if here else (),
                "" if here else "Core ML runs on Apple devices only",
            )
        )
    machine = {
        "processor": "A Processor",
        "cores": 2,
        "system": "Linux",
        "busy_with_others": 0.5,
    }
    method = {"waiting_threads": "sleep"}
    build = material.build
    value = Benchmark(
        build.model,
        build.version,
        build.checkpoint_sha256,
        64,
        machine,
        method,
        {"onnxruntime": "1.0"},
        tuple(entries),
    )
    return replace(value, **changes)


def write_benchmark(folder: Path, benchmark: Benchmark) -> None:
    folder.mkdir()
    (folder / "benchmark.json").write_text(json.dumps(benchmark.to_json()))
    write_sums(folder)


def test_every_artifact_is_told_with_its_verdict_and_why(page, material):
    text = re.sub(r"\s+", " ", "".join(Elements(page).words))
    for finding in material.findings:
        assert finding.artifact.file_name in text
        assert finding.artifact.sha256 in text
        assert explain(finding.report) in text
        for reason in finding.report.reasons():
            assert reason[1:] in text
    assert f"of {len(KEPT)} files may be released" in text
    assert "for phones only, not checked on this machine" in text


def test_the_page_loads_nothing_and_runs_nothing(page):
    elements = Elements(page)
    assert not {name for name, _ in elements.found} & {"script", "link", "iframe", "object", "form"}
    for _, attributes in elements.found:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:image/jpeg;base64,"))
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search(r"https?://", page)


def test_the_page_can_be_read_without_seeing_it(page):
    elements = Elements(page)
    assert elements.all("html")[0]["lang"] == "en"
    assert all(image["alt"] for image in elements.all("img"))
    assert all(picture["aria-label"] for picture in elements.all("svg"))
    assert all(cell["scope"] in ("col", "row") for cell in elements.all("th"))
    assert len(elements.all("h1")) == len(elements.all("main")) == 1
    identities = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(set(identities)) == len(identities)
    targets = {link["href"][1:] for link in elements.all("a")}
    assert targets <= set(identities)


def test_colours_of_text_are_told_apart_by_weak_eyes():
    """WCAG 2.2, success criterion 1.4.3: a contrast of at least 4.5 to 1."""
    style = ROOT / "conversion" / "templates" / "_style.html"
    rules = re.findall(r"\.(\w+) \{ color: (#\w+); background: (#\w+);", style.read_text())
    assert {name for name, _, _ in rules} == {"passed", "failed", "inconclusive", "not"}
    for name, text, ground in [*rules, ("soft", "#555", "#fff"), ("body", "#1c1c1c", "#fff")]:
        light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, name


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    values = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_flipped_photos_are_shown_with_both_answers(page, material, reported):
    flips = {f.photo: f for e in material.findings if e.statistics for f in e.statistics.flips}
    assert flips, "int8 of a small network changes some answers"
    assert set(material.flips) == set(flips)
    text = re.sub(r"\s+", " ", "".join(Elements(page).words))
    for flip in flips.values():
        assert f"Shows {flip.truth}" in text
        assert f"Trained model: {flip.reference} (" in text
        assert flip.photo in text
    pictures = [image["src"] for image in Elements(page).all("img")]
    assert len(pictures) == len(flips) + len(material.golden)
    assert len(set(pictures)) > len(flips) / 2
    for file in material.flips.values():
        assert (reported / "parity" / file).read_bytes().startswith(b"\xff\xd8")


def test_json_holds_all_figures_and_the_verdicts(reported, material):
    value = json.loads((reported / "report" / "report.json").read_text())
    assert [entry["verdict"] for entry in value["artifacts"]] == [
        finding.report.verdict for finding in material.findings
    ]
    for entry, finding in zip(value["artifacts"], material.findings, strict=True):
        assert entry["report"] == json.loads(json.dumps(finding.report.to_json()))
        assert (entry["statistics"] is None) == (finding.statistics is None)
        assert entry["structure"]["weight_bits"] >= 0
    assert value["build"]["labels"] == list(material.build.labels.names)
    assert value["benchmark"] is None


def test_the_same_build_gives_the_same_bytes(reported, material):
    before = digest(reported / "report")
    write_report(reported)
    assert digest(reported / "report") == before
    assert render(material, reported) == render(gather(reported), reported)


def digest(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_times_come_from_the_benchmark_and_are_marked(reported, material, tmp_path):
    copy = tmp_path / "build"
    shutil.copytree(reported, copy)
    write_benchmark(copy / "benchmark", make_benchmark(material))
    done = run_command("conversion", "report", copy)
    assert done.returncode == 0, done.stderr
    page = (copy / "report" / "report.html").read_text()
    text = re.sub(r"\s+", " ", "".join(Elements(page).words))
    assert "measured on A Processor, 2 cores" in text
    assert "Other processes took 50% of the processor time meanwhile" in text
    assert "median 3.00 ms" not in text
    assert "median 2.00 ms, p90 3.00 ms" in text
    assert "Core ML runs on Apple devices only" in text
    assert "onnxruntime" in text


def test_times_of_other_files_are_left_out(reported, material, tmp_path):
    copy = tmp_path / "build"
    shutil.copytree(reported, copy)
    other = make_benchmark(material, checkpoint_sha256="0" * 64)
    write_benchmark(copy / "benchmark", other)
    write_report(copy)
    page = (copy / "report" / "report.html").read_text()
    assert "is of other files, and is left out" in page
    assert "A Processor" not in page


def test_names_of_labels_and_photos_cannot_become_markup(reported, material):
    names = (EVIL, *material.build.labels.names[1:])
    flip = Flip(f'{EVIL}"onerror="x', "lost", EVIL, EVIL, 0.9, f"{EVIL}2", 0.8)
    findings = tuple(
        replace(
            finding,
            statistics=finding.statistics and replace(finding.statistics, flips=(flip,)),
            report=replace(finding.report, source=EVIL, failure=finding.report.failure and EVIL),
        )
        for finding in material.findings
    )
    file = next(iter(material.flips.values()))
    golden = [
        GoldenPhoto(entry.file, EVIL, f"{EVIL}'\"", entry.sha256, entry.answers, {})
        for entry in material.golden
    ]
    evil = replace(
        material,
        build=replace(material.build, labels=LabelSet(names), photos_licence=EVIL),
        findings=findings,
        golden=tuple(golden),
        flips={flip.photo: file},
    )
    page = render(evil, reported)
    assert "<script" not in page.lower()
    elements = Elements(page)
    assert not elements.all("script")
    assert "onerror" not in {name for _, attributes in elements.found for name in attributes}
    assert "".join(elements.words).count(EVIL) > 5, "it is shown, as words"


def test_names_cannot_become_markup_in_pictures():
    point = Point(EVIL, "litert", 1, 50, 40, 60, True)
    assert "<script" not in str(draw_scatter([point], EVIL, EVIL, 50, EVIL))


def test_labels_in_a_picture_do_not_lie_on_each_other():
    points = [Point(f"artifact {n}", "litert", 5 + n / 50, 50, 45, 55, True) for n in range(10)]
    picture = str(draw_scatter(points, "title", "MB", 50, "trained"))
    places = re.findall(r'<text x="([\d.]+)" y="([\d.]+)"[^>]*>artifact', picture)
    boxes = [(float(x), float(y)) for x, y in places]
    assert len(boxes) == 10
    for number, (x, y) in enumerate(boxes):
        for other_x, other_y in boxes[:number]:
            assert abs(y - other_y) >= 12 or abs(x - other_x) >= 50


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-4.5, 4.5), (88.1, 88.9), (0, 12345)])
def test_ticks_are_round_and_inside(low, high):
    ticks = nice_ticks(low, high)
    assert 3 <= len(ticks) <= 8
    assert low - 1e-9 <= min(ticks)
    assert max(ticks) <= high + 1e-9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "as often as the trained model"),
        ({"loss_high": 0.004, "loss_low": -0.001}, "At worst it gets 0.40 more photos"),
        ({"loss_high": 0.02, "loss_low": -0.001}, "may be up to 2.00 photos in 100 worse"),
        ({"failure": "x", "photos": 0}, "could not be run"),
        ({"structure_faults": ("x",)}, "not what its name promises"),
        ({"labels_match": False}, "not what its name promises"),
        ({"executed": False, "failure": "x"}, "needs a phone's own hardware"),
        ({"max_probability_difference": 0.9}, "differ from the trained model's by more"),
    ],
)
def test_reasons_are_told_in_plain_words(changes, words):
    base = make_report()
    report = replace(base, **{"loss_low": 0.0, "loss_high": 0.0} | changes)
    assert words in explain(report)


def test_lost_photos_are_shown_before_others_and_not_too_many():
    photos, reference, own = draw_case(0, 400, noise=4.0)
    statistics = compare("a", photos, reference, own, Gate())
    chosen = choose_flips([statistics])
    assert len(chosen) == MAX_PHOTOS
    kinds = {flip.photo: flip.kind for flip in statistics.flips}
    order = ["lost", "won", "other"]
    places = [order.index(kinds[name]) for name in chosen]
    assert places == sorted(places)


def test_thumbnails_are_small_upright_and_say_nothing_of_the_camera(tmp_path):
    image = __import__("PIL.Image").Image.new("RGB", (400, 200), "red")
    exif = image.getexif()
    exif[0x0112], exif[0x010F] = 6, "a camera"  # turned by 90 degrees; its maker
    image.save(tmp_path / "photo.jpg", exif=exif)
    data = to_thumbnail((tmp_path / "photo.jpg").read_bytes(), "photo.jpg")
    assert b"a camera" not in data
    assert b"Exif" not in data
    (tmp_path / "small.jpg").write_bytes(data)
    with __import__("PIL.Image").Image.open(tmp_path / "small.jpg") as small:
        assert small.size == (80, 160)


def test_an_index_that_points_elsewhere_is_refused(reported, tmp_path):
    copy = tmp_path / "build"
    shutil.copytree(reported, copy)
    (copy / "parity" / "flips" / "flips.json").write_text('{"a": "flips/../../build.json"}')
    with pytest.raises(ArtifactError, match="allowed are files beside it"):
        read_flips(copy)


def test_without_parity_there_is_no_report(build_folder):
    done = run_here("conversion", "report", build_folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (build_folder / "report").exists()


def test_a_changed_parity_folder_is_not_reported(reported, tmp_path):
    copy = tmp_path / "build"
    shutil.copytree(reported, copy)
    path = next((copy / "parity").glob("*.tflite.json"))
    path.write_text(path.read_text().replace('"photos": 128', '"photos": 900'))
    before = digest(copy / "report")
    with pytest.raises(ArtifactError, match="changed after it was written"):
        write_report(copy)
    assert digest(copy / "report") == before


def test_findings_are_those_that_parity_left(reported, material):
    assert list(material.findings) == read_findings(reported, material.build)
