"""``make chaos-jobs``: processes that run jobs are killed again and again, and each job is done once, step by step.

A server and two `stillage worker` run jobs of a few steps. One of them gets SIGKILL, or SIGSTOP for longer than a lease
and then SIGCONT; it starts again at once, or when its leases have run out. Then all becomes quiet, every job has to be
done, and the journal of its steps is looked at. On PostgreSQL each process is a node with a data folder of its own.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

import job_forks
from forked import Forks, forks
from job_world import new_job
from postgres import postgres_server
from server import Server, eventually
from stillage.db import jobs as db
from stillage.db.clock import now
from stillage.db.jobs import Filter
from stillage.db.session import make_engine
from stillage.ids import JobId, ProjectId
from stillage.images.job import Job, State
from stillage.jobs.engine import LEASE_S

ENGINES = ("sqlite", "postgresql")
WORKERS = 2
OPEN = 12
"""Jobs that have not ended, at most."""
STEPS, STEP_S = 4, 0.3
ENOUGH_SLOTS = 32
SETTLES_IN_S = 60.0
MORE_KILLS = 40  # a kill may meet a process that has no job


@dataclass(frozen=True)
class Line:
    """A line of the journal. *what*: ``begins`` or ``counts``."""

    job_id: str
    at_s: float
    what: str
    step: str
    run: int


def read(journal: Path) -> list[Line]:
    """Return its lines in the order in which things happened: who was stopped may have written later."""
    lines = (line.split("\t") for line in journal.read_text().splitlines()) if journal.exists() else ()
    read = (Line(job_id, float(at_s), what, step, int(run)) for job_id, at_s, what, step, run in lines)
    return sorted(read, key=lambda line: line.at_s)


def broken(lines: Sequence[Line], jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what must not be, in words."""
    for job in jobs:
        if job.state is not State.DONE:
            yield f"job {job.id} is lost: it is {job.state} at {job.step!r} ({job.failure})"
        elif job.result is None or job.result["runs"] != sorted(job.result["runs"]):
            yield f"steps of job {job.id} are of runs in a wrong order: {job.result}"
    counted: set[tuple[str, str]] = set()
    newest: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.what == "begins" and (line.job_id, line.step) in counted:
            yield f"{line.step} of job {line.job_id} was finished, and is repeated in run {line.run}"
        if line.what == "begins" and line.run < newest[line.job_id]:
            yield f"run {line.run} of job {line.job_id} begins {line.step} after run {newest[line.job_id]} began"
            yield from (f"  {other}" for other in lines if other.job_id == line.job_id)
        newest[line.job_id] = max(newest[line.job_id], line.run)
        if line.what == "counts":
            counted.add((line.job_id, line.step))


def longest_rest_s(lines: Sequence[Line]) -> float:
    """Return the longest time between two lines of a job: a step, or until another process continued."""
    last: dict[str, float] = {}
    longest = 0.0
    for line in lines:
        longest = max(longest, line.at_s - last.get(line.job_id, line.at_s))
        last[line.job_id] = line.at_s
    return longest


class Runner(Server):
    """A process that runs jobs: `stillage serve`, or `stillage worker`."""

    alone = False

    def begin(self) -> None:
        if not self.alone:
            self.start()
            return
        run = self.launch()
        eventually(lambda: run.has_ended or "running jobs" in run.log, "it runs jobs")
        assert not run.has_ended, run.log

    @property
    def words(self) -> list[str]:
        return ["worker", "--data", str(self.data_folder)] if self.alone else super().words


