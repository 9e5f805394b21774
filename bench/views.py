"""Disks over HTTP: ``python -m bench.views [--data 256MiB] [--rounds 5] [--dir DIR]``.

A server of its own keeps one disk as raw, qcow2 and stream-optimized VMDK, and a sparse one of 128 GiB. Measured are:
downloads of views against the plain download of the same server, in turn; the time to the first byte of a view that
nobody has asked for; random ranges of a compressed disk on one connection; and how small requests fare, and what
memory grows by, while four conversions run. CPU is the server's, for each GiB or request.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from statistics import median, quantiles
from threading import Event, Thread
from typing import NamedTuple

from bench.disks import MEMORY, filled, qemu, timed
from bench.measuring import GIB, MIB, size_of
from bench.targets import cpu_seconds, memory, peak_memory, reset_peak_memory

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from server import Server  # noqa: E402 - needs the path

HUGE = 128 * GIB
RANGE = 64 << 10
RANGES = 2000
VIEWS = (
    *(("qcow2", f"file?disk_format={name}") for name in ("raw", "vhd", "vhdx", "vdi", "vmdk", "qed")),
    ("raw", "file?disk_format=qcow2"),
    ("raw", "file?disk_format=vhd&subformat=fixed"),
    ("streamOptimized", "disk"),
)


class Row(NamedTuple):
    """What came of one measurement. *at_most*: a greater figure is worse."""

    name: str
    figure: float
    bar: float
    unit: str
    note: str
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.figure <= self.bar if self.at_most else self.figure >= self.bar


class Client:
    """One connection to the server, with a token."""

    def __init__(self, server: Server) -> None:
        self._connection = HTTPConnection(*server.address)
        self._headers = {"X-Auth-Token": server.token()}
        self._buffer = memoryview(bytearray(MIB))

    def open(self, path: str, **headers: str) -> HTTPResponse:
        self._connection.request("GET", path, headers=self._headers | headers)
        answer = self._connection.getresponse()
        if answer.status not in (200, 206):
            raise SystemExit(f"GET {path}: {answer.status} {answer.read().decode()}")
        return answer

    def read(self, answer: HTTPResponse) -> int:
        """Read to the end; return how many bytes there were."""
        count = 0
        while got := answer.readinto(self._buffer):
            count += got
        return count

    def close(self) -> None:
        self._connection.close()


class Rate(NamedTuple):
    mb_per_s: float
    cpu_per_gib: float


def rate_of(server: Server, path: str) -> Rate:
    with closing(Client(server)) as client:
        cpu, began = cpu_seconds(server.pid), time.perf_counter()
        count = client.read(client.open(path))
        wall = time.perf_counter() - began
    return Rate(count / 1e6 / wall, (cpu_seconds(server.pid) - cpu) * GIB / count)


def downloads(server: Server, images: dict[str, str], rounds: int) -> Iterator[Row]:
    for source, view in VIEWS:
        paths = f"{images[source]}/file", f"{images[source]}/{view}"
        rates = [[rate_of(server, path) for path in paths] for _ in range(rounds + 1)][1:]
        plain, seen = ([rate[which] for rate in rates] for which in (0, 1))
        speeds = [median(rate.mb_per_s for rate in each) for each in (plain, seen)]
        costs = [median(rate.cpu_per_gib for rate in each) for each in (plain, seen)]
        note = f"{speeds[1]:.0f} of {speeds[0]:.0f} MB/s, CPU {costs[1]:.2f} of {costs[0]:.2f} s for each GiB"
        # What is stored compressed has to be expanded; it is told, without an aim.
        yield Row(f"{source} {view}", speeds[1] / speeds[0], 0.0 if source == "streamOptimized" else 0.8, "", note)


def first_byte(server: Server, images: dict[str, str]) -> Iterator[Row]:
    times = []
    for view in ("disk", "file?disk_format=vhdx", "file?disk_format=vhd&subformat=fixed", "file?disk_format=vdi"):
        with closing(Client(server)) as client:
            began = time.perf_counter()
            client.open(f"{images['huge']}/{view}").read(1)
            times.append(time.perf_counter() - began)
    note = ", ".join(f"{taken * 1e3:.0f} ms" for taken in times)
    yield Row("first byte of a view of 128 GiB", max(times), 0.3, "s", note, at_most=True)


def random_ranges(server: Server, images: dict[str, str], size: int) -> Iterator[Row]:
    path, taken, chosen = f"{images['streamOptimized']}/disk", [], random.Random(18)
    with closing(Client(server)) as client:
        cpu = cpu_seconds(server.pid)
        for _ in range(RANGES):
            first = chosen.randrange(0, size - RANGE)
            began = time.perf_counter()
            client.read(client.open(path, Range=f"bytes={first}-{first + RANGE - 1}"))
            taken.append(time.perf_counter() - began)
        cpu = (cpu_seconds(server.pid) - cpu) / RANGES
    note = f"p99 {quantiles(taken, n=100)[98] * 1e3:.1f} ms, CPU {cpu * 1e3:.2f} ms for each"
    yield Row("random ranges of streamOptimized", RANGES / sum(taken), 500, "/s", note)
    yield Row("… median", median(taken) * 1e3, 3.0, "ms", note, at_most=True)


def meanwhile(server: Server, images: dict[str, str]) -> Iterator[Row]:
    """Small requests while four disks are converted."""
    idle, stop, taken = memory(server.pid), Event(), []
    reset_peak_memory(server.pid)

    def convert(view: str) -> None:
        with closing(Client(server)) as client:
            client.read(client.open(f"{images['streamOptimized']}/file?disk_format={view}"))

    threads = [Thread(target=convert, args=(view,)) for view in ("zvhd2", "qcow2", "zvhd2", "vhdx")]
    for thread in threads:
        thread.start()

    def ask() -> None:
        with closing(Client(server)) as client:
            while not stop.is_set():
                began = time.perf_counter()
                client.open(images["raw"]).read()
                taken.append(time.perf_counter() - began)
                time.sleep(0.005)

    asking = Thread(target=ask)
    asking.start()
    for thread in threads:
        thread.join()
    stop.set()
    asking.join()
    note = f"{len(taken)} requests, median {median(taken) * 1e3:.1f} ms"
    yield Row("GET of an image, p99", quantiles(taken, n=100)[98] * 1e3, 100, "ms", note, at_most=True)
    yield Row("memory above idle", (peak_memory(server.pid) - idle) / MIB, 150, "MiB", "", at_most=True)


def stored(server: Server, path: Path, disk_format: str) -> str:
    """Upload a file; return the path of the image."""
    record = {"name": path.name, "disk_format": disk_format, "container_format": "bare"}
    image_id = server.api("POST", "/v2/images", record).json["id"]
    with closing(HTTPConnection(*server.address)) as connection, path.open("rb") as file:
        headers = {"X-Auth-Token": server.token(), "Content-Type": "application/octet-stream"}
        connection.request("PUT", f"/v2/images/{image_id}/file", file, headers)
        if (answer := connection.getresponse()).status != 204:
            raise SystemExit(f"upload of {path.name}: {answer.status} {answer.read().decode()}")
    return f"/v2/images/{image_id}"


def prepared(server: Server, folder: Path, data: int) -> tuple[dict[str, str], int]:
    """Return the paths of the images by their names, and the bytes of the disk."""
    raw, huge = filled(folder, data), folder / "huge"
    images = {"raw": stored(server, raw, "raw")}
    for kind, disk_format in (("qcow2", "qcow2"), ("streamOptimized", "vmdk")):
        path = folder / kind
        timed(qemu("raw", raw, kind, path), path)
        images[kind] = stored(server, path, disk_format)
        path.unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", huge, str(HUGE)], check=True)
    writes = [word for at in range(0, 128, 2) for word in ("-c", f"write {at}G 1M")]
    subprocess.run(["qemu-io", *writes, huge], check=True, stdout=subprocess.DEVNULL)
    images["huge"] = stored(server, huge, "qcow2")
    return images, raw.stat().st_size


def rows(server: Server, folder: Path, data: int, rounds: int) -> Iterator[Row]:
    images, size = prepared(server, folder, data)
    yield from first_byte(server, images)  # before anybody has asked for one
    yield from random_ranges(server, images, size)
    yield from downloads(server, images, rounds)
    yield from meanwhile(server, images)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.views", description=__doc__)
    parser.add_argument("--data", type=size_of, default=256 * MIB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=MEMORY if MEMORY.is_dir() else None)
    given = parser.parse_args()
    met = True
    with tempfile.TemporaryDirectory(dir=given.dir) as name:
        server = Server(Path(name) / "data", workers=1, scrub_every_s=0).start()
        try:
            for row in rows(server, Path(name), given.data, given.rounds):
                met &= row.is_met
                aim = f"{'≤' if row.at_most else '≥'} {row.bar:g}" if row.bar else ""
                missed = "" if row.is_met else "MISSED"
                print(f"{row.name:<42} {row.figure:8.2f} {row.unit:<4} {aim:<7} {row.note} {missed}", flush=True)
        finally:
            server.close()
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
