"""A `stillage` that also does jobs of the kind ``test``, and forks for each start: see `forked`.

Such a job has steps that write to a journal when they begin and when they have counted, and take a moment.
"""

import asyncio
import os
import socket
import time
from importlib import import_module
from typing import Any, cast

import forked
from stillage import worker
from stillage.jobs.kinds import kinds_of
from stillage.jobs.run import LiveRun
from stillage.operations.running import Kind, Result, Run


async def work(run: Run) -> Result:
    """Do ``input["steps"]`` steps of ``input["seconds"]`` each; return which run has done each of them."""
    number = cast(LiveRun, run).hold.run
    steps: int = run.job.input["steps"]

    async def step(name: str) -> int:
        note(run, "begins", name, number)
        await asyncio.sleep(run.job.input["seconds"])
        return number

    done = []
    for index in range(steps):
        name = f"step {index}"
        done.append(await run.step(name, lambda name=name: step(name)))  # type: ignore[misc]
        note(run, "counts", name, number)
        await run.progress((index + 1) / steps)
    return {"runs": done}


def note(run: Run, *what: object) -> None:
    """Append a line to the journal, in one write. Its second word is the time, by a clock that all processes share.

    It is taken first: a process may be stopped before it writes the line. It may also have been stopped since it last
    looked at its lease; then another has the job, and what this run does will not count.
    """
    at_s = time.monotonic()
    if run.cancelled:
        return
    path = run.job.input["journal"]
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, ("\t".join(map(str, (run.job.id, at_s, *what))) + "\n").encode())
    os.close(descriptor)


def with_test_kind(known: Any) -> Any:
    """Return `kinds_of` with one more kind."""

    def with_it(*arguments: Any, **named: Any) -> dict[str, Kind]:
        return {**known(*arguments, **named), "test": Kind(work)}

    return with_it


if __name__ == "__main__":
    setattr(worker, "kinds_of", with_test_kind(kinds_of))  # noqa: B010 - it is no public name of that module
    for name in (*forked.IMPORTED, "stillage.cli.server.jobs_alone"):
        import_module(name)
    forked.serve(socket.socket(fileno=os.dup(0)))
