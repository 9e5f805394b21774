"""``python -m bench.jobs``: what it costs to wait for jobs, and how soon one begins.

Two engines of two nodes on one database. The time until a job begins is taken from the moment it is asked for, on the
node that was asked and on another. What an engine costs that has nothing to do is CPU time and transactions.
"""

import argparse
import asyncio
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from uuid import uuid4

import structlog
from sqlalchemy import text

from stillage.db import schema
from stillage.db.clock import now
from stillage.db.job_runs import JobLimits
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database, make_engine
from stillage.ids import JobId, ProjectId, UserId
from stillage.images.job import Job, NewJob
from stillage.jobs.engine import Engine
from stillage.operations.jobs import Queue
from stillage.operations.running import Kind, Result, Run

SAME_BAR_S, OTHER_BAR_S = 0.1, 1.2
CPU_BAR_S, TRANSACTIONS_BAR = 0.3, 2.0
"""Of one idle engine: CPU seconds a minute, transactions a second."""


async def report(_: Job) -> None:
    pass


class Node:
    """*kind*: of the jobs that it runs; None for a node that runs none."""

    def __init__(self, url: str, name: str, kind: str | None) -> None:
        self.begun: dict[str, float] = {}
        self.news = asyncio.Event()
        self.database = Database(url)
        self.queue = Queue(self.database, clock=now, report=report)
        self.kind = kind
        self.engine = Engine(
            self.database,
            self.queue,
            {kind: Kind(self.work)} if kind else {},
            owner=LeaseOwner.parse(f"{name}/1"),
            clock=now,
            limits=JobLimits(8),
            report=report,
            gauge=lambda _: None,
        )

    async def work(self, run: Run) -> Result:
        self.begun[run.job.id] = time.perf_counter()
        self.news.set()
        return None


@asynccontextmanager
async def two_nodes(url: str) -> AsyncIterator[tuple[Node, Node]]:
    here, there = Node(url, "here", "here"), Node(url, "there", "there")
    async with here.engine.running(), there.engine.running():
        yield here, there
    for node in (here, there):
        node.database.close()


async def start_s(asked: Node, runs: Node) -> float:
    """Return how long it takes until a job that *asked* accepts begins on *runs*."""
    job_id = JobId(str(uuid4()))
    runs.news.clear()
    asked_at = time.perf_counter()
    await asked.queue.enqueue(NewJob(job_id, str(runs.kind), ProjectId("bench"), UserId("bench")))
    while job_id not in runs.begun:
        await runs.news.wait()
        runs.news.clear()
    return runs.begun[job_id] - asked_at


def p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def transactions(url: str) -> int:
    """How many the database has had; 0 with SQLite."""
    if url.startswith("sqlite"):
        return 0
    engine = make_engine(url)
    query = text("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")
    with engine.connect() as connection:
        count = int(connection.execute(query).scalar_one())
    engine.dispose()
    return count


async def measure(url: str, idle_s: float, count: int) -> bool:
    """Print the figures; return whether all are within the bars."""
    async with two_nodes(url) as (here, there):
        same = p95([await start_s(here, here) for _ in range(count)])
        other = p95([await start_s(here, there) for _ in range(count)])
        await asyncio.sleep(2)  # what statistics are late with
        before = transactions(url), cpu_s(), time.monotonic()
        await asyncio.sleep(idle_s)
        seconds = time.monotonic() - before[2]
        cpu = (cpu_s() - before[1]) / 2 / seconds * 60
        await asyncio.sleep(2)
        asked = (transactions(url) - before[0]) / 2 / (seconds + 2)
    print(f"  start on the same node, p95: {same * 1000:.0f} ms (bar {SAME_BAR_S * 1000:.0f} ms)")
    print(f"  start on another node, p95: {other * 1000:.0f} ms (bar {OTHER_BAR_S * 1000:.0f} ms)")
    print(f"  idle, each engine: {cpu:.2f} CPU s a minute (bar {CPU_BAR_S}), {asked:.2f} transactions/s", flush=True)
    return same <= SAME_BAR_S and other <= OTHER_BAR_S and cpu <= CPU_BAR_S and asked <= TRANSACTIONS_BAR


@contextmanager
def database_of(kind: str) -> Iterator[str]:
    with ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-bench-"))
            url = f"sqlite:///{Path(folder) / 'stillage.db'}"
            engine = make_engine(url)
            schema.upgrade(engine)
            engine.dispose()
            yield url
        else:
            sys.path.append(str(Path(__file__).parent.parent / "tests" / "support"))
            from postgres import postgres_server  # noqa: PLC0415 - only here

            yield stack.enter_context(stack.enter_context(postgres_server()).migrated())


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.jobs", description=__doc__)
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--idle", type=float, default=60, metavar="SECONDS", help="how long to do nothing (60)")
    parser.add_argument("--jobs", type=int, default=50, help="of each kind (50)")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with database_of(given.engine) as url:
        print(f"jobs on {given.engine}", flush=True)
        if not asyncio.run(measure(url, given.idle, given.jobs)):
            sys.exit(1)


if __name__ == "__main__":
    main()
