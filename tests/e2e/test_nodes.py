"""Several nodes on one database and one store: any of them serves any request, and a dead one costs seconds.

The tests stand in the order in which a deployment lives: its first start, its work, an upgrade, the death of a node.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import next_version
from aftermath import begin, holds
from load_balancer import load_balancer
from node_stores import SharedFolder
from nodes import nodes_on, start_together
from postgres import TEMPLATE, PostgresServer
from resuming import DATA, document, finish, opened, piece_head, send_piece
from rude import WITH_LENGTH, Rude
from server import MIB, Server, eventually

Nodes = Sequence[Server]
HALF = len(DATA) // 2


@pytest.fixture(scope="module")
def nodes(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two nodes that were started at once on an empty database."""
    folder = tmp_path_factory.mktemp("nodes")
    settings: dict[str, Any] = {"lease_s": 2, "sweep_interval_s": 0.5, "trusted_proxies": "127.0.0.1"}
    with postgres.fresh(TEMPLATE) as url, nodes_on(url, folder, 2, **settings) as made:
        start_together(made)
        yield made


def test_of_nodes_that_start_at_once_those_that_know_the_passwords_write_them(nodes: Nodes) -> None:
    knowing = [node for node in nodes if "stillage" in node.clouds]
    assert len(knowing) == 1
    assert knowing[0].login().status == 201
    for node in nodes:
        text = (node.data_folder / "clouds.yaml").read_text()
        assert "password: ''" not in text
        assert ("Another node set the password of user demo" in text) == (node is not knowing[0])
        assert ("use its clouds.yaml" in node.output) == (node is not knowing[0])


def test_what_one_node_has_stored_another_reads(nodes: Nodes) -> None:
    first, second = nodes
    image_id = first.stored(b"the bytes of an image")
    holds(second, image_id, b"the bytes of an image")
    assert second.api("DELETE", f"/v2/images/{image_id}").status == 204
    assert first.download(image_id).status == 404


def test_a_node_with_another_secret_does_not_start(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "other.key").write_bytes(bytes(32))
    url = nodes[0].settings["database_url"]
    stranger = Server(tmp_path / "stranger", database_url=url, secret_key=tmp_path / "other.key")
    run = stranger.launch()
    assert run.wait() == 1
    [line] = run.log.splitlines()
    assert line.startswith(f"stillage: the secret in {tmp_path}/other.key is not the one")
    assert "Copy secret.key" in line


def test_pieces_go_to_any_node(nodes: Nodes) -> None:
    image_id, path = opened(nodes[0])
    step = 700_001
    firsts = list(range(0, len(DATA), step))
    for number, first in enumerate([*firsts[1::2], *firsts[::2]]):
        answer = send_piece(nodes[number % 2], path, first, DATA[first : first + step])
        assert answer.status == (204 if number == len(firsts) - 1 else 202), answer.body
    holds(nodes[1], image_id, DATA)


BALANCERS = ("nginx", "haproxy")


@pytest.fixture(scope="module")
def balancers(nodes: Nodes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Server]]:
    with ExitStack() as stack:
        yield {
            kind: stack.enter_context(load_balancer(kind, nodes, tmp_path_factory.mktemp(kind))) for kind in BALANCERS
        }


@pytest.mark.parametrize("kind", BALANCERS)
def test_a_load_balancer_passes_on_what_clients_and_nodes_say(
    nodes: Nodes, balancers: Mapping[str, Server], kind: str
) -> None:
    balancer = balancers[kind]
    image_id = balancer.create()
    with begin(balancer, image_id, WITH_LENGTH, len(DATA)) as client:
        client.send(DATA[:MIB])
        eventually(lambda: nodes[1].show(image_id)["status"] == "saving", "the node has the first bytes")
        client.send(DATA[MIB:])
        assert client.answer().status == 204
    for node in (balancer, *nodes):
        holds(node, image_id, DATA)
    part = balancer.download(image_id, range="bytes=5-9")
    assert (part.status, part.body) == (206, DATA[5:10])
    refused = balancer.upload(balancer.create(disk_format="qcow2"), b"no such disk")
    assert (refused.status, refused.json["error"]["rule"]) == (415, "foreign.text")
    resumed_id, path = opened(balancer)
    finish(balancer, path)
    holds(nodes[0], resumed_id, DATA)
    links = {version["links"][0]["href"] for version in balancer.call("GET", "/versions").json["versions"]}
    assert {link.partition("/v2")[0] for link in links} == {balancer.url}


