"""A node that dies in the middle of an import: another one goes on, and nothing is left over."""

import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest

from nodes import nodes_on, start_together
from postgres import TEMPLATE, PostgresServer
from server import MIB, Server, eventually

pytestmark = pytest.mark.thorough

DELAYS_S = (0.0, 0.1, 0.3)


@cache
def sent() -> bytes:
    return random.Random(3).randbytes(48 * MIB)


@pytest.fixture(scope="module")
def nodes(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Server]]:
    folder = tmp_path_factory.mktemp("nodes")
    settings: dict[str, Any] = {"lease_s": 2, "sweep_interval_s": 0.5}
    with postgres.fresh(TEMPLATE) as url, nodes_on(url, folder, 2, **settings) as made:
        start_together(made)
        yield made


@pytest.mark.parametrize("delay_s", DELAYS_S)
def test_another_node_goes_on_with_staged_bytes(nodes: Sequence[Server], delay_s: float) -> None:
    dying, other = nodes
    image_id = dying.create(disk_format="raw", container_format="bare")
    octets = {"content_type": "application/octet-stream"}
    assert dying.api("PUT", f"/v2/images/{image_id}/stage", sent(), **octets).status == 204
    answer = dying.api("POST", f"/v2/images/{image_id}/import", {"method": {"name": "glance-direct"}})
    assert answer.status == 202, answer.body
    time.sleep(delay_s)
    dying.kill()
    image = other.await_status(image_id, "active")
    assert (image["size"], image["os_hash_value"]) == (len(sent()), hashlib.sha512(sent()).hexdigest())
    assert other.download(image_id).body == sent()

    def ended() -> bool | None:
        tasks = other.api("GET", f"/v2/images/{image_id}/tasks").json["tasks"]
        return [task["status"] for task in tasks] == ["success"] or None

    eventually(ended, "the task has ended")
    eventually(lambda: len(stored(nodes)) == 1, "only the image's bytes are left")
    assert other.api("DELETE", f"/v2/images/{image_id}").status == 204
    dying.restart()
    eventually(lambda: stored(nodes) == set() or None, "nothing is left over")


def stored(nodes: Sequence[Server]) -> set[str]:
    """Every file in the store that the nodes share."""
    return set().union(*(node.blobs() for node in nodes))