@dataclass
class JobsChaos:
    engine: Engine
    runners: Sequence[Runner]
    journal: Path
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    def run(self, kills: int) -> list[str]:
        """Kill so often, and on until a job was taken again; return what is broken."""
        for runner in self.runners:
            runner.begin()
        while self.counts["kills"] < kills or (self._retakes() == 0 and self.counts["kills"] < kills + MORE_KILLS):
            self._feed()
            time.sleep(self.dice.uniform(0.05, 0.8))
            self._hurt(self.dice.choice(self.runners))
        with suppress(AssertionError):
            eventually(lambda: not self._open(), "all jobs have ended", within_s=SETTLES_IN_S)
        lines = read(self.journal)
        jobs = self._jobs()
        self.counts["jobs"] = len(jobs)
        self.counts["retakes"] = self._retakes()
        return list(broken(lines, jobs))

    def _retakes(self) -> int:
        return sum(line.run > 1 and line.what == "begins" for line in read(self.journal))

    @property
    def longest_rest_s(self) -> float:
        return longest_rest_s(read(self.journal))

    def _hurt(self, runner: Runner) -> None:
        if self.dice.random() < 0.05:
            self.counts["stops"] += 1
            runner.run.process.send_signal(signal.SIGSTOP)
            time.sleep(LEASE_S + 2)
            runner.run.process.send_signal(signal.SIGCONT)
            return
        self.counts["kills"] += 1
        runner.kill()
        if self.dice.random() < 0.1:
            time.sleep(LEASE_S + 2)
        runner.begin()

    def _feed(self) -> None:
        missing = OPEN - len(self._open())
        with self.engine.connect().execution_options(writes=True) as connection, connection.begin():
            for _ in range(missing):
                ordered = {"steps": STEPS, "seconds": STEP_S, "journal": str(self.journal)}
                project = ProjectId(f"project {self.dice.randrange(3)}")
                made = JobId(str(UUID(int=self.dice.getrandbits(128))))
                db.enqueue(connection, new_job(id=made, project_id=project, input=ordered), now())

    def _open(self) -> list[Job]:
        return self._jobs(State.ACCEPTED, State.RUNNING)

    def _jobs(self, *states: State) -> list[Job]:
        with self.engine.connect() as connection:
            return db.list_of(connection, Filter(states=states or None), 100_000)


@contextmanager
def runners_on(folder: Path, fork: Forks, **settings: Any) -> Iterator[list[Runner]]:
    """*settings*: with a `database_url` each process has a folder of its own."""
    (folder / "secret.key").write_bytes(bytes(range(32)))
    made = []
    for number in range(1 + WORKERS):
        own = folder / f"node{number if 'database_url' in settings else 0}"
        runner = Runner(own, job_slots=ENOUGH_SLOTS, secret_key=folder / "secret.key", log_format="json", **settings)
        runner.alone = number > 0
        runner.spawn = fork
        made.append(runner)
    try:
        yield made
    finally:
        for runner in made:
            runner.close()


@contextmanager
def chaos_jobs(kind: str, seed: int) -> Iterator[JobsChaos]:
    """A run on a database of a *kind* of `ENGINES`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stillage-chaos-")))
        settings: dict[str, Any] = {}
        if kind == "postgresql":
            settings["database_url"] = stack.enter_context(stack.enter_context(postgres_server()).migrated())
        fork = stack.enter_context(forks(job_forks.__file__))
        runners = stack.enter_context(runners_on(folder, fork, **settings))
        engine = make_engine(str(settings.get("database_url", f"sqlite:///{folder / 'node0' / 'stillage.db'}")))
        stack.callback(engine.dispose)
        yield JobsChaos(engine, runners, folder / "journal", random.Random(seed))


def main() -> None:
    parser = argparse.ArgumentParser(prog="chaos_jobs", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="on each database (200)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--engine", choices=ENGINES, help="both, if left out")
    given = parser.parse_args()
    failed = False
    for kind in (given.engine,) if given.engine else ENGINES:
        begun = time.monotonic()
        with chaos_jobs(kind, given.seed) as run:
            found = run.run(given.kills)
            counts = ", ".join(f"{name}: {count}" for name, count in sorted(run.counts.items()))
            print(f"{kind}, seed {given.seed}, {time.monotonic() - begun:.0f} s: {counts}")
            print(f"  longest rest of a job {run.longest_rest_s:.1f} s")
            print(
                "\n".join(f"  BROKEN: {what}" for what in found) or "  no job is lost, no step is repeated", flush=True
            )
        failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
