import re

import pytest

from mobile_assets.bundle import Bundle
from mobile_assets.export.content import choose_content
from mobile_assets.export.readme import describe_answers, describe_expected, fill
from mobile_assets.export.targeting import read_groups
from mobile_assets.export.web import LITERTJS_VERSION
from tests.conftest import ROOT
from tests.mobile_assets.export.test_content import keep_only

PHONES = (ROOT / "docs" / "phones.md").read_text()
WORDS = {"folder": "fruit", "side": 224, "count": 224**2}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("first-android-litert.kt", {"path": "fruit/variant/fruit.tflite"}),
        ("first-ios-coreml.swift", {"stem": "FruitModel"}),
        ("first-web.js", {"file": "fruit-1.0.0.tflite"}),
    ],
)
def test_the_guide_shows_the_lines_that_exports_hold(template: str, words: dict[str, str]) -> None:
    assert fill(template, **WORDS, **words) in PHONES
    assert LITERTJS_VERSION in PHONES


def test_the_guides_device_groups_can_be_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = re.search(r"```toml\n(.*?)```", PHONES, re.DOTALL)
    assert found is not None
    path = tmp_path_factory.mktemp("groups") / "groups.toml"
    path.write_text(found[1])
    assert [group.precision for group in read_groups(path)] == ["int8", "fp16"]


def test_a_place_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="side"):
        fill("first-web.js", folder="fruit", file="fruit.tflite")


def test_what_to_expect_is_said_where_it_is_known(bundle: Bundle) -> None:
    content = choose_content(bundle, "web")
    assert re.search(
        r"\*\*\w+\*\*, output [012] counted from 0, .* 0\.\d{4}", describe_expected(content)
    )
    assert "90.0% were sure, and 95.0% of these right" in describe_answers(content)
    untried = {"accepted_by_hand": True, "objections": ("nobody ran it",)}
    bare = keep_only(bundle, "litert", **untried, parity=None, confidence=None)
    assert "No machine here ran this file" in describe_expected(choose_content(bare, "web"))
    assert "nothing that it says is sure" in describe_answers(choose_content(bare, "web"))
