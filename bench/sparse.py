"""One huge image that is nearly empty: ``python -m bench.sparse [--size 127GiB] [--data 1GiB] [--dir DIR] [--json]``.

Uploads it to a server of its own, measuring the server's memory, looks how much of the disk it takes, and downloads it
again, comparing every byte. Its size is declared if the disk has room for it, as a larger one is refused;
otherwise, or with ``--chunked``, it comes in chunks. Memory and disk are the figures here; the speed is only told.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path

from rich.console import Console

from bench.measuring import GIB, MIB, PLAIN, size_of
from bench.scenarios import WORKER_MEMORY
from bench.targets import HOST, Target, Targets, memory, peak_memory, reset_peak_memory

ZEROS = bytes(MIB)
POINTS = 24  # of the memory curve
LOOK_EVERY_S = 0.05
SPARE = 2 * GIB  # the server wants to keep some room
DISK_BAR = 1.02  # times the data: the file system keeps records of its own


@dataclass(frozen=True)
class Image:
    """*size* bytes, of which *data* are not zero: single MiB, equally far from one another."""

    size: int
    data: int

    def blocks(self) -> Iterator[bytes]:
        count, full = self.size // MIB, self.data // MIB
        for number in range(count):
            holds_data = number * full // count != (number + 1) * full // count
            # With its number, so that no two are the same.
            yield number.to_bytes(8, "big") + self._random if holds_data else ZEROS

    @cached_property
    def _random(self) -> bytes:
        return os.urandom(MIB - 8)


@dataclass
class Report:
    """Sizes in bytes.

    Attributes:
        declared: Whether its size was.
        curve: The server's memory: bytes sent so far, bytes resident.
        disk: What the stored image takes.
    """

    size: int
    data: int
    declared: bool
    curve: list[tuple[int, int]]
    peak_memory: int = 0
    disk: int = 0
    upload_s: float = 0
    download_s: float = 0

    @property
    def is_good(self) -> bool:
        return self.disk <= DISK_BAR * self.data and self.peak_memory <= WORKER_MEMORY * MIB


@dataclass
class Sending:
    server: Target
    path: str
    image: Image
    declared: bool
    sent: int = 0

    def run(self) -> None:
        connection = HTTPConnection(HOST, self.server.port)
        connection.putrequest("PUT", self.path)
        for name, value in self.server.headers.items():
            connection.putheader(name, value)
        name, value = ("Content-Length", str(self.image.size)) if self.declared else ("Transfer-Encoding", "chunked")
        connection.putheader(name, value)
        connection.endheaders()
        for block in self.image.blocks():
            if not self.declared:
                connection.send(b"%x\r\n" % len(block))
            connection.send(block)
            if not self.declared:
                connection.send(b"\r\n")
            self.sent += len(block)
        if not self.declared:
            connection.send(b"0\r\n\r\n")
        answer = connection.getresponse()
        if answer.status != 204:
            raise ConnectionError(f"{answer.status} {answer.read().decode()}")
        connection.close()


def compare(server: Target, path: str, image: Image) -> None:
    """Download *image*; ConnectionError if a byte is not what it was."""
    connection = HTTPConnection(HOST, server.port)
    connection.request("GET", path, headers=server.headers)
    answer = connection.getresponse()
    if answer.status != 200 or answer.length != image.size:
        raise ConnectionError(f"{answer.status}, {answer.length} bytes")
    buffer = bytearray(MIB)
    for number, block in enumerate(image.blocks()):
        if answer.readinto(buffer) != len(block) or buffer != block:
            raise ConnectionError(f"the download differs in MiB {number}")
    connection.close()


def measure(folder: Path, image: Image, *, declared: bool) -> Report:
    with Targets(folder) as targets:
        server = targets.stillage(PLAIN)
        path = server.new_image()
        report = Report(image.size, image.data, declared, [])
        sending = Sending(server, path, image, declared)
        reset_peak_memory(server.pid)
        begun = time.perf_counter()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(sending.run)
            while not running.done():
                if sending.sent >= len(report.curve) * image.size // POINTS:
                    report.curve.append((sending.sent, memory(server.pid)))
                time.sleep(LOOK_EVERY_S)
            running.result()
        report.upload_s = time.perf_counter() - begun
        report.peak_memory = peak_memory(server.pid)
        report.disk = server.newest_blob().stat().st_blocks * 512
        begun = time.perf_counter()
        compare(server, path, image)
        report.download_s = time.perf_counter() - begun
        return report


def show(report: Report, console: Console) -> None:
    most = max(resident for _, resident in report.curve)
    for sent, resident in report.curve:
        bar = "█" * round(40 * resident / most)
        console.print(f"{sent / GIB:7.1f} GiB sent {resident / MIB:5.0f} MiB {bar}", highlight=False)
    how = "its size declared" if report.declared else "in chunks"
    verdict = "[green]ok[/]" if report.is_good else "[red]missed[/]"
    console.print(
        f"{report.size / GIB:g} GiB with {report.data / GIB:g} GiB of data, {how}: peak memory"
        f" {report.peak_memory / MIB:.0f} MiB (bar {WORKER_MEMORY}), {report.disk / GIB:.3f} GiB of disk (bar"
        f" {DISK_BAR} of the data); up in {report.upload_s:.0f} s, {report.size / report.upload_s / 1e6:,.0f} MB/s;"
        f" down in {report.download_s:.0f} s, every byte compared: {verdict}",
        highlight=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=size_of, default=127 * GIB)
    parser.add_argument("--data", type=size_of, default=GIB)
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--chunked", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stillage-bench-", dir=options.dir) as folder:
        has_room = shutil.disk_usage(folder).free > options.size + SPARE
        report = measure(Path(folder), Image(options.size, options.data), declared=has_room and not options.chunked)
    if options.json:
        print(json.dumps(asdict(report)))
    else:
        show(report, Console())


if __name__ == "__main__":
    main()
