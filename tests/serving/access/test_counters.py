from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from serving.access.counters import FILE_NAME, Counters
from serving.errors import StateError


class Clock:
    now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_counts_are_shared_and_begin_again_with_each_window(
    state_place: Path | str, clock: Clock
) -> None:
    here, there = Counters(state_place, clock), Counters(state_place, clock)
    assert here.add("till", 60) == (1, 1_060_000)
    clock.now_ms += 59_999
    assert there.add("till", 60, 2) == (3, 1_060_000)
    assert here.add("other", 60) == (1, 1_119_999)
    clock.now_ms += 1
    assert here.add("till", 60) == (1, 1_120_000)


def test_what_is_taken_back_was_not_counted(state_place: Path | str, clock: Clock) -> None:
    counters = Counters(state_place, clock)
    counters.add("till", 60, 3)
    assert counters.add("till", 60, -1) == (2, 1_060_000)
    counters.add("till", 60, -9)  # more than there is: nothing happens
    assert counters.add("till", 60) == (3, 1_060_000)
    clock.now_ms += 60_000
    assert counters.add("till", 60, -1).number == 0
    assert counters.add("till", 60).number == 1


def test_none_is_lost_where_many_count_at_once(state_place: Path | str) -> None:
    many = [Counters(state_place) for _ in range(4)]
    with ThreadPoolExecutor(16) as pool:
        seen = list(pool.map(lambda number: many[number % 4].add("till", 600).number, range(200)))
    assert sorted(seen) == list(range(1, 201))


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    Counters(tmp_path).add("till", 60)
    for file in tmp_path.glob(f"{FILE_NAME}*"):
        file.write_bytes(b"x" * 4096)
    assert Counters(tmp_path).add("till", 60).number == 1


def test_a_database_that_does_not_answer_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"no folder")
    with pytest.raises(StateError, match="the counts of rate limits"):
        Counters(tmp_path / "state").add("till", 60)
    with pytest.raises(StateError, match="the counts of rate limits"):
        Counters("postgresql://nobody@127.0.0.1:9/none").add("till", 60)
