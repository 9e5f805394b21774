"""Small requests against a bare aiohttp that answers the same bytes: ``make bench-requests``.

    python -m bench.small_requests [--engine sqlite|postgresql] [--images 10000] [--rounds 5] [--seconds 3]
    python -m bench.small_requests --against 1000000 …

wrk asks on 16 connections, with a token, one worker on either side. A figure is the median of the rounds' ratios: in
each round Stillage and the bare server are asked one after the other. With ``--against`` the other is no bare server,
but Stillage with so many images.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from subprocess import DEVNULL
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from bench.client import Job
from bench.listing import COLUMNS, Seed, fill, put
from bench.targets import HOST, PASSWORD, BareTarget, Setup, StillageTarget, login
from postgres import TEMPLATE, postgres_server
from stillage.cli.server import certificate
from stillage.db.session import make_engine

Meanwhile = Callable[["Run"], AbstractContextManager[None]]

CONNECTIONS = 16
UPLOADS = 4
UPLOAD_PIECE = 32 << 20
UPLOAD_AT_MOST = 500 << 20
"""Bytes that no machine hashes in a second, on one of four connections."""
LOGIN = json.dumps(login("admin", PASSWORD, "demo"))
PATCH_TYPE = "application/openstack-images-v2.1-json-patch"
RECORDS = 4000
"""Records that are made before each round of requests that need one each."""
MORE_IMAGES_BAR = 0.8
SPARE = 40_000
"""Ids that the bare server is asked for in such a round."""


@dataclass(frozen=True)
class Request:
    """What wrk sends, again and again.

    Attributes:
        path: ``%s`` in it is the id of a record that was made for this; each is asked for once.
        bar: The least part of the bare server's rate, by engine.
    """

    title: str
    path: str
    bar: Mapping[str, float]
    verb: str = "GET"
    body: str = ""
    content_type: str = "application/json"
    status: int = 200

    @property
    def needs_records(self) -> bool:
        return "%s" in self.path


def both(bar: float) -> Mapping[str, float]:
    return {"sqlite": bar, "postgresql": bar}


@dataclass(frozen=True)
class Seen:
    """What wrk said. *p99_ms* of the latency of one request."""

    per_s: float
    p99_ms: float


def requests_for(image: str) -> list[Request]:
    """The requests with a bar. *image*: the id of a record that is shown and changed."""
    middle = Seed(5000)
    listed = "/v2/images?limit=25"
    changed = json.dumps([{"op": "replace", "path": "/min_ram", "value": 512}])
    new = json.dumps({"name": "bench", "disk_format": "raw", "container_format": "bare"})
    return [
        Request("GET /v2/images/{id}", f"/v2/images/{image}", {"sqlite": 0.15, "postgresql": 0.10}),
        Request("GET /v2/images?limit=25", listed, both(0.05)),
        Request("… by name", f"{listed}&name=web-{middle.number // 4:07}", both(0.05)),
        Request("… by tag", f"{listed}&tag=nightly", both(0.05)),
        Request("… by property", f"{listed}&os_distro=distro-0", both(0.05)),
        Request("GET /v2/cloudimages?limit=25", "/v2/cloudimages?limit=25", both(0.05)),
        Request("… by platform", "/v2/cloudimages?limit=25&__platform=Other", both(0.05)),
        Request("POST /v2/images", "/v2/images", both(0.05), verb="POST", body=new, status=201),
        Request("PATCH", "/v2/images/%s", both(0.04), verb="PATCH", body=changed, content_type=PATCH_TYPE),
        Request("DELETE", "/v2/images/%s", both(0.04), verb="DELETE", status=204),
    ]


@dataclass
class Run:
    """One engine, with so many images."""

    folder: Path
    server: StillageTarget
    engine: Engine
    rounds: int
    seconds: int
    stack: ExitStack
    numbers: Iterator[int] = field(default_factory=count)

    def measure(self, request: Request) -> tuple[float, Seen, Seen]:
        """Return the ratio, and the medians of Stillage and of the bare server."""
        spare = [str(uuid4()) for _ in range(SPARE)] if request.needs_records else None
        bare = BareTarget(self.folder / f"bare-{next(self.numbers)}", request.status, self._answer_to(request))
        try:
            pairs = [
                (self.ask(self.server.port, request, self.records(request)), self.ask(bare.port, request, spare))
                for _ in range(self.rounds)
            ]
        finally:
            bare.stop()
        return (
            median(a.per_s / b.per_s for a, b in pairs),
            _middle([a for a, _ in pairs]),
            _middle([b for _, b in pairs]),
        )

    def ask(self, port: int, request: Request, ids: list[str] | None = None) -> Seen:
        script = self.folder / "request.lua"
        script.write_text(self._script(request, ids or [str(uuid4())]))
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", "--latency", "-s", str(script)]
        done = subprocess.run([*command, f"http://{HOST}:{port}"], capture_output=True, text=True, check=True)
        if failed := re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", done.stdout):
            raise RuntimeError(f"{request.title}: {failed[0]}")
        return seen(done.stdout)

    def new_record(self) -> str:
        return self.server.new_image().removesuffix("/file").rpartition("/")[2]

    def records(self, request: Request) -> list[str] | None:
        if not request.needs_records:
            return None
        ids = [str(uuid4()) for _ in range(RECORDS)]
        owner = self.server.project
        rows = [(uuid, owner, "record", *Seed(2).row()[3:]) for uuid in ids]
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            put(connection, "images", COLUMNS, rows)
        return ids

    def _answer_to(self, request: Request) -> bytes:
        """What the bare server is to answer: what Stillage does."""
        records = self.records(request) or [""]
        path = request.path.replace("%s", records[0])
        document = json.loads(request.body) if request.body else None
        _, content = self.server.call(request.verb, path, document, {"Content-Type": request.content_type})
        return content

    def _script(self, request: Request, ids: list[str]) -> str:
        """Each id is asked for once; when they have run out, nothing is asked any more."""
        headers = self.server.headers | {"Content-Type": request.content_type}
        verb, path = json.dumps(request.verb), json.dumps(request.path)
        lines = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()]
        lines += [f"wrk.body = {json.dumps(request.body)}", "function request()"]
        if "%s" in request.path:
            lines.insert(0, f"ids, asked = {{{', '.join(map(json.dumps, ids))}}}, 0")
            lines += ["asked = asked + 1", "if asked >= #ids then wrk.thread:stop() end"]
            path = f"string.format({path}, ids[asked])"
        return "\n".join([*lines, f"return wrk.format({verb}, {path})", "end", ""])


def seen(output: str) -> Seen:
    """Return what wrk's *output* says."""
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if rate is None or p99 is None:
        raise RuntimeError(f"wrk said nothing that we know: {output}")
    return Seen(float(rate[1]), float(p99[1]) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[p99[2]])


