import traceback

from serving.errors import NewerStateError, StateError
from serving.state.pause import PAUSE_S, Pause


class Clock:
    s = 1_000.0


def test_a_failure_is_told_to_all_for_a_second_and_then_somebody_may_ask() -> None:
    pause = Pause(lambda: Clock.s)
    assert pause.find_failure() is None
    pause.begin(NewerStateError("a newer server has used it"))
    failure = pause.find_failure()
    assert (type(failure), str(failure)) == (NewerStateError, "a newer server has used it")
    Clock.s += PAUSE_S
    assert pause.find_failure() is None


def test_an_answer_ends_the_pause() -> None:
    pause = Pause()
    pause.begin(StateError("no answer"))
    pause.end()
    assert pause.find_failure() is None


def test_each_who_is_told_gets_an_error_that_only_they_write_into() -> None:
    pause = Pause()
    pause.begin(StateError("no answer"))
    depths = []
    for _ in range(3):
        failure = pause.find_failure()
        assert failure is not None
        try:
            raise failure
        except StateError as error:
            depths.append(len(traceback.extract_tb(error.__traceback__)))
    assert depths == [1, 1, 1]
