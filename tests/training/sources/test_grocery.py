"""The Grocery Store Dataset: its layout, and fetching it from a server of our own."""

import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.config import DataSettings
from training.errors import DataError, StorageError
from training.files import exclusive_lock
from training.sources.data import check_source, open_source
from training.sources.grocery import named_photos, open_grocery
from training.sources.grocery_download import (
    GROCERY,
    Archive,
    cache_folder,
    content_digest,
    fetch_grocery,
)

CLASSES = (
    "Class Name (str),Class ID (int),Coarse Class Name (str),Coarse Class ID (int)\n"
    "Golden-Delicious,0,Apple,0\nGranny-Smith,1,Apple,0\nAnjou,2,Pear,1\n"
)
HEADER = CLASSES.splitlines()[0].encode() + b"\n"
PREFIX = "GroceryStoreDataset-0123abc/"


def make_photo(red: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (12, 12), (red, 90, 20)).save(buffer, "JPEG")
    return buffer.getvalue()


def dataset_files() -> dict[str, bytes]:
    return {
        "classes.csv": CLASSES.encode(),
        "train.txt": b"train/A/1.jpg, 0, 0\ntrain/G/1.jpg, 1, 0\ntrain/P/1.jpg, 2, 1\n",
        "val.txt": b"val/A/1.jpg, 0, 0\n",
        "train/A/1.jpg": make_photo(10),
        "train/G/1.jpg": make_photo(60),
        "train/P/1.jpg": make_photo(110),
        "val/A/1.jpg": make_photo(160),
    }


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_files(tmp_path / "repo" / "dataset", dataset_files())


@pytest.mark.parametrize("part", ["dataset", ""])
def test_the_lists_give_classes_and_photos(dataset: Path, part: str) -> None:
    source = open_grocery(dataset.parent / part)
    assert source.labels.names == ("Golden-Delicious", "Granny-Smith", "Anjou")
    assert [(photo.name, photo.class_index) for photo in source.train] == [
        ("train/A/1.jpg", 0),
        ("train/G/1.jpg", 1),
        ("train/P/1.jpg", 2),
    ]
    assert [photo.name for photo in source.validation] == ["val/A/1.jpg"]
    assert source.hierarchy is not None
    assert source.hierarchy.coarse.names == ("Apple", "Pear")
    assert source.hierarchy.parents == (0, 0, 1)
    assert source.licence.startswith("MIT")
    notes = {problem.kind: problem for problem in check_source(source)}
    assert {note.severity for note in notes.values()} == {"note"}
    assert "Granny-Smith, Anjou" in notes["no validation photos"].message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train.txt", b"train/A/1.jpg\n", r"train\.txt, line 1: .* is not 'path, class"),
        ("train.txt", b"train/A/1.jpg, x, 0\n", "line 1"),
        ("train.txt", b"\ntrain/A/9.jpg, 0, 0\n", r"train/A/9\.jpg is not there"),
        ("train.txt", b"train/A/1.jpg, 3, 0\n", r"has class 3; classes\.csv has 0 to 2"),
        ("train.txt", b"../../x.jpg, 0, 0\n", "leads out of the dataset"),
        ("train.txt", b"/etc/passwd, 0, 0\n", "leads out of the dataset"),
        ("train.txt", b"train/A/1.jpg, 0, 0\ntrain/A/1.jpg, 1, 0\n", "line 2: .* earlier line"),
        ("train.txt", b"\xff\xfe", r"cannot read .*train\.txt"),
        ("val.txt", b"", r"val\.txt names no photos"),
        ("classes.csv", b"name,id\nApple,0\n", r"classes\.csv, line 1: no column Class Name"),
        ("train.txt", b"train/A/1.jpg, 0, 1\n", "coarse class 1; classes.csv puts .* under 0"),
        ("classes.csv", b"Class Name (str),Class ID (int)\nA,0\n", "no column Coarse Class Name"),
        ("classes.csv", HEADER + b"A,0,P,0\nB,2,P,0\n", "line 3: class ID is '2'"),
        ("classes.csv", HEADER + b"A,0,P,0\nB,1,P,x\n", "line 3: coarse class ID is 'x'"),
        ("classes.csv", HEADER + b"A,0,P,0\nB,1,Q,0\n", "line 3: coarse class 0 is 'Q' here"),
        ("classes.csv", HEADER + b"A,0,P,0\nB,1,Q,2\n", "coarse class 2 is not there"),
        ("classes.csv", HEADER + b"A,0,P,0\n", "at least 2 classes"),
    ],
)
def test_a_malformed_list_is_named(dataset: Path, name: str, content: bytes, words: str) -> None:
    (dataset / name).write_bytes(content)
    with pytest.raises(DataError, match=words):
        open_grocery(dataset)


