"""A disk that becomes full in the middle of an upload, and images that are mostly holes: on real file systems."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from aftermath import begin, holds, leaves_it_queued
from rude import WITH_LENGTH, Body
from server import MIB, MakeServer, Server, eventually

ROOM = 24 * MIB


@pytest.fixture
def small_disk(own_server: MakeServer) -> Iterator[Server]:
    """A server whose blobs lie on a file system of `ROOM` bytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    server = own_server(spare_bytes=0)
    blobs = server.data_folder / "blobs"
    blobs.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM},mode=700", "tmpfs", str(blobs)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield server.start()
    finally:
        server.close()
        subprocess.run(["umount", str(blobs)], check=True)


def free(server: Server) -> int:
    status = os.statvfs(server.data_folder / "blobs")
    return status.f_bavail * status.f_frsize


def test_a_disk_that_becomes_full_ends_the_upload_with_413_and_the_node_stays_healthy(
    small_disk: Server, body: Body
) -> None:
    server, data = small_disk, os.urandom(18 * MIB)
    image_id, before = server.create(), free(small_disk)
    filler = server.data_folder / "blobs" / "filler"
    with leaves_it_queued(server, image_id, "the store is full"), begin(server, image_id, body, len(data)) as client:
        client.send(body.framed(data[: 2 * MIB]))
        server.await_status(image_id, "saving")
        with filler.open("wb") as file:  # somebody else takes the room that there was
            os.posix_fallocate(file.fileno(), 0, 12 * MIB)
        client.send_as_far_as_taken(body.framed(data[2 * MIB :]) + body.end)
        answer = client.answer()
        assert answer.status == 413
        assert "the store is full" in answer.message
        filler.unlink()
    assert server.call("GET", "/readyz").status == 200
    eventually(lambda: free(server) >= before - MIB, "all its bytes are gone")
    holds(server, server.stored(data), data)


def test_what_the_disk_has_no_room_for_is_refused_before_its_first_byte(small_disk: Server) -> None:
    image_id = small_disk.create()
    with begin(small_disk, image_id, WITH_LENGTH, ROOM + 1, expect="100-continue") as client:
        assert client.answer().status == 413
    assert small_disk.show(image_id)["status"] == "queued"


def test_zeros_take_no_disk_and_come_back_over_http(own_server: MakeServer) -> None:
    server = own_server().start()
    image_id, size, step = server.create(), 128 * MIB, 16 * MIB
    island = os.urandom(MIB)  # at the beginning of each step
    with begin(server, image_id, WITH_LENGTH, size) as client:
        for _ in range(size // step):
            client.send(island, *[bytes(MIB)] * (step // MIB - 1))
        assert client.answer().status == 204
    file = next(path for path in Path(server.data_folder / "blobs").rglob("*") if path.is_file())
    assert file.stat().st_size == size
    assert file.stat().st_blocks * 512 <= (size // step) * MIB + MIB
    for start in range(0, size, 4 * step):
        part = server.download(image_id, range=f"bytes={start}-{start + step - 1}")
        assert part.status == 206
        assert part.body == island + bytes(step - MIB)
