import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_assets.bucketing import find_bucket, is_included

SALTS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
DEVICE_IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
SHARES_BP = st.integers(0, 10_000)


@given(SALTS, DEVICE_IDS, SHARES_BP, SHARES_BP)
def test_raising_the_share_only_adds_devices(
    salt: str, device_id: str, one_bp: int, other_bp: int
) -> None:
    low_bp, high_bp = sorted((one_bp, other_bp))
    assert is_included(salt, device_id, low_bp) <= is_included(salt, device_id, high_bp)


@given(SALTS, DEVICE_IDS)
def test_nobody_is_in_a_share_of_nothing_and_everybody_with_an_id_in_the_whole(
    salt: str, device_id: str
) -> None:
    assert not is_included(salt, device_id, 0)
    assert is_included(salt, device_id, 10_000)
    assert 0 <= find_bucket(salt, device_id) < 2**32


@given(SALTS, st.sampled_from([None, ""]), SHARES_BP)
def test_a_device_without_an_id_is_never_included(
    salt: str, missing: str | None, share_bp: int
) -> None:
    assert not is_included(salt, missing, share_bp)


@pytest.mark.parametrize("share_bp", [100, 1000, 5000])
def test_the_share_is_what_it_says_and_another_salt_takes_other_devices(share_bp: int) -> None:
    chosen = [
        {number for number in range(20_000) if is_included(salt, f"phone-{number}", share_bp)}
        for salt in ("0" * 32, "1" * 32)
    ]
    expected = 2 * share_bp
    for devices in chosen:  # five standard deviations of a binomial share
        assert abs(len(devices) - expected) < 5 * (expected * (1 - share_bp / 10_000)) ** 0.5
    both = len(chosen[0] & chosen[1])
    assert both < 2 * expected * share_bp / 10_000 + 20
