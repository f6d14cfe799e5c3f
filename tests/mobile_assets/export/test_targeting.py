from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobile_assets.export.targeting import DeviceGroup, read_groups, targeting_xml
from training.errors import ConfigError

NAMESPACE = "{http://schemas.android.com/apk/config}"
GROUPS = """
[[group]]
name = "low_ram"
precision = "int8"
ram_max_bytes = 4_000_000_000

[[group]]
name = "sm8750"
precision = "fp16"
ram_min_bytes = 6_000_000_000
chips = [["QTI", "SM8750"], ["Qualcomm", "SM8750"]]
devices = [["google", "flame"]]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "groups.toml"
    path.write_text(text)
    return path


def test_groups_become_plays_file(tmp_path: Path) -> None:
    root = ElementTree.fromstring(targeting_xml(read_groups(write(tmp_path, GROUPS))))
    assert root.tag == f"{NAMESPACE}device-targeting-config"
    low, chip = root.findall(f"{NAMESPACE}device-group")
    assert low.attrib == {"name": "low_ram"}
    assert [entry.attrib for entry in low] == [{"ram-max-bytes": "4000000000"}]
    (selector,) = chip
    assert selector.attrib == {"ram-min-bytes": "6000000000"}
    assert [(entry.tag.removeprefix(NAMESPACE), entry.attrib) for entry in selector] == [
        ("included-device-id", {"brand": "google", "device": "flame"}),
        ("system-on-chip", {"manufacturer": "QTI", "model": "SM8750"}),
        ("system-on-chip", {"manufacturer": "Qualcomm", "model": "SM8750"}),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[group]]\nname = 'other'\nprecision = 'int8'\nram_max_bytes = 1", "not 'other'"),
        ("[[group]]\nname = '4gb'\nprecision = 'int8'\nram_max_bytes = 1", "a letter first"),
        (
            "[[group]]\nname = 'a'\nprecision = 'int9'\nram_max_bytes = 1",
            "'int9': allowed are fp32",
        ),
        ("[[group]]\nname = 'a'\nprecision = 'int8'", "no condition"),
        ("[[group]]\nname = 'a'\nprecision = 'int8'\nram_max_bytes = 1.5", "whole numbers"),
        ("[[group]]\nname = 'a'\nprecision = 'int8'\nram_max_bytes = true", "whole numbers"),
        (
            "[[group]]\nname = 'a'\nprecision = 'int8'\nram_min_bytes = 2\nram_max_bytes = 2",
            "must lie below",
        ),
        ("[[group]]\nname = 'a'\nprecision = 'int8'\nchips = ['SM8750']", "pairs of texts"),
        ("[[group]]\nname = 'a'\nprecision = 'int8'\nram = 1", "allowed are name"),
        ("[[group]]\nprecision = 'int8'\nram_max_bytes = 1", "needs name"),
        ("group = 1", r"\[\[group\]\]"),
        ("", r"\[\[group\]\]"),
        ("[[group]", "not TOML"),
        ("\xff", "not TOML"),
    ],
)
def test_bad_groups_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "groups.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=words) as caught:
        read_groups(path)
    assert str(path) in str(caught.value)


def test_a_name_is_given_once_and_a_file_must_be_there(tmp_path: Path) -> None:
    twice = GROUPS.replace("sm8750", "LOW_ram")
    with pytest.raises(ConfigError, match="given twice"):
        read_groups(write(tmp_path, twice))
    with pytest.raises(ConfigError, match="cannot read"):
        read_groups(tmp_path / "absent.toml")


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8))
def test_any_chip_that_is_taken_makes_xml_that_parses(manufacturer: str, model: str) -> None:
    if not (manufacturer.isprintable() and model.isprintable()):
        return
    group = DeviceGroup("a", "int8", chips=((manufacturer, model),))
    root = ElementTree.fromstring(targeting_xml((group,)))
    chip = root.find(f".//{NAMESPACE}system-on-chip")
    assert chip is not None
    assert chip.attrib == {"manufacturer": manufacturer, "model": model}
