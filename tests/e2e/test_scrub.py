"""``stillage scrub`` as an operator runs it, beside a server."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from any_node import store_of
from running import TIMEOUT_S
from server import COMMAND, MakeServer, Server
from stillage.cli.main import app


@pytest.fixture
def server(own_server: MakeServer) -> Server:
    return own_server().start()


def scrub(server: Server, *arguments: str) -> "subprocess.CompletedProcess[str]":
    line = [str(COMMAND), "scrub", "--data", str(server.data_folder), *server.config, *arguments]
    return subprocess.run(
        line, capture_output=True, text=True, check=False, timeout=TIMEOUT_S, env=server.environment()
    )


def test_a_scrub_says_what_is_damaged_and_the_server_serves_it_no_more(server: Server) -> None:
    image_id = server.stored(b"some image")
    server.stored(b"another")
    done = scrub(server)
    assert (done.returncode, done.stdout) == (0, "2 images read, 0 damaged\n")

    store_of(server).replace_bytes(b"some image", b"some imaxe")
    done = scrub(server)
    assert done.returncode == 1
    first, last = done.stdout.splitlines()
    assert first.startswith(f"image {image_id} is damaged: their sha512 is")
    assert last == "2 images read, 1 damaged"
    answer = server.download(image_id)
    assert answer.status == 500
    assert "is damaged at rest: their sha512 is" in answer.message

    done = scrub(server, "--json", "--rate", "100")
    assert done.returncode == 1
    damage, total = [json.loads(line) for line in done.stdout.splitlines()]
    assert damage["image_id"] == image_id
    assert total == {"images": 2, "damaged": 1}
    assert scrub(server, "--older-than-s", "3600").returncode == 0, "nothing is due"

    store_of(server).replace_bytes(b"some imaxe", b"some image")
    done = scrub(server, "--damaged")
    assert (done.returncode, done.stdout) == (0, "1 images read, 0 damaged\n")
    assert server.download(image_id).body == b"some image"


def test_a_scrub_where_nothing_is_deployed_says_so(tmp_path: Path) -> None:
    done = scrub(Server(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert done.stderr.startswith("stillage: there is no database in ")
    assert not (tmp_path / "nowhere").exists()


def test_a_scrub_of_a_database_of_another_version_says_so(tmp_path: Path) -> None:
    (tmp_path / "stillage.db").touch()
    (tmp_path / "secret.key").write_bytes(bytes(32))
    done = scrub(Server(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("stillage: the database is at schema None")


@pytest.mark.parametrize(
    "wrong",
    [
        *(("--rate", value) for value in ("0", "-1", "nan", "inf")),
        *(("--older-than-s", value) for value in ("-1", "nan", "inf", "1000000000000")),
    ],
    ids=" ".join,
)
def test_what_is_no_rate_and_no_age_is_told(wrong: tuple[str, str]) -> None:
    done = CliRunner().invoke(app, ["scrub", *wrong])
    assert done.exit_code == 2
    assert wrong[0] in done.output
