"""A little of what `python -m resuming_chaos` does."""

import pytest

from postgres import PostgresServer
from resuming_chaos import ENGINES, resuming_chaos

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("engine", ENGINES)
def test_uploads_that_are_killed_again_and_again_make_the_images_that_were_sent(
    engine: str, postgres: PostgresServer
) -> None:
    with resuming_chaos(engine, 11, postgres) as run:
        run.run(kills=12)
    assert run.kills >= 12