@pytest.mark.parametrize("name", ["classes.csv", "val.txt", "train.txt"])
def test_a_missing_list_is_named(dataset: Path, name: str) -> None:
    (dataset / name).unlink()
    with pytest.raises(DataError, match=name):
        open_grocery(dataset)


@given(st.text())
def test_any_list_raises_nothing_but_data_error(text: str) -> None:
    try:
        names = [photo.path for photo in named_photos(text, "list")]
    except DataError:
        return
    root = Path("/photos")
    assert all((root / name).resolve().is_relative_to(root) for name in names)


# Fetching, from a server that runs here.


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address under which its files are served."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}/a.zip"
    server.shutdown()
    thread.join()
    server.server_close()


def pack(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return buffer.getvalue()


def repository_files() -> dict[str, bytes]:
    files = {f"{PREFIX}dataset/{name}": data for name, data in dataset_files().items()}
    files[f"{PREFIX}README.md"] = b"read me"
    files[f"{PREFIX}dataset/test.txt"] = b"test/A/1.jpg, 0, 0\n"
    files[f"{PREFIX}dataset/test/A/1.jpg"] = make_photo(200)
    return files


@pytest.fixture
def archive(site: tuple[Path, str], dataset: Path) -> Archive:
    folder, url = site
    (folder / "a.zip").write_bytes(pack(repository_files()))
    return Archive(url, content_digest(dataset), "grocery-test")


def left_in(cache: Path) -> list[str]:
    return [path.name for path in cache.iterdir() if not path.name.endswith(".lock")]


def test_what_is_fetched_is_the_named_files_alone(archive: Archive, tmp_path: Path) -> None:
    sizes: list[int] = []
    folder = fetch_grocery(archive, tmp_path / "cache", sizes.append)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == set(dataset_files())
    assert sum(sizes) == len(pack(repository_files()))
    assert len(open_grocery(folder).train) == 3


def test_the_second_time_nothing_is_fetched(
    archive: Archive, site: tuple[Path, str], tmp_path: Path
) -> None:
    first = fetch_grocery(archive, tmp_path / "cache")
    (site[0] / "a.zip").unlink()
    assert fetch_grocery(archive, tmp_path / "cache") == first


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.pop(f"{PREFIX}dataset/val/A/1.jpg"), "not the dataset's archive"),
        (
            lambda files: files.pop(f"{PREFIX}dataset/train.txt"),
            r"must hold one dataset/train\.txt",
        ),
        (lambda files: files.update({"x/dataset/train.txt": b""}), "must hold one"),
        (
            lambda files: files.update({f"{PREFIX}dataset/train/A/1.jpg": make_photo(30)}),
            "does not hold the photos that were pinned: content digest",
        ),
        (
            lambda files: files.update({f"{PREFIX}dataset/val.txt": b"../../up.jpg, 0, 0\n"}),
            "leads out of the dataset",
        ),
        (
            lambda files: files.update({f"{PREFIX}dataset/val.txt": b"\xff\xff"}),
            "not the dataset's archive",
        ),
        (
            lambda files: files.update({f"{PREFIX}dataset/val.txt": bytes(11_000_000)}),
            "allowed are 10000000",
        ),
    ],
)
def test_another_content_is_refused_and_leaves_nothing(
    archive: Archive,
    site: tuple[Path, str],
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], object],
    words: str,
) -> None:
    files = repository_files()
    change(files)
    (site[0] / "a.zip").write_bytes(pack(files))
    with pytest.raises(DataError, match=words):
        fetch_grocery(archive, tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


def test_a_path_that_climbs_out_of_the_archive_is_refused(
    archive: Archive, site: tuple[Path, str], tmp_path: Path
) -> None:
    files = {f"../../{name}": data for name, data in repository_files().items()}
    (site[0] / "a.zip").write_bytes(pack(files))
    with pytest.raises(DataError, match="must hold one"):
        fetch_grocery(archive, tmp_path / "cache")


@pytest.mark.parametrize("cut", [0, 1, 500])
def test_a_cut_or_foreign_file_is_refused(
    archive: Archive, site: tuple[Path, str], tmp_path: Path, cut: int
) -> None:
    (site[0] / "a.zip").write_bytes(pack(repository_files())[:cut])
    with pytest.raises(DataError, match="not the dataset's archive"):
        fetch_grocery(archive, tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


def test_a_damaged_member_is_refused(
    archive: Archive, site: tuple[Path, str], tmp_path: Path
) -> None:
    data = bytearray(pack(repository_files()))
    start = data.index(b"train/A/1.jpg", data.index(b"train/A/1.jpg") + 20)
    data[start + 40 : start + 60] = bytes(20)
    (site[0] / "a.zip").write_bytes(data)
    with pytest.raises(DataError):
        fetch_grocery(archive, tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_archive_bytes": 1000}, "sends more than 1000 bytes"),
        ({"max_content_bytes": 1000}, "allowed are 1000"),
    ],
)
def test_the_caps_on_size_hold(
    archive: Archive, tmp_path: Path, limits: dict[str, int], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        fetch_grocery(replace(archive, **limits), tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


def test_a_missing_archive_and_a_silent_server_are_named(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="answers 404"):
        fetch_grocery(replace(archive, url=f"{archive.url}x"), tmp_path / "cache")
    # Port 9 is the discard service's: nobody listens.
    with pytest.raises(DataError, match=r"cannot fetch .* Without a network, name a copy"):
        fetch_grocery(replace(archive, url="http://127.0.0.1:9/a.zip"), tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []


def test_an_answer_that_breaks_off_is_named(tmp_path: Path) -> None:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b"PK" * 100)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        archive = Archive(f"http://127.0.0.1:{server.server_port}/a.zip", "0" * 64, "broken")
        with pytest.raises(DataError, match="broke off at 200 of 5000 bytes"):
            fetch_grocery(archive, tmp_path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_interrupted_download_starts_afresh(
    archive: Archive, site: tuple[Path, str], tmp_path: Path
) -> None:
    whole = (site[0] / "a.zip").read_bytes()

    def pull_the_plug(size_bytes: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_grocery(archive, tmp_path / "cache", pull_the_plug)
    (site[0] / "a.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not the dataset's archive"):
        fetch_grocery(archive, tmp_path / "cache")
    assert left_in(tmp_path / "cache") == []
    (site[0] / "a.zip").write_bytes(whole)
    assert len(open_grocery(fetch_grocery(archive, tmp_path / "cache")).train) == 3


def test_what_a_killed_download_left_is_cleared_away(archive: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    write_files(cache / ".grocery-test.new.dead", {"train.txt": b"half"})
    folder = fetch_grocery(archive, cache)
    assert left_in(cache) == [folder.name]


def test_two_downloads_at_once_do_not_mix(archive: Archive, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    with (
        exclusive_lock(cache / ".grocery-test.lock"),
        pytest.raises(StorageError, match="another process is writing"),
    ):
        fetch_grocery(archive, cache)


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GHOSTLENS_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("GHOSTLENS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "ghostlens"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == tmp_path / ".cache" / "ghostlens"


# The real photos, where this machine has them.


def test_the_real_photos_are_the_ones_that_are_pinned(grocery_folder: Path) -> None:
    assert content_digest(grocery_folder) == GROCERY.content_sha256


def test_the_real_photos_pass_the_check_with_one_note(grocery_folder: Path) -> None:
    source = open_source(DataSettings(source="grocery", path=str(grocery_folder)))
    assert (len(source.train), len(source.validation), len(source.labels)) == (2640, 296, 81)
    assert source.hierarchy is not None
    assert len(source.hierarchy.coarse) == 43
    (note,) = check_source(source)
    assert note.severity == "note"
    assert "21 of 81 classes have no validation photo" in note.message
