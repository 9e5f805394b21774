"""How much is left of a store's capacity, and how often that is counted."""

import pytest

from stillage.stores.capacity import COUNTS_A_S, Capacity


@pytest.mark.parametrize(("count", "seconds"), [(0, 0), (COUNTS_A_S, 1), (10 * COUNTS_A_S, 10)])
def test_many_blobs_are_counted_more_rarely(count: int, seconds: int) -> None:
    now, held = [0.0], [60]

    async def counted() -> tuple[int, int]:
        return held[0], count

    capacity = Capacity(100, counted, clock=lambda: now[0])
    assert run(capacity) == 40
    held[0] = 110
    now[0] = seconds * 0.9
    assert run(capacity) == (40 if seconds else -10)
    now[0] = seconds
    assert run(capacity) == -10


def run(capacity: Capacity) -> int:
    coroutine = capacity.left()
    try:
        coroutine.send(None)
    except StopIteration as done:
        return int(done.value)
    raise AssertionError("it waits")
