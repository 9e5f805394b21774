"""How long to wait after failed logins, and who gets a place to try."""

from contextlib import ExitStack
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0
from stillage.errors import TooManyAtOnce, Unavailable
from stillage.operations.identity.guard import FailureLimit, wait_s
from stillage.operations.identity.places import Places

LIMITS = (FailureLimit(3, 60), FailureLimit(5, 600))


def ago(*seconds: float) -> list[object]:
    return [T0 - timedelta(seconds=second) for second in seconds]


@pytest.mark.parametrize(
    ("failed", "wait"),
    [
        ([], 0),
        ([1, 2], 0),
        ([1, 2, 3], 57),
        ([1, 2, 59.5], 1),
        ([1, 2, 60], 0),
        ([1, 2, 100, 200], 0),
        ([1, 2, 100, 200, 300], 300),
        ([1, 2, 3, 4, 5], 595),
        ([1, 2, 3, 4, 5, 6, 7], 595),
    ],
)
def test_the_pause_ends_when_the_oldest_failure_that_counts_leaves_the_window(failed: list[float], wait: int) -> None:
    assert wait_s(ago(*failed), LIMITS, T0) == wait  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 700), max_size=12))
def test_whoever_waits_as_long_as_told_may_try_again(seconds: list[int]) -> None:
    failed = ago(*sorted(seconds))
    wait = wait_s(failed, LIMITS, T0)  # type: ignore[arg-type]
    assert 0 <= wait <= 600
    assert wait_s(failed, LIMITS, T0 + timedelta(seconds=wait)) == 0  # type: ignore[arg-type]


def test_one_holder_has_no_more_places_than_one_may_and_others_have_theirs() -> None:
    places = Places("logins", total=4, each=2)
    with ExitStack() as stack:
        for holder in ("a", "a", "b"):
            stack.enter_context(places.taken(holder))
        with pytest.raises(TooManyAtOnce, match="2 logins"), places.taken("a"):
            pass
        stack.enter_context(places.taken("b"))
        with pytest.raises(Unavailable), places.taken("c"):
            pass
    with places.taken("c"):
        assert places._held == {"c": 1}
    assert not places._held, "nothing is remembered of those who left"


def test_places_are_kept_for_those_who_are_known() -> None:
    places = Places("logins", total=3, each=3, reserved=1)
    with places.taken("a"), places.taken("b"):
        with pytest.raises(Unavailable), places.taken("c"):
            pass
        with places.taken("c", known=True), pytest.raises(Unavailable), places.taken("d", known=True):
            pass
