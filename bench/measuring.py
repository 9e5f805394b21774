"""Running one thing against Stillage and the floor in turn, and what came of it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from os import urandom
from pathlib import Path
from statistics import median
from typing import Any

from bench.client import Job, Report
from bench.load import Load, LoadReport
from bench.slow import Crowd
from bench.targets import Setup, Target, Targets, cpu_seconds

MIB = 1 << 20
GIB = 1 << 30
UNITS = {"KiB": 1 << 10, "MiB": MIB, "GiB": GIB}
PIECE = 64 * 1024
SOURCE = 256 * MIB
PLAIN = Setup()


def size_of(text: str) -> int:
    """Return the bytes that an argument such as ``512MiB`` says."""
    for unit, factor in UNITS.items():
        if text.endswith(unit):
            return int(float(text.removesuffix(unit)) * factor)
    return int(text)


@dataclass(frozen=True)
class Rate:
    """How bytes went through a server. `cpu` is CPU seconds of the server process for each GiB."""

    mb_per_s: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """The outcome of a scenario.

    Attributes:
        figure: What the bar is for: Stillage's part of the floor's speed, or an amount of `unit`.
        bar: The least, or with `at_most` the greatest, that is good.
        cpu_ratio: Stillage's CPU time over the floor's.
        cpu_ratio_bar: The greatest of it that is good.
        cpu_bar: The most CPU seconds for each GiB that are good.
        note: What else was seen.
    """

    figure: float
    bar: float
    unit: str = ""
    at_most: bool = False
    stillage: Rate | None = None
    floor: Rate | None = None
    cpu_ratio: float | None = None
    cpu_ratio_bar: float | None = None
    cpu_bar: float | None = None
    note: str = ""

    @property
    def is_good(self) -> bool:
        fast = self.figure <= self.bar if self.at_most else self.figure >= self.bar
        return fast and self._is_cheap

    @property
    def _is_cheap(self) -> bool:
        if self.cpu_ratio_bar is not None and (self.cpu_ratio or 0) > self.cpu_ratio_bar:
            return False
        return self.cpu_bar is None or self.stillage is None or self.stillage.cpu <= self.cpu_bar


@dataclass(frozen=True)
class Bench:
    """What a scenario works with.

    Attributes:
        size: Of an image, in bytes.
        rounds: Of which each figure is the median.
        seconds: How long to ask for small things in each round.
    """

    targets: Targets
    folder: Path
    size: int
    rounds: int
    seconds: float

    def upload(
        self,
        *,
        bar: float,
        cpu_ratio_bar: float | None = None,
        setup: Setup = PLAIN,
        connections: int = 1,
        chunk: int | None = None,
        zeros: bool = False,
    ) -> Row:
        """Compare uploads of *connections* images at once."""
        source = self._zeros() if zeros else self.random()

        def measure(server: Target) -> Rate:
            with _images(server, connections) as paths:
                return self._transfer(server, setup, "PUT", paths, source=source, chunk=chunk)

        return replace(self._compare(setup, measure, bar), cpu_ratio_bar=cpu_ratio_bar)

    def download(self, *, bar: float, setup: Setup = PLAIN, connections: int = 1, cpu_bar: float | None = None) -> Row:
        """Compare downloads of one image on *connections* connections at once.

        Both send the very same file: where its pages lie in memory counts for more than who sends them.
        """
        stored: dict[int, str] = {}

        def measure(server: Target) -> Rate:
            return self._transfer(server, setup, "GET", [stored[server.pid]] * connections)

        ours, floor = self.targets.stillage(setup), self.targets.floor(setup)
        with self.stored(ours, setup) as stored[ours.pid]:
            stored[floor.pid] = floor.adopt(ours.newest_blob())
            try:
                return replace(self._compare(setup, measure, bar), cpu_bar=cpu_bar)
            finally:
                floor.delete(stored[floor.pid])

    @contextmanager
    def stored(self, server: Target, setup: Setup, size: int | None = None) -> Iterator[str]:
        """An image with its bytes, *size* of them or as many as usual, for a while."""
        with _images(server, 1) as paths:
            run_client(self.random_upload(server, setup, paths[0], size or self.size))
            yield paths[0]

    def job(self, server: Target, setup: Setup, **rest: object) -> Job:
        return Job(port=server.port, tls=setup.tls, headers=server.headers, **rest)  # type: ignore[arg-type]

    def random_upload(self, server: Target, setup: Setup, path: str, size: int) -> Job:
        return self.job(server, setup, verb="PUT", paths=[path], size=size, source=str(self.random()))

    def ask(self, server: Target, path: str, *, connections: int, setup: Setup = PLAIN) -> LoadReport:
        """Ask for *path* again and again."""
        load = Load(server.port, path, server.headers, connections, self.seconds, setup.tls)
        return LoadReport(**_answer_of("bench.load", json.dumps(asdict(load))))

    @contextmanager
    def slow_readers(self, server: Target, setup: Setup, path: str, readers: int) -> Iterator[None]:
        """So many downloads of *path*, each of which takes little."""
        crowd = Crowd(server.port, setup.tls, path, server.headers, readers)
        command = [sys.executable, "-m", "bench.slow", json.dumps(asdict(crowd))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            if not client.stdout.readline():
                raise RuntimeError("the slow clients could not begin")
            try:
                yield
            finally:
                client.communicate()

    def _compare(self, setup: Setup, measure: Callable[[Target], Rate], bar: float) -> Row:
        ours, floor = self.targets.stillage(setup), self.targets.floor(setup)
        pairs = [(measure(ours), measure(floor)) for _ in range(self.rounds)]
        return Row(
            median(a.mb_per_s / b.mb_per_s for a, b in pairs),
            bar,
            stillage=_middle([a for a, _ in pairs]),
            floor=_middle([b for _, b in pairs]),
            cpu_ratio=median(a.cpu / b.cpu for a, b in pairs) if all(b.cpu for _, b in pairs) else None,
        )

    def _transfer(
        self,
        server: Target,
        setup: Setup,
        verb: str,
        paths: list[str],
        *,
        source: Path | None = None,
        chunk: int | None = None,
    ) -> Rate:
        job = self.job(
            server, setup, verb=verb, paths=paths, size=self.size, source=source and str(source), chunk=chunk
        )
        before = cpu_seconds(server.pid)
        report = run_client(job)
        spent = cpu_seconds(server.pid) - before
        return Rate(report.size / report.seconds / 1e6, spent / (report.size / GIB))

    def random(self) -> Path:
        """A file of bytes that nothing can leave out."""
        return self._source("random", lambda: urandom(PIECE))

    def _zeros(self) -> Path:
        """Three quarters of zero blocks."""
        return self._source("zeros", lambda: urandom(PIECE) + bytes(3 * PIECE))

    def _source(self, name: str, piece: Callable[[], bytes]) -> Path:
        path = self.folder / name
        if not path.exists():
            with path.open("wb") as file:
                while file.tell() < min(SOURCE, self.size):
                    file.write(piece())
        return path


def run_client(job: Job) -> Report:
    return Report(**_answer_of("bench.client", json.dumps(asdict(job))))


def _answer_of(module: str, argument: str) -> dict[str, Any]:
    """Run *module* in a process of its own; its errors go where ours go."""
    done = subprocess.run([sys.executable, "-m", module, argument], stdout=subprocess.PIPE, check=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def _images(server: Target, count: int) -> Iterator[list[str]]:
    paths = [server.new_image() for _ in range(count)]
    try:
        yield paths
    finally:
        for path in paths:
            server.delete(path)


def _middle(rates: list[Rate]) -> Rate:
    return Rate(median(rate.mb_per_s for rate in rates), median(rate.cpu for rate in rates))
