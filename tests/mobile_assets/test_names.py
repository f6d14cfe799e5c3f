"""Names in other languages: the owner's table, files in a bundle, what a phone shows."""

import json
import unicodedata
from pathlib import Path

import pytest

from mobile_assets.archive import pack
from mobile_assets.bundle import Bundle, open_bundle, write_bundle
from mobile_assets.client import BundleClient
from mobile_assets.errors import BundleError, ManifestError
from mobile_assets.names import list_named, names_bytes, read_table
from tests.mobile_assets.builds import MODEL
from tests.mobile_assets.repositories import Repository
from training.files import sha256_bytes
from training.hierarchy import Hierarchy
from training.labels import LabelSet
from training.sources import synthetic

NAMED = ("red", "green", "blue")
TABLE = "label,zh-Hans,de\nred,红色,Rot\nblue,蓝色,\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "names.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path


@pytest.fixture
def named_bundle(build_dir: Path, table: Path, tmp_path: Path) -> Bundle:
    return open_bundle(write_bundle(build_dir, tmp_path / "named.zip", names=table))


def test_a_table_gives_each_language_the_names_that_it_has(table: Path) -> None:
    found = read_table(table, NAMED)
    assert found == {"zh-Hans": {"red": "红色", "blue": "蓝色"}, "de": {"red": "Rot"}}


def test_a_table_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """Byte order mark, CRLF, empty lines, spaces, tags in any case, columns in any order."""
    path = tmp_path / "names.csv"
    path.write_bytes('\ufeffZH-hans, label ,pt-br\r\n\r\n" 红 ",red,\r\n,,\r\n'.encode())
    assert read_table(path, NAMED) == {"zh-Hans": {"red": "红"}, "pt-BR": {}}


def test_labels_are_found_whatever_way_their_accents_are_written(tmp_path: Path) -> None:
    label = unicodedata.normalize("NFD", "piña")
    path = tmp_path / "names.csv"
    path.write_text("label,en\npiña,pineapple\n", encoding="utf-8")
    assert read_table(path, (label, "red")) == {"en": {label: "pineapple"}}


def test_coarse_classes_have_names_beside_labels() -> None:
    hierarchy = Hierarchy(LabelSet(("red", "cold")), (0, 1, 1))
    assert list_named(LabelSet(NAMED), hierarchy) == ("red", "green", "blue", "cold")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("name,de\nred,Rot\n", "line 1: there must be one column label"),
        ("label,label,de\n", "line 1: there must be one column label"),
        ("label\nred\n", "line 1: there is no column of a language"),
        ("label,de,german\n", "line 1: 'german' is no language"),
        ("label,zh_CN\n", "line 1: 'zh_CN' is no language"),
        ("label,\n", "line 1: '' is no language"),
        ("label,de,DE\n", "line 1: the language de has two columns"),
        ("label,de\nred,Rot\npink,Rosa\n", "line 3: no label or coarse class 'pink'"),
        ("label,de\nred,Rot\n\nred,Blutrot\n", "line 4: 'red' stands in line 2 already"),
        ("label,de\nred\n", "line 2: 1 cells for 2 columns"),
        ("label,de\nred,Rot,Blau\n", "line 2: 3 cells for 2 columns"),
        ('label,de\nred,"Ro\tt"\n', "line 2, de: 'Ro.t.* control characters are not allowed"),
        ("label,de\nred," + "R" * 201, "line 2, de: .* allowed are 200 characters"),
        ('label,de\nred,"Rot', "not a UTF-8 CSV table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_lines(
    tmp_path: Path, text: str, words: str
) -> None:
    path = tmp_path / "names.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=words) as raised:
        read_table(path, NAMED)
    assert str(path) in str(raised.value)


