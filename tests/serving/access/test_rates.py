import pytest

from serving.access.rates import ADDRESS_LIMITS, KEY_LIMITS, Rate, read_limits
from serving.access.scopes import SCOPES
from serving.errors import SettingsError
from serving.settings import Settings


def test_each_scope_has_a_limit_by_default() -> None:
    assert set(KEY_LIMITS) == set(SCOPES)
    assert set(ADDRESS_LIMITS) == {*SCOPES, "refused"}


def test_what_is_named_changes_and_the_rest_stays() -> None:
    found = read_limits("pull=7/hour, report=none", KEY_LIMITS)
    assert found["pull"] == Rate(7, 3600)
    assert "report" not in found
    assert found["recognise"] == KEY_LIMITS["recognise"]
    assert read_limits("", KEY_LIMITS) == dict(KEY_LIMITS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pul=7/hour", "no limit of 'pul': allowed are recognise"),
        ("pull", "'pull' is not understood: allowed are as pull=300/minute"),
        ("pull=7 per fortnight", "is not understood"),
        ("pull=-1/minute", "is not understood"),
        ("pull=0/minute", "is not understood"),
    ],
)
def test_other_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        Settings.from_environment({"GHOSTLENS_KEY_LIMITS": text})
