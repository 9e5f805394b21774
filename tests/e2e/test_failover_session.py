"""The session that docs/nodes.md shows: what is typed there does what it says."""

import re
from pathlib import Path

import pytest

from failover_session import lasting, recorded

pytestmark = pytest.mark.thorough

PAGE = Path(__file__).parents[2] / "docs" / "nodes.md"


def test_an_upload_through_a_load_balancer_survives_the_death_of_a_node_as_the_page_shows() -> None:
    [shown] = re.findall(r"^```console\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = recorded()
    assert lasting(lines) == lasting(shown.splitlines())
    assert any("trying again" in line for line in lines), "the command has noticed"
