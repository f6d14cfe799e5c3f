import threading

from serving.inference.watch import limited


def test_a_limit_that_cannot_be_kept_ends_no_other() -> None:
    failed, cut = threading.Event(), threading.Event()

    def fail() -> None:
        failed.set()
        raise RuntimeError("the connection was released already")

    with limited(0, fail):
        assert failed.wait(30)
    with limited(0, cut.set):
        assert cut.wait(30)


def test_what_ended_in_time_is_not_cut() -> None:
    late, other = threading.Event(), threading.Event()
    with limited(0, late.set) as lift:
        lift()
        with limited(0, other.set):
            assert other.wait(30)
    assert not late.is_set()
