"""A name whose DNS server answers differently the next time leads an import nowhere: nobody connects to its address."""

import subprocess
from pathlib import Path

import pytest

from dns_server import A, DnsLookup, dns_server
from rebinding import APART, NAME, REBINDS, rebind, rebinding_apart

REFUSED = {"code": "source_forbidden", "allowed": 1, "forbidden": 0}


async def test_a_server_that_answers_differently_the_next_time_leads_nowhere() -> None:
    with dns_server(REBINDS) as names:
        assert await rebind(DnsLookup(names.port)) == REFUSED
    assert names.asked[NAME, A] == 2


@pytest.mark.thorough
def test_the_resolver_of_the_machine_is_led_nowhere_either(tmp_path: Path) -> None:
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine gives nobody networks and mounts of their own")
    assert rebinding_apart(tmp_path) == REFUSED | {"lookups": 2}