def _middle(seen: list[Seen]) -> Seen:
    return Seen(median(one.per_s for one in seen), median(one.p99_ms for one in seen))


# What else happens meanwhile


@contextmanager
def uploading(run: Run) -> Iterator[None]:
    """Four uploads at full speed, for longer than one round."""
    source = run.folder / "random"
    source.write_bytes(os.urandom(UPLOAD_PIECE))
    paths = [run.server.new_image() for _ in range(UPLOADS)]
    size = run.seconds * UPLOAD_AT_MOST
    job = Job(run.server.port, False, "PUT", paths, run.server.headers, size, str(source))
    with subprocess.Popen([sys.executable, "-m", "bench.client", json.dumps(asdict(job))], stdout=DEVNULL) as client:
        try:
            yield
        finally:
            client.terminate()


@contextmanager
def logging_in(run: Run) -> Iterator[None]:
    """Logins with a password, one after the other, on two connections."""
    script = run.folder / "login.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = {json.dumps(LOGIN)}\n'
    )
    url = f"http://{HOST}:{run.server.port}/identity/v3/auth/tokens"
    command = ["wrk", "-t1", "-c2", f"-d{run.seconds + 5}s", "-s", str(script), url]
    with subprocess.Popen(command, stdout=DEVNULL) as client:
        try:
            yield
        finally:
            client.terminate()


def disturbed(run: Run, request: Request, meanwhile: Meanwhile) -> tuple[Seen, Seen]:
    """Return what *request* sees with nothing else going on, and *meanwhile*."""
    pairs = []
    for _ in range(run.rounds):
        quiet = run.ask(run.server.port, request)
        with meanwhile(run):
            pairs.append((quiet, run.ask(run.server.port, request)))
    return _middle([quiet for quiet, _ in pairs]), _middle([busy for _, busy in pairs])


