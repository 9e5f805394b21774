import threading
from collections.abc import Iterator

import pytest

from stillage.conversion.pool import AHEAD, Pool


def test_results_come_in_the_order_of_the_work() -> None:
    second_is_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(60)
        if number == 1:
            second_is_done.set()
        return number

    with Pool(2) as pool:
        assert list(pool.in_order(work, range(20))) == list(range(20))


def test_work_is_taken_as_results_are() -> None:
    taken = 0

    def work() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    with Pool(2) as pool:
        results = pool.in_order(lambda number: number, work())
        next(results)
        assert taken == 2 * AHEAD
        next(results)
        assert taken == 2 * AHEAD + 1


def test_an_error_comes_in_its_turn_and_ends_the_rest() -> None:
    done = []

    def work(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        done.append(number)
        return number

    with Pool(1) as pool:
        results = pool.in_order(work, range(1000))
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(ValueError, match="3"):
            next(results)
    assert len(done) <= AHEAD + 3


def test_whoever_stops_listening_stops_the_work() -> None:
    done: list[int] = []
    with Pool(1) as pool:
        results = pool.in_order(done.append, range(1000))
        next(results)
        results.close()  # type: ignore[attr-defined]
    assert len(done) <= 2 * AHEAD
