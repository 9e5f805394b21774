"""Nothing that a server keeps can be read by others of its machine, whatever umask it was started with."""

import os
import stat
from pathlib import Path

from live_folder import found_below
from server import COMMAND, MakeServer, Server, eventually

WIDE = ("/bin/sh", "-c", 'umask 000; exec "$0" "$@"', str(COMMAND))


def open_to_others(data_folder: Path) -> set[str]:
    """Return what is below the data folder, and the folder itself, that others may read, write or enter."""
    found = set()
    for path, status in found_below(data_folder).items():
        mode = stat.S_IMODE(status.st_mode)
        if mode != (0o700 if stat.S_ISDIR(status.st_mode) else 0o600):
            found.add(f"{path.relative_to(data_folder)}: {mode:04o}")
    return found


def used(server: Server) -> set[str]:
    """Let the server make all that it keeps, and return the names of it."""
    image_id = server.stored(b"bytes")
    assert server.download(image_id).body == b"bytes"
    resumable = server.create()
    opened = server.api("POST", f"/v2/images/{resumable}/uploads", {"size": 9})
    server.api("PUT", opened.json["url"], b"half", content_range="bytes 0-3/9", content_type="application/octet-stream")
    assert server.call("GET", "/readyz").status == 200
    return {path.name for path in found_below(server.data_folder)}


def test_files_are_for_their_owner_alone_whatever_the_umask(own_server: MakeServer) -> None:
    server = own_server(command=WIDE, workers=2, tls=True)
    server.data_folder.chmod(0o777)
    server.settings["audit_file"] = server.data_folder / "audit.log"
    server.start()
    names = used(server)
    kept = {"stillage.db", "stillage.db-wal", "stillage.db-shm", "lock", "node-id", "secret.key", "clouds.yaml"}
    assert names >= kept | {"blobs", "tls", "metrics", "audit.log"}
    assert any(name.endswith(".db") and name.startswith("counter") for name in names), "the workers count"
    assert open_to_others(server.data_folder) == set()


def test_what_an_earlier_start_left_open_is_closed(own_server: MakeServer) -> None:
    server = own_server(command=WIDE, workers=2).start()
    used(server)
    server.kill()
    eventually(lambda: not server.workers, "the workers end with their parent")
    for path in (server.data_folder, *server.data_folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif "blobs" not in path.parts:
            path.chmod(0o644)
    assert open_to_others(server.data_folder)
    server.start()
    assert open_to_others(server.data_folder) == set()
    used(server)
    assert open_to_others(server.data_folder) == set()


def test_commands_beside_a_server_make_no_open_files_either(own_server: MakeServer) -> None:
    server = own_server().start()
    assert server.stop() == 0
    for name in ("stillage.db-wal", "stillage.db-shm"):
        (server.data_folder / name).unlink(missing_ok=True)
    before = os.umask(0)
    try:
        assert server.cli("token")
    finally:
        os.umask(before)
    assert open_to_others(server.data_folder) == set()