@contextmanager
def running(engine_name: str, images: int, *, workers: int, rounds: int, seconds: int) -> Iterator[Run]:
    """A server with *images* records, of which two of five belong to whoever asks."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-bench-")))
        url = None
        if engine_name == "postgresql":
            url = stack.enter_context(stack.enter_context(postgres_server()).fresh(TEMPLATE))
        made = certificate.ensure(folder / "tls", [HOST])
        server = StillageTarget(folder / "server", Setup(workers=workers), made, database_url=url)
        stack.callback(server.stop)
        engine = make_engine(server.database_url)
        stack.callback(engine.dispose)
        fill(engine, images, lab=server.project)
        yield Run(folder, server, engine, rounds, seconds, stack)


def table(run: Run, engine_name: str, images: int, image: str) -> Table:
    shown = Table(title=f"{engine_name}, {images:,} images, {CONNECTIONS} connections")
    for heading in ("request", "Stillage/s", "p99 ms", "bare/s", "ratio", "bar", ""):
        shown.add_column(heading, justify="left" if heading in ("request", "") else "right")
    for request in requests_for(image):
        ratio, ours, bare = run.measure(request)
        bar = request.bar[engine_name]
        cells = [f"{ours.per_s:,.0f}", f"{ours.p99_ms:.1f}", f"{bare.per_s:,.0f}", f"{ratio:.3f}", f"≥ {bar:.2f}"]
        shown.add_row(request.title, *cells, "ok" if ratio >= bar else "missed")
    return shown


def comparison(engine_name: str, few: int, many: int, rounds: int, seconds: int) -> Table:
    """Return how often requests are answered with *many* images, in relation to *few*."""
    shown = Table(title=f"{engine_name}, {many:,} images in relation to {few:,}, {CONNECTIONS} connections")
    for heading in ("request", f"{few:,}: 1/s", f"{many:,}: 1/s", "ratio", ""):
        shown.add_column(heading, justify="left" if heading in ("request", "") else "right")
    with ExitStack() as stack:
        small, large = (
            stack.enter_context(running(engine_name, images, workers=1, rounds=rounds, seconds=seconds))
            for images in (few, many)
        )
        for here, there in zip(requests_for(small.new_record()), requests_for(large.new_record()), strict=True):
            sides = ((small, here), (large, there))
            pairs = [
                tuple(run.ask(run.server.port, request, run.records(request)) for run, request in sides)
                for _ in range(rounds)
            ]
            ratio = median(b.per_s / a.per_s for a, b in pairs)
            cells = [f"{_middle([pair[which] for pair in pairs]).per_s:,.0f}" for which in (0, 1)]
            shown.add_row(here.title, *cells, f"{ratio:.2f}", "ok" if ratio >= MORE_IMAGES_BAR else "missed")
    return shown


def print_disturbances(console: Console, run: Run, image: str) -> None:
    get = requests_for(image)[0]
    for title, meanwhile in (("four uploads", uploading), ("logins", logging_in)):
        quiet, busy = disturbed(run, get, meanwhile)
        console.print(f"{get.title}: p99 {quiet.p99_ms:.1f} ms alone, {busy.p99_ms:.1f} ms during {title}")


def print_workers(console: Console, engine_name: str, images: int, rounds: int, seconds: int) -> None:
    rates = []
    for workers in (1, 2):
        with running(engine_name, images, workers=workers, rounds=rounds, seconds=seconds) as run:
            get = requests_for(run.new_record())[0]
            rates.append(_middle([run.ask(run.server.port, get) for _ in range(rounds)]).per_s)
    console.print(f"{engine_name}: two workers answer {rates[1] / rates[0]:.2f} times as often as one")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--against", type=int, metavar="IMAGES", help="compare with so many, in place of a bare server")
    options = parser.parse_args()
    console = Console(width=110)
    for engine_name in options.engine or ["sqlite", "postgresql"]:
        if options.against is not None:
            console.print(comparison(engine_name, options.images, options.against, options.rounds, options.seconds))
            continue
        with running(engine_name, options.images, workers=1, rounds=options.rounds, seconds=options.seconds) as run:
            image = run.new_record()
            console.print(table(run, engine_name, options.images, image))
            print_disturbances(console, run, image)
        print_workers(console, engine_name, options.images, options.rounds, options.seconds)


if __name__ == "__main__":
    main()
