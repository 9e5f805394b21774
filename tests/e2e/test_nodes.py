"""Several nodes on one database and one store: any of them serves any request, and a dead one costs seconds."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from aftermath import holds
from nodes import nodes_on, start_together
from postgres import PostgresServer
from server import Server

Nodes = Sequence[Server]


@pytest.fixture(scope="module")
def nodes(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes that were started at once on an empty database."""
    with postgres.migrated() as url, nodes_on(url, tmp_path_factory.mktemp("nodes"), 3) as made:
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
    first, second, third = nodes
    image_id = first.stored(b"the bytes of an image")
    for node in (second, third):
        holds(node, image_id, b"the bytes of an image")
    assert second.api("DELETE", f"/v2/images/{image_id}").status == 204
    assert third.download(image_id).status == 404


def test_a_node_with_another_secret_does_not_start(nodes: Nodes, tmp_path: Path) -> None:
    (tmp_path / "other.key").write_bytes(bytes(32))
    url = nodes[0].settings["database_url"]
    stranger = Server(tmp_path / "stranger", database_url=url, secret_key=tmp_path / "other.key")
    run = stranger.launch()
    assert run.wait() == 1
    [line] = run.log.splitlines()
    assert line.startswith(f"stillage: the secret in {tmp_path}/other.key is not the one")
    assert "Copy secret.key" in line
