import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from serving.errors import BusyError, ClientGoneError
from serving.inference.places import Places


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it never came to hold")


def take(places: Places, done: Callable[[], None]) -> None:
    with places.admit() as ticket, ticket.take_place():
        done()


def test_no_more_than_the_places_are_taken_at_once_and_all_get_theirs() -> None:
    places, taken, most = Places(2, 100, wait_s=60), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        with lock:
            taken[0] += 1
            most[0] = max(most[0], taken[0])
        time.sleep(0.001)
        with lock:
            taken[0] -= 1

    with ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(take, places, work) for _ in range(100)]:
            done.result()
    assert most == [2]
    assert places.waiting == 0


def test_a_place_goes_to_who_waited_longest() -> None:
    places, order = Places(1, 10, wait_s=60), []
    with ThreadPoolExecutor(5) as pool, places.admit() as ticket, ticket.take_place():
        for index in range(5):
            pool.submit(take, places, partial(order.append, index))
            wait_until(lambda count=index + 1: places.waiting == count)
    assert order == [0, 1, 2, 3, 4]


def test_a_full_line_refuses_at_once_with_a_time_to_come_again() -> None:
    places = Places(1, 1, wait_s=30)
    with places.admit(), places.admit():
        with (
            pytest.raises(BusyError, match="2 photos are being recognised") as caught,
            places.admit(),
        ):
            pass
        assert 1 <= caught.value.retry_after_s <= 30
    with places.admit() as ticket, ticket.take_place():
        assert places.waiting == 0


def test_who_waits_too_long_is_refused_and_leaves_the_line() -> None:
    places = Places(1, 5, wait_s=60)
    with places.admit() as first, first.take_place(), places.admit() as second:
        second.start(0.01)
        with pytest.raises(BusyError, match="not ready within the time"), second.take_place():
            raise AssertionError("there was no place")
    with places.admit() as third, third.take_place():
        pass


def test_a_client_may_shorten_the_time_and_never_lengthen_it() -> None:
    with Places(1, 1, wait_s=5).admit() as ticket:
        ticket.start(1000)
        assert ticket.left_s() <= 5
        ticket.start(1)
        assert ticket.left_s() <= 1
        ticket.start()
        assert ticket.left_s() <= 1


def test_who_hung_up_leaves_the_line_and_is_not_worked_for() -> None:
    places, gone = Places(1, 5, wait_s=60), threading.Event()
    with (
        places.admit() as first,
        first.take_place(),
        ThreadPoolExecutor(1) as pool,
        places.admit(gone.is_set) as second,
    ):
        waiting = pool.submit(second.take_place().__enter__)
        wait_until(lambda: places.waiting == 1)
        gone.set()
        with pytest.raises(ClientGoneError):
            waiting.result(timeout=60)
    with (
        places.admit(gone.is_set) as ticket,
        pytest.raises(ClientGoneError),
        ticket.take_place(),
    ):
        raise AssertionError("nobody waits for this")
    with places.admit() as ticket, ticket.take_place():
        pass
