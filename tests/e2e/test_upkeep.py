"""What a running server does to images by itself."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from clients import Shells
from sending import Person
from server import MIB, MakeServer, Server, eventually
from stillage.formats.piece_digests import MADE_AT_ONCE, PIECE


@pytest.fixture
def server(own_server: MakeServer) -> Server:
    return own_server(sweep_interval_s=0.2).start()


def test_an_image_is_deprecated_when_its_date_has_come(server: Server) -> None:
    image_id = server.stored(b"bytes", family="debian", deprecate_at="2020-01-01")
    eventually(lambda: server.show(image_id).get("lifecycle") == "deprecated", "its date is looked at")
    assert "deprecate_at" not in server.show(image_id)


@pytest.mark.thorough
def test_a_large_image_gets_the_digests_that_its_upload_did_not_make(
    server: Server, shells: Shells, tmp_path: Path
) -> None:
    with (tmp_path / "disk.raw").open("wb") as file:
        os.truncate(file.fileno(), MADE_AT_ONCE * PIECE + MIB)
    assert Person.of(server, tmp_path, shells).upload("disk.raw").status == 0

    def is_due() -> bool:
        with closing(sqlite3.connect(server.data_folder / "stillage.db")) as database:
            (due,) = database.execute("SELECT count(*) FROM blobs WHERE digests_due IS NOT NULL").fetchone()
            (known,) = database.execute("SELECT length(digests) FROM blob_pieces").fetchone()
        return bool(due) or known != 32 * (MADE_AT_ONCE + 1)

    eventually(lambda: not is_due(), "they are made")
