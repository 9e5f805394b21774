"""``python -m bench.importing``: an import from the web against an upload of the same bytes, and many imports at once.

The web server is nginx on this machine. Bars: an import is at least 0.9 times as fast as an upload, and a hundred of
them at once need less than 150 MiB more memory than an idle worker.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import urandom
from pathlib import Path
from statistics import median

from bench.measuring import MIB, size_of
from bench.targets import cpu_seconds, memory, peak_memory, reset_peak_memory

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from server import Server, free_port

NGINX = """\
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; user {user}; worker_processes 1;
events {{ }}
http {{ access_log off; sendfile on; client_body_temp_path {folder}/body;
server {{ listen 127.0.0.1:{port}; root {folder}/files; }} }}
"""
SPEED_BAR, MEMORY_BAR = 0.9, 150 * MIB
MANY, SMALL = 100, 8 * MIB
RAW = {"disk_format": "raw", "container_format": "bare"}


@dataclass(frozen=True)
class Taken:
    """Seconds of a clock, and of CPU of the server."""

    seconds: float
    cpu_s: float


@contextmanager
def nginx(folder: Path, port: int) -> Iterator[str]:
    """A web server for ``folder/files``; yields its URL."""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, user=Path.home().owner()))
    with subprocess.Popen(["nginx", "-p", str(folder), "-c", "nginx.conf"]) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def cpu_of(server: Server) -> float:
    return cpu_seconds(server.pid)


def upload(server: Server, path: Path) -> Taken:
    image_id = server.create(**RAW)
    url = f"{server.url}/v2/images/{image_id}/file"
    headers = ["-H", f"X-Auth-Token: {server.token()}", "-H", "Content-Type: application/octet-stream"]
    words = ["curl", "--silent", "--fail", "--upload-file", str(path), *headers, url]
    begun, cpu = time.monotonic(), cpu_of(server)
    subprocess.run(words, check=True)
    taken = Taken(time.monotonic() - begun, cpu_of(server) - cpu)
    assert server.api("DELETE", f"/v2/images/{image_id}").status == 204
    return taken


def begin(server: Server, url: str) -> str:
    image_id = server.create(**RAW)
    body = {"method": {"name": "web-download", "uri": url}}
    answer = server.api("POST", f"/v2/images/{image_id}/import", body)
    assert answer.status == 202, answer.body
    return image_id


def bring(server: Server, url: str) -> Taken:
    begun, cpu = time.monotonic(), cpu_of(server)
    image_id = begin(server, url)
    while (status := server.show(image_id)["status"]) != "active":
        assert status == "importing", server.show(image_id)
        time.sleep(0.02)
    taken = Taken(time.monotonic() - begun, cpu_of(server) - cpu)
    assert server.api("DELETE", f"/v2/images/{image_id}").status == 204
    return taken


def crowd(server: Server, url: str) -> int:
    """Import `MANY` at once; return by how many bytes the memory of the server grew at most."""
    idle = memory(server.pid)
    reset_peak_memory(server.pid)
    waiting = {begin(server, url) for _ in range(MANY)}
    while waiting:
        waiting = {each for each in waiting if server.show(each)["status"] != "active"}
    return peak_memory(server.pid) - idle


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, default=1024 * MIB)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(dir="/dev/shm" if given.size <= 1024 * MIB else None))
    try:
        return measure(home, given.size, given.rounds)
    finally:
        shutil.rmtree(home)


def measure(home: Path, size: int, rounds: int) -> int:
    files, port = home / "files", free_port()
    files.mkdir()
    with (files / "large").open("wb") as file:
        for _ in range(size // MIB):
            file.write(urandom(MIB))
    (files / "small").write_bytes(urandom(SMALL))
    server = Server(home / "data", import_networks="127.0.0.0/8", import_ports=port, spare_bytes=0)
    with nginx(home, port) as url:
        try:
            server.start()
            pairs = [(upload(server, files / "large"), bring(server, f"{url}/large")) for _ in range(rounds)]
            grown = crowd(server, f"{url}/small")
        finally:
            server.close()
    return report(size, pairs, grown)


def report(size: int, pairs: list[tuple[Taken, Taken]], grown: int) -> int:
    gib = size / (1024 * MIB)
    for number, name in enumerate(("upload", "import")):
        seconds, cpu = (median(getattr(pair[number], what) for pair in pairs) for what in ("seconds", "cpu_s"))
        print(f"{name}: {size / seconds / 1e6:.0f} MB/s, {cpu / gib:.2f} CPU s/GiB")
    ratio = median(sent.seconds / brought.seconds for sent, brought in pairs)
    print(f"import against upload: {ratio:.2f} (bar {SPEED_BAR})")
    print(f"{MANY} imports at once: {grown / MIB:.0f} MiB above idle (bar {MEMORY_BAR // MIB})")
    return 0 if ratio >= SPEED_BAR and grown < MEMORY_BAR else 1


if __name__ == "__main__":
    sys.exit(main())
