import json
import re

import pytest

from serving.app import API_VERSION, create_app
from serving.settings import Settings
from tests.serving.api.recorded import CHANGELOG, RECORD, describe


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("empty")
    settings = Settings(folder / "none", public_scopes=())
    found: dict = create_app(settings).test_client().get("/openapi.json").json
    return found


def test_the_api_is_as_it_was_recorded_beside_its_changelog(spec: dict) -> None:
    old, new = json.loads(RECORD.read_text())["digests"], describe(spec)["digests"]
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    assert not changed, (
        f"the API changed: {sorted(changed)}; write it into {CHANGELOG.name}, then run "
        "`python -m tests.serving.api.recorded`"
    )


def test_the_changelog_tells_of_the_version_that_is_served(spec: dict) -> None:
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", CHANGELOG.read_text(), re.M)
    assert versions[0] == API_VERSION == spec["info"]["version"]
    assert versions == sorted(versions, key=lambda x: [int(y) for y in x.split(".")], reverse=True)


def test_a_change_of_the_contract_is_seen_and_better_words_are_not(spec: dict) -> None:
    def change(**more: object) -> dict:
        found = json.loads(json.dumps(spec))
        found["components"]["schemas"]["CheckRequest"]["properties"]["description"] = more
        return describe(found)["digests"]

    name = "schema CheckRequest"
    plain = describe(spec)["digests"]
    # A member that is called "description" is one, and its words are words.
    assert change(type="string")[name] != plain[name]
    assert change(type="string", description="Better.") == change(type="string")


def test_what_is_deprecated_stands_in_the_changelog(spec: dict) -> None:
    text = CHANGELOG.read_text()
    gone = re.findall(r"'name': 'deprecated-(\w+)'", str(spec))
    assert gone == ["current_version"]
    assert all(f"`{name}`" in text for name in gone)
