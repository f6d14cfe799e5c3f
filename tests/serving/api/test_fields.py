from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from serving.api.fields import Boolean, Float, Integer, QueryInteger

JSON = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just([1]))


class Form(Schema):
    count = Integer()
    share = Float()
    passed = Boolean()


def takes(field: str, value: Any) -> bool:
    return not Form().validate({field: value})


@given(JSON)
def test_only_what_json_calls_so_is_taken(value: Any) -> None:
    is_number = type(value) in (int, float)
    finite = is_number and abs(value) < float("inf")
    assert takes("passed", value) == (type(value) is bool)
    assert takes("count", value) == (finite and value == int(value))
    if not is_number or (finite and abs(value) < 1e300):
        assert takes("share", value) == is_number


def test_a_whole_number_stays_one_however_it_is_written() -> None:
    found = Form().load({"count": 5.0, "share": 5, "passed": False})
    assert found == {"count": 5, "share": 5.0, "passed": False}
    assert type(found["count"]) is int


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        ("-1", -1),
        ("007", 7),
        *((text, None) for text in (" 5", "1_0", "5.0", "٣", "", "9" * 5000, "+5", 5)),
    ],
)
def test_a_number_in_a_query_is_digits(text: str, number: int | None) -> None:
    form = Schema.from_dict({"count": QueryInteger()})()
    if number is None:
        assert form.validate({"count": text})
    else:
        assert form.load({"count": text}) == {"count": number}


@pytest.mark.parametrize("share", [float("nan"), float("inf"), 10**400])
def test_what_is_no_finite_number_is_refused(share: float) -> None:
    with pytest.raises(ValidationError):
        Form().load({"share": share})
