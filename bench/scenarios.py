"""What is measured. A scenario is a function with a title; its bar stands in it."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from statistics import median

from bench.client import Job
from bench.listing import fill
from bench.measuring import MIB, PLAIN, Bench, Row, run_client
from bench.targets import Setup, Target, cpu_seconds, memory, peak_memory, reset_peak_memory
from stillage.db.session import make_engine

TLS = Setup(tls=True)
SHA256 = Setup(algorithm="sha256")
WORKERS = Setup(workers=2)
UPLOAD_CPU = 1.15  # times the floor's
DOWNLOAD_CPU = 0.35  # s/GiB
STALL_S = 2.0
WORKER_MEMORY = 150  # MiB
CROWD = 200
CONNECTIONS = 4

Scenario = Callable[[Bench], Row]
SCENARIOS: dict[str, Scenario] = {}


def scenario(run: Scenario) -> Scenario:
    """Register *run* under its name; its docstring is its title."""
    SCENARIOS[run.__name__.replace("_", "-")] = run
    return run


def title_of(run: Scenario) -> str:
    return (run.__doc__ or "").strip().removesuffix(".")


@scenario
def upload(bench: Bench) -> Row:
    """Upload with Content-Length."""
    return bench.upload(bar=0.92, cpu_ratio_bar=UPLOAD_CPU)


@scenario
def upload_sha256(bench: Bench) -> Row:
    """Upload, MD5 and SHA-256."""
    return bench.upload(bar=0.90, cpu_ratio_bar=UPLOAD_CPU, setup=SHA256)


@scenario
def upload_four(bench: Bench) -> Row:
    """Four uploads at once."""
    return bench.upload(bar=0.95, cpu_ratio_bar=UPLOAD_CPU, connections=4)


@scenario
def upload_four_workers(bench: Bench) -> Row:
    """Four uploads at once, two workers."""
    return bench.upload(bar=0.95, cpu_ratio_bar=UPLOAD_CPU, setup=WORKERS, connections=4)


@scenario
def upload_tls(bench: Bench) -> Row:
    """Upload over TLS."""
    return bench.upload(bar=0.75, setup=TLS)


@scenario
def upload_tls_four(bench: Bench) -> Row:
    """Four uploads at once over TLS."""
    return bench.upload(bar=0.75, setup=TLS, connections=4)


@scenario
def upload_chunked(bench: Bench) -> Row:
    """Upload in chunks of 64 KiB."""
    return bench.upload(bar=0.75, chunk=64 * 1024)


@scenario
def upload_chunked_1m(bench: Bench) -> Row:
    """Upload in chunks of 1 MiB."""
    return bench.upload(bar=0.75, chunk=MIB)


@scenario
def upload_zeros(bench: Bench) -> Row:
    """Upload, three quarters zero blocks."""
    return bench.upload(bar=0.85, zeros=True)


@scenario
def download(bench: Bench) -> Row:
    """Download beside a bare sendfile."""
    return bench.download(bar=0.95, cpu_bar=DOWNLOAD_CPU)


@scenario
def download_four(bench: Bench) -> Row:
    """Four downloads at once."""
    return bench.download(bar=0.95, cpu_bar=DOWNLOAD_CPU, connections=4)


@scenario
def download_tls(bench: Bench) -> Row:
    """Download over TLS."""
    return bench.download(bar=0.75, setup=TLS)


@scenario
def download_tls_four(bench: Bench) -> Row:
    """Four downloads at once over TLS."""
    return bench.download(bar=0.75, setup=TLS, connections=4)


@scenario
def memory_upload(bench: Bench) -> Row:
    """Peak memory of an upload four times as large."""
    server = bench.targets.stillage(PLAIN)
    reset_peak_memory(server.pid)
    path = server.new_image()
    try:
        run_client(bench.random_upload(server, PLAIN, path, 4 * bench.size))
    finally:
        server.delete(path)
    return _memory(peak_memory(server.pid))


@scenario
def memory_stalled_download(bench: Bench) -> Row:
    """Peak memory with a client that stops reading."""
    return _stalled(bench, PLAIN)


@scenario
def memory_stalled_download_tls(bench: Bench) -> Row:
    """Peak memory with a client that stops reading, over TLS."""
    return _stalled(bench, TLS)


@scenario
def memory_slow_downloads(bench: Bench) -> Row:
    """Memory that 200 slow downloads cost."""
    return _crowded(bench, PLAIN)


@scenario
def memory_slow_downloads_tls(bench: Bench) -> Row:
    """Memory that 200 slow downloads cost, over TLS."""
    return _crowded(bench, TLS)


@scenario
def latency_slow_downloads(bench: Bench) -> Row:
    """p99 of GET /v2/images/{id} during 200 slow downloads, times that of an idle server."""
    server = bench.targets.stillage(PLAIN)
    with bench.stored(server, PLAIN) as path:
        pairs = []
        for _ in range(bench.rounds):
            idle = bench.ask(server, path.removesuffix("/file"), connections=CONNECTIONS)
            with bench.slow_readers(server, PLAIN, path, CROWD):
                pairs.append((bench.ask(server, path.removesuffix("/file"), connections=CONNECTIONS), idle))
    crowded, idle = (sorted(each.p99_s for each in side)[len(pairs) // 2] for side in zip(*pairs, strict=True))
    note = f"p99 {crowded * 1e3:.1f} ms, idle {idle * 1e3:.1f} ms, {CONNECTIONS} connections"
    return Row(median(a.p99_s / b.p99_s for a, b in pairs), 2, at_most=True, note=note)


@scenario
def latency_uploads(bench: Bench) -> Row:
    """p99 of GET /v2/images/{id} during four uploads."""
    server = bench.targets.stillage(PLAIN)
    paths = [server.new_image() for _ in range(4)]
    job = bench.job(server, PLAIN, verb="PUT", paths=paths, size=4 * bench.size, source=str(bench.random()))
    row = _asked_during(bench, server, PLAIN, job)
    for path in paths:
        server.delete(path)
    return row


@scenario
def latency_downloads_tls(bench: Bench) -> Row:
    """p99 of GET /v2/images/{id} during four downloads over TLS."""
    server = bench.targets.stillage(TLS)
    with bench.stored(server, TLS, 4 * bench.size) as path:
        job = bench.job(server, TLS, verb="GET", paths=[path] * 4, size=4 * bench.size)
        return _asked_during(bench, server, TLS, job)


def _asked_during(bench: Bench, server: Target, setup: Setup, job: Job) -> Row:
    command = [sys.executable, "-m", "bench.client", json.dumps(asdict(job))]
    # What it says of itself, if it is done before we are, is no part of our answer.
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as client:
        try:
            report = bench.ask(server, job.paths[0].removesuffix("/file"), connections=1, setup=setup)
        finally:
            client.terminate()
    return Row(report.p99_s * 1e3, 100, "ms", at_most=True, note=f"median {report.median_s * 1e3:.1f} ms")


@scenario
def get_image(bench: Bench) -> Row:
    """GET /v2/images/{id} on 16 connections."""
    server = bench.targets.stillage(PLAIN)
    path = server.new_image()
    try:
        return _asked(bench, server, path.removesuffix("/file"), 1500)
    finally:
        server.delete(path)


@scenario
def list_images(bench: Bench) -> Row:
    """GET /v2/images?limit=25 on 16 connections, of 10,000 images with 15 properties."""
    server = bench.targets.stillage(PLAIN)
    engine = make_engine(server.database_url)
    fill(engine, 10_000)
    engine.dispose()
    return _asked(bench, server, "/v2/images?limit=25", 400)


def _asked(bench: Bench, server: Target, path: str, bar: float) -> Row:
    spent = cpu_seconds(server.pid)
    reports = [bench.ask(server, path, connections=16) for _ in range(bench.rounds)]
    spent = cpu_seconds(server.pid) - spent
    middle = sorted(reports, key=lambda report: report.requests / report.seconds)[len(reports) // 2]
    each = spent / sum(report.requests for report in reports)
    note = f"median {middle.median_s * 1e3:.1f} ms, p99 {middle.p99_s * 1e3:.1f} ms, CPU {each * 1e3:.2f} ms"
    return Row(middle.requests / middle.seconds, bar, "/s", note=note)


def _stalled(bench: Bench, setup: Setup) -> Row:
    server = bench.targets.stillage(setup)
    with bench.stored(server, setup) as path:
        job = bench.job(server, setup, verb="GET", paths=[path], size=bench.size, stall_after=min(MIB, bench.size))
        reset_peak_memory(server.pid)
        command = [sys.executable, "-m", "bench.client", json.dumps(asdict(job))]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            client.stdout.readline()
            # What it has buffered, it buffers at once; a short wait shows that it goes no further.
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(STALL_S)
            peak = peak_memory(server.pid)
            client.communicate(b"\n")
    return _memory(peak)


def _crowded(bench: Bench, setup: Setup) -> Row:
    server = bench.targets.stillage(setup)
    with bench.stored(server, setup) as path:
        before = memory(server.pid)
        reset_peak_memory(server.pid)
        with bench.slow_readers(server, setup, path, CROWD):
            time.sleep(STALL_S)
            peak = peak_memory(server.pid)
    # The kernel counts roughly: what costs next to nothing may look like less than nothing.
    return replace(_memory(max(0, peak - before)), note=f"{before / MIB:.0f} MiB before")


def _memory(peak: int) -> Row:
    return Row(peak / MIB, WORKER_MEMORY, "MiB", at_most=True)