def test_nodes_of_two_versions_run_side_by_side(nodes: Nodes, tmp_path: Path) -> None:
    old = nodes[1]
    command = (sys.executable, str(Path(next_version.__file__)))
    new = Server(tmp_path / "new", command=command, **old.settings)  # type: ignore[arg-type]
    SharedFolder(old.data_folder.parent).prepare(new)
    before = old.stored(b"stored before the upgrade")
    subprocess.run([*command, "db", "upgrade", "--data", new.data_folder], env=new.environment(), check=True)
    try:
        new.start().use_tokens_of(old)
        old.restart()
        by_old, by_new = old.stored(b"stored by the old version"), new.stored(b"stored by the new version")
        for node in (old, new):
            holds(node, before, b"stored before the upgrade")
            holds(node, by_old, b"stored by the old version")
            holds(node, by_new, b"stored by the new version")
            listed = {image["id"] for image in node.api("GET", "/v2/images").json["images"]}
            assert {before, by_old, by_new} <= listed
        for node, image_id in ((old, by_new), (new, by_old)):
            assert node.api("PUT", f"/v2/images/{image_id}/tags/seen").status == 204
            assert node.api("DELETE", f"/v2/images/{image_id}").status == 204
    finally:
        new.close()


@dataclass(frozen=True)
class Orphaned:
    """Uploads of a node that is dead: names of images, and addresses.

    Attributes:
        broken: In the middle of a piece.
        verified: Half of it was verified.
        plain: Not resumable.
    """

    broken: tuple[str, str]
    verified: tuple[str, str]
    plain: str


@pytest.fixture(scope="module")
def orphaned(nodes: Nodes) -> Orphaned:
    """Kill the first node while it receives and verifies."""
    node, other = nodes
    made = Orphaned(opened(node), opened(node), node.create())
    assert send_piece(node, made.verified[1], 0, DATA[:HALF]).status == 202
    eventually(lambda: document(other, made.verified[1])["verified"] > 0, "the node verifies what it has")
    with Rude(node) as client, begin(node, made.plain, WITH_LENGTH, MIB) as plain:
        plain.send(DATA[:1000])
        other.await_status(made.plain, "saving")
        client.send(piece_head(made.broken[1], 0, len(DATA), content_length=str(len(DATA))), DATA[: 3 * MIB])
        eventually(lambda: document(other, made.broken[1])["received"] >= MIB, "the first MiB counts")
        node.kill()
    return made


def test_an_upload_that_a_dead_node_was_receiving_goes_on_at_another(nodes: Nodes, orphaned: Orphaned) -> None:
    image_id, path = orphaned.broken
    assert document(nodes[1], path)["received"] >= MIB
    assert finish(nodes[1], path) <= len(DATA) - MIB
    holds(nodes[1], image_id, DATA)


def test_an_upload_that_a_dead_node_was_verifying_is_verified_by_another(nodes: Nodes, orphaned: Orphaned) -> None:
    image_id, path = orphaned.verified
    assert send_piece(nodes[1], path, HALF, DATA[HALF:]).status == 204
    holds(nodes[1], image_id, DATA)


def test_a_plain_upload_that_a_dead_node_was_receiving_ends_and_its_owner_can_read_why(
    nodes: Nodes, orphaned: Orphaned
) -> None:
    image = nodes[1].await_status(orphaned.plain, "queued")
    assert "stopped before it had all of it" in image["os_stillage_reason"]
    assert nodes[1].upload(orphaned.plain, b"the second attempt").status == 204
    holds(nodes[1], orphaned.plain, b"the second attempt")


@pytest.mark.parametrize("kind", BALANCERS)
def test_a_load_balancer_goes_on_without_a_node_that_died(
    orphaned: Orphaned, balancers: Mapping[str, Server], kind: str
) -> None:
    assert orphaned
    balancer = balancers[kind]
    eventually(lambda: all(balancer.call("GET", "/readyz").status == 200 for _ in range(4)), "it has noticed")
    image_id, path = opened(balancer)
    finish(balancer, path)
    holds(balancer, image_id, DATA)