def test_all_bad_lines_are_told_at_once_up_to_a_few(tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text("label,de\n" + "".join(f"x{number},X\n" for number in range(9)))
    with pytest.raises(BundleError, match=r"line 2: .*line 6: .*'x4'; and 4 more"):
        read_table(path, NAMED)


def test_a_table_that_is_missing_or_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot read the names"):
        read_table(tmp_path / "none.csv", NAMED)
    path = tmp_path / "names.csv"
    path.write_bytes("label,zh-Hans\nred,红\n".encode("gbk"))
    with pytest.raises(BundleError, match="not a UTF-8 CSV table"):
        read_table(path, NAMED)


def test_all_built_in_photos_have_chinese_names() -> None:
    named = list_named(synthetic.LABELS, synthetic.HIERARCHY)
    found = read_table(synthetic.NAMES_PATH, named)
    assert set(found["zh-Hans"]) == set(named)
    assert len(set(found["zh-Hans"].values())) == len(named)


def test_a_bundle_has_a_file_for_each_language(named_bundle: Bundle) -> None:
    assert named_bundle.manifest.languages == ("de", "zh-Hans")
    assert json.loads(named_bundle.read("names/zh-Hans.json")) == {"red": "红色", "blue": "蓝色"}
    assert named_bundle.manifest.find_file("names/de.json").role == "names"


def test_the_same_table_gives_the_same_bundle(
    named_bundle: Bundle, build_dir: Path, tmp_path: Path
) -> None:
    turned = tmp_path / "turned.csv"
    turned.write_text("de,label,zh-Hans\n,blue,蓝色\nRot,red,红色\n", encoding="utf-8")
    again = write_bundle(build_dir, tmp_path / "again.zip", names=turned)
    assert again.read_bytes() == named_bundle.path.read_bytes()


def test_only_a_bundle_with_names_needs_readers_of_the_new_schema(
    named_bundle: Bundle, bundle_path: Path
) -> None:
    schemas = [
        json.loads(bundle.manifest_bytes)["schema"]
        for bundle in (open_bundle(bundle_path), named_bundle)
    ]
    assert schemas == ["ghostlens.bundle/3", "ghostlens.bundle/4"]


def test_a_language_without_a_name_is_told_and_left_out(build_dir: Path, tmp_path: Path) -> None:
    path, told = tmp_path / "names.csv", list[str]()
    path.write_text("label,de,fr\nred,Rot,\n")
    made = write_bundle(build_dir, tmp_path / "made.zip", tell=told.append, names=path)
    assert open_bundle(made).manifest.languages == ("de",)
    assert told == [
        "names in de: 1 of 3 labels and coarse classes",
        "names in fr: 0 of 3 labels and coarse classes",
    ]


def test_a_bundle_whose_names_are_of_no_label_is_refused(
    named_bundle: Bundle, tmp_path: Path
) -> None:
    """Whatever made it: its hashes are right."""
    forged = names_bytes({"pink": "Rosa"})
    manifest = json.loads(named_bundle.manifest_bytes)
    for file in manifest["other_files"]:
        if file["path"] == "names/de.json":
            file |= {"sha256": sha256_bytes(forged), "size_bytes": len(forged)}
    members = [("manifest.json", json.dumps(manifest).encode())]
    for file in named_bundle.manifest.files:
        is_forged = file.path == "names/de.json"
        members.append((file.path, forged if is_forged else named_bundle.read(file.path)))
    path = tmp_path / "forged.zip"
    path.write_bytes(pack(members))
    with pytest.raises(ManifestError, match=r"names/de\.json: pink is .*no such label"):
        open_bundle(path)


def test_a_phone_shows_the_names_that_fit_its_language(
    named_bundle: Bundle, repository: Repository, client: BundleClient
) -> None:
    assert client.pull(MODEL, "python").model.names("zh-CN") == {}
    repository.published.clear()
    repository.add(named_bundle.path)
    model = client.pull(MODEL, "python").model
    assert model.names("zh-CN") == {"red": "红色", "blue": "蓝色"}
    assert model.names("de-AT") == {"red": "Rot"}
    assert model.names("fr") == model.names("zh-TW") == {}


def test_names_that_were_changed_after_a_pull_are_refused(
    named_bundle: Bundle, repository: Repository, client: BundleClient
) -> None:
    repository.published.clear()
    repository.add(named_bundle.path)
    model = client.pull(MODEL, "python").model
    (model.directory / "names" / "de.json").write_text('{"red": "Blau"}')
    with pytest.raises(BundleError, match=r"de\.json was changed"):
        model.names("de")
