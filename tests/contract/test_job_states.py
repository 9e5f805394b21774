"""Whatever processes do to jobs, in any order, on every engine: the table of states holds; the last taker counts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine

from job_world import LEASE, ONE, TWO, new_job
from stillage.db import job_runs
from stillage.db import jobs as db
from stillage.db.job_runs import Hold, JobLimits, News
from stillage.db.leases import LeaseOwner
from stillage.db.session import make_engine
from stillage.images.job import ENDED, NEXT, Failure, Job, State

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WHY = Failure("gone", "it is gone")
JOBS = range(3)
NUMBERS, SECONDS = st.sampled_from(JOBS), st.sampled_from([0, 1, 5, 6, 30])


@dataclass
class Known:
    """What is known of a job. *until*: when it can be taken, None once it has ended."""

    state: State = State.ACCEPTED
    hold: Hold | None = None
    until: datetime | None = T0
    steps: dict[str, Any] = field(default_factory=dict)
    attempts: int = 0
    losses: int = 0


class JobStates(RuleBasedStateMachine):
    engine: Engine

    @initialize()
    def begin(self) -> None:
        self.now = T0
        self.connection: Connection = self.engine.connect()
        self.known: dict[int, Known] = {}
        self.holds: list[tuple[int, Hold]] = []

    def teardown(self) -> None:
        self.connection.close()  # keeps nothing

    @rule(number=NUMBERS)
    def accept(self, number: int) -> None:
        if number not in self.known:
            job = db.enqueue(self.connection, new_job(number, key=f"{number}"), self.now)
            self.known[number] = Known(until=self.now)
        else:
            job = db.enqueue(self.connection, new_job(number + 100, key=f"{number}"), self.now)
        assert job.id == new_job(number).id

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(owner=st.sampled_from([ONE, TWO]))
    def take(self, owner: LeaseOwner) -> None:
        due = {number for number, known in self.known.items() if known.until is not None and known.until <= self.now}
        taken = job_runs.take(self.connection, owner, ["test"], self.now, self.now + LEASE, JobLimits(9))
        assert (taken is not None) == bool(due)
        if taken is None:
            return
        number = next(number for number in self.known if new_job(number).id == taken.job.id)
        known = self.known[number]
        begun = {other for other in due if self.known[other].state is State.RUNNING}
        assert number in (begun or due), "one that has begun comes first"
        assert taken.results == known.steps
        known.losses += known.hold is not None
        known.state, known.hold, known.until = State.RUNNING, taken.hold, self.now + LEASE
        self.holds.append((number, taken.hold))

    @rule(choice=st.integers(0, 99), progress=st.floats(0, 1))
    def renew(self, choice: int, progress: float) -> None:
        def work(hold: Hold) -> bool:
            news = News(hold, "a step", progress)
            return bool(job_runs.renew(self.connection, [news], self.now, self.now + LEASE))

        if (known := self.write(choice, work)) is not None:
            known.until = self.now + LEASE

    @rule(choice=st.integers(0, 99))
    def finish_step(self, choice: int) -> None:
        name = f"step {len(self.holds)} {choice} {self.now}"
        known = self.write(choice, lambda hold: job_runs.finish_step(self.connection, hold, name, choice, self.now))
        if known is not None:
            known.steps[name] = choice
            known.losses = 0

    @rule(choice=st.integers(0, 99), well=st.booleans())
    def end(self, choice: int, *, well: bool) -> None:
        def work(hold: Hold) -> bool:
            if well:
                return job_runs.finish(self.connection, hold, {"n": choice}, self.now) is not None
            return job_runs.fail(self.connection, hold, WHY, self.now) is not None

        if (known := self.write(choice, work)) is not None:
            known.state, known.hold, known.until = State.DONE if well else State.FAILED, None, None

    @rule(choice=st.integers(0, 99), seconds=SECONDS, counts=st.booleans())
    def leave(self, choice: int, seconds: float, *, counts: bool) -> None:
        due = self.now + timedelta(seconds=seconds if counts else 0)

        def work(hold: Hold) -> bool:
            if counts:
                return job_runs.retry(self.connection, hold, due, self.now)
            return job_runs.give_back(self.connection, hold, self.now)

        if (known := self.write(choice, work)) is not None:
            known.hold, known.until = None, due
            known.attempts += counts

    @rule(owner=st.sampled_from([ONE, TWO]))
    def die(self, owner: LeaseOwner) -> None:
        held = [known for known in self.known.values() if known.hold is not None and known.hold.owner == owner]
        assert job_runs.give_back_of(self.connection, owner, self.now) == len(held)
        for known in held:
            known.until = self.now

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        known = self.known.get(number)
        cancelled = db.cancel(self.connection, new_job(number).id, WHY, self.now)
        assert (cancelled is not None) == (known is not None and known.state not in ENDED)
        if known is not None and cancelled is not None:
            known.state, known.hold, known.until = State.FAILED, None, None

    def write(self, choice: int, work: Callable[[Hold], bool]) -> Known | None:
        """Let one of all holds that there ever were write; return its job if it may. No other one may."""
        if not self.holds:
            return None
        number, hold = self.holds[choice % len(self.holds)]
        known = self.known[number]
        assert work(hold) == (known.hold == hold)
        return known if known.hold == hold else None

    @invariant()
    def is_as_known(self) -> None:
        for number, known in getattr(self, "known", {}).items():
            job = db.load(self.connection, new_job(number).id)
            assert (job.state, job.attempts, job.losses) == (known.state, known.attempts, known.losses)
            assert (job.ended_at is not None) == (job.state in ENDED)
            assert (job.failure is not None) == (job.state is State.FAILED)
            assert job_runs.results_of(self.connection, job.id) == known.steps
            self.moves_as_the_table_says(number, job)

    def moves_as_the_table_says(self, number: int, job: Job) -> None:
        seen = self.__dict__.setdefault("seen", {})
        before = seen.setdefault(number, job.state)
        assert job.state is before or job.state in NEXT[before]
        seen[number] = job.state


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.mark.thorough
def test_the_table_of_states_holds_in_any_order(engine: Engine) -> None:
    machine = type("OnEngine", (JobStates,), {"engine": engine})
    unhurried = settings(max_examples=60, stateful_step_count=30, derandomize=True, database=None, deadline=None)
    run_state_machine_as_test(machine, settings=unhurried)
