"""A little of what `make chaos-jobs` does."""

import pytest

import chaos_jobs

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("kind", chaos_jobs.ENGINES)
def test_no_job_is_lost_and_no_finished_step_repeated(kind: str) -> None:
    with chaos_jobs.chaos_jobs(kind, seed=5) as run:
        assert run.run(kills=4) == []
    assert run.counts["retakes"]
