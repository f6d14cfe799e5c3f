import json
from typing import Any

import pytest
from hypothesis import given

from mobile_assets.conditions import Conditions, Device, Running, RuntimeOfApp
from mobile_assets.errors import ManifestError
from mobile_assets.reading import read_json
from tests.mobile_assets.releases import conditions


def read(value: Any) -> Conditions:
    return Conditions.from_node(read_json(json.dumps(value).encode(), "conditions", 10_000))


@given(conditions)
def test_round_trip(found: Conditions) -> None:
    assert read(found.to_json()) == found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"min_ram": 1}, "min_ram is 1: a condition that is not known: allowed are"),
        ({"min_os": {"symbian": "9"}}, "min_os.symbian is '9': of a platform"),
        ({"min_os": {"ios": "latest"}}, "min_os.ios is 'latest': .* as in 17.4"),
        ({"app_version": "^1.2.3"}, "app_version is .* as in '>=1.2.0 <3.0.0'"),
        ({"min_memory_bytes": 0}, "min_memory_bytes is 0"),
        ({"network": "wifi"}, "allowed are any, unmetered"),
        ([], "must be an object"),
    ],
)
def test_bad_conditions_are_named(value: Any, words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        read(value)


def test_the_unmet_condition_is_told_in_words() -> None:
    found = read({"min_os": {"ios": "16.0"}, "app_version": ">=1.2.0", "min_memory_bytes": 100})
    assert found.find_unmet(Device("ios", "15.8.3")) == "it needs ios 16.0, not 15.8.3"
    assert found.find_unmet(Device("ios")) == "it needs ios 16.0, not one that does not say"
    old = Device("web", app_version="1.1.0")
    assert found.find_unmet(old) == "it needs version >=1.2.0 of the app, not 1.1.0"
    small = Device("web", app_version="1.2.0", memory_bytes=99)
    assert found.find_unmet(small) == "it needs 100 bytes of memory, not 99"
    assert found.find_unmet(Device("web", app_version="1.2.0", memory_bytes=100)) is None


def test_a_device_says_what_it_is_as_the_body_of_a_check() -> None:
    device = Device(
        "android", runtimes=(RuntimeOfApp("litert"),), running=Running("1.0.0"), free_bytes=0
    )
    assert device.to_json() == {
        "platform": "android",
        "channel": "stable",
        "runtimes": [{"name": "litert"}],
        "current": {"version": "1.0.0"},
        "free_bytes": 0,
    }
