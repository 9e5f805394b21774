"""A little of what `make chaos` does, which takes minutes and both engines."""

import pytest

import chaos

pytestmark = pytest.mark.thorough


def test_no_promise_is_broken_by_kills_and_disconnects() -> None:
    with chaos.chaos("sqlite", seed=5) as run:
        assert run.run(events=10) == []
    assert run.counts["stored"]
