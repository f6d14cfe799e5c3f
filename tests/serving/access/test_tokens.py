import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.access.tokens import hash_token, hide_tokens, make_id, make_token, read_id


def test_a_token_names_its_key_and_is_what_scanners_look_for() -> None:
    key_id = make_id()
    token = make_token(key_id)
    assert read_id(token) == key_id
    assert re.fullmatch(r"ghl_[0-9a-z]{8}_[0-9A-Za-z]{38}", token)
    assert token != make_token(key_id)
    assert token not in hash_token(token) and len(hash_token(token)) == 64


@pytest.mark.parametrize("place", range(4, 51))
def test_a_token_with_one_wrong_character_is_told_without_a_database(place: int) -> None:
    token = make_token("till0001")
    wrong = "0" if token[place] != "0" else "1"
    assert read_id(token[:place] + wrong + token[place + 1 :]) is None


@given(st.text(max_size=80))
def test_other_text_is_no_token(text: str) -> None:
    assert read_id(text) is None


@given(st.text(max_size=20), st.text(max_size=20))
def test_secrets_are_hidden_wherever_they_stand(before: str, after: str) -> None:
    token = make_token("till0001")
    shown = hide_tokens(before + token + after)
    assert token[13:] not in shown
    assert shown.startswith(before + "ghl_till0001_...")


def test_text_without_secrets_stays() -> None:
    assert hide_tokens("the key ghl_till0001 is for ghl_ and you") == (
        "the key ghl_till0001 is for ghl_ and you"
    )
