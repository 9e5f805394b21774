"""``python -m bench.uploading``: `stillage upload` against `curl -T`, to a server on this machine, in the same run.

The server and the client share the cores, so CPU seconds of both decide. Bars: with its inspection `stillage upload` is
at least 0.9 times as fast as curl, and the inspection takes at most 5 per cent of its time.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.measuring import GIB, MIB, size_of
from bench.targets import HOST, PASSWORD, Setup, StillageTarget, cpu_seconds
from stillage.cli.server import certificate

SPEED_BAR, INSPECTION_BAR = 0.9, 1.05
CURL, PLAIN, INSPECTED = "curl -T", "stillage upload --no-inspect", "stillage upload"


@dataclass(frozen=True)
class Taken:
    """Seconds of a clock, and of CPU of the server and of the client."""

    seconds: float
    server_s: float
    client_s: float


def timed(server: StillageTarget, command: Sequence[str], env: Mapping[str, str]) -> Taken:
    begun, server_s, client_s = time.monotonic(), cpu_seconds(server.pid), _cpu_of_children()
    subprocess.run(command, check=True, env=os.environ | dict(env), stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begun
    return Taken(seconds, cpu_seconds(server.pid) - server_s, _cpu_of_children() - client_s)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def curl(server: StillageTarget, file: Path) -> Taken:
    path = server.new_image()
    headers = [word for name, value in server.headers.items() for word in ("-H", f"{name}: {value}")]
    url = f"http://{HOST}:{server.port}{path}"
    try:
        return timed(server, ["curl", "--silent", "--fail", "--upload-file", str(file), *headers, url], {})
    finally:
        server.delete(path)


def stillage(server: StillageTarget, file: Path, home: Path, *options: str) -> Taken:
    """Upload as somebody who has never uploaded *file*: what the command remembers is gone."""
    shutil.rmtree(home, ignore_errors=True)
    cloud = {
        "OS_AUTH_URL": f"http://{HOST}:{server.port}/identity/v3",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "demo",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "XDG_STATE_HOME": str(home),
    }
    command = [sys.executable, "-m", "stillage", "upload", str(file), "--json", "--disk-format", "raw", *options]
    taken = timed(server, command, cloud)
    for image in server.images():
        server.delete(f"/v2/images/{image}/file")
    return taken


def measure(home: Path, size: int, rounds: int, setup: Setup) -> int:
    file = home / "disk.raw"
    with file.open("wb") as made:
        for _ in range(size // MIB):
            made.write(os.urandom(MIB))
    server = StillageTarget(home / "server", setup, certificate.ensure(home / "tls", [HOST]))
    ways: dict[str, Callable[[], Taken]] = {
        CURL: lambda: curl(server, file),
        PLAIN: lambda: stillage(server, file, home / "state", "--no-inspect"),
        INSPECTED: lambda: stillage(server, file, home / "state"),
    }
    try:
        runs = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
    finally:
        server.stop()
    return report(size, runs)


def report(size: int, runs: Sequence[Mapping[str, Taken]]) -> int:
    for name in runs[0]:
        seconds, server_s, client_s = (
            median(getattr(run[name], what) for run in runs) for what in ("seconds", "server_s", "client_s")
        )
        cpu = f"CPU {server_s * GIB / size:.2f} s/GiB at the server, {client_s * GIB / size:.2f} here"
        print(f"{name}: {size / seconds / 1e6:.0f} MB/s, {cpu}")
    speed = median(run[CURL].seconds / run[INSPECTED].seconds for run in runs)
    inspection = median(run[INSPECTED].seconds / run[PLAIN].seconds for run in runs)
    print(f"{INSPECTED} against {CURL}: {speed:.2f} (bar {SPEED_BAR})")
    print(f"with inspection against without: {inspection:.2f} (bar {INSPECTION_BAR})")
    return 0 if speed >= SPEED_BAR and inspection <= INSPECTION_BAR else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=size_of, default=GIB)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hash", default=Setup().algorithm, help="the server's algorithm for os_hash_value")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"))
    given = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="stillage-bench-", dir=given.dir))
    try:
        return measure(home, given.size, given.rounds, Setup(algorithm=given.hash))
    finally:
        shutil.rmtree(home)


if __name__ == "__main__":
    sys.exit(main())
