"""A little of what `make chaos` and `make chaos-nodes` do, which take minutes and both engines."""

import pytest

import chaos
import chaos_nodes

pytestmark = pytest.mark.thorough


def test_no_promise_is_broken_by_kills_and_disconnects() -> None:
    with chaos.chaos("sqlite", seed=5) as run:
        assert run.run(events=10) == []
    assert run.counts["stored"]


def test_no_promise_is_broken_where_nodes_die_and_their_database_and_their_bucket() -> None:
    with chaos_nodes.chaos_nodes(seed=3, kind="s3") as run:
        assert run.run(events=12) == []
    assert run.counts["stored"]
