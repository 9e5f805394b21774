"""``stillage job``: lists, shows and cancels jobs. Uses the database directly, with or without a server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

import typer

from stillage import config
from stillage.cli import logs
from stillage.cli.accounts import require_database, show
from stillage.cli.options import Config, Data, Json
from stillage.config import Settings
from stillage.db import schema
from stillage.db.jobs import Filter
from stillage.ids import ImageId, JobId, ProjectId, image_id_of
from stillage.images.job import Job, State
from stillage.operations.jobs import Jobs
from stillage.times import to_seconds
from stillage.worker import build_worker

T = TypeVar("T")

app = typer.Typer(help="Imports and other work that outlives its request.", no_args_is_help=True)

CANCELLED = "an operator cancelled it"
COLUMNS = ("id", "kind", "state", "progress", "step", "project", "image", "created_at")
Id = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@app.command("list")
def list_jobs(
    project: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this project.")] = None,
    image: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this image.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only of this kind, such as import.url.")] = None,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Json = False,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """List jobs, the newest first."""
    those = Filter(
        project_id=None if project is None else ProjectId(project),
        image_id=None if image is None else ImageId(image_id_of(image)),
        kinds=None if kind is None else (kind,),
        states=None if state is None else (state,),
    )
    jobs = _run(lambda jobs: jobs.list_of(those, limit), config.load(config_file, data=data))
    show(COLUMNS, [_row(job) if as_json else _cells(job) for job in jobs], as_json=as_json)


@app.command("show")
def show_job(job_id: Id, as_json: Json = False, data: Data = None, config_file: Config = None) -> None:
    """Show everything about a job."""
    job = _run(lambda jobs: jobs.get(_id_of(job_id)), config.load(config_file, data=data))
    if as_json:
        typer.echo(json.dumps(_row(job), indent=2))
        return
    rows = [{"name": name, "value": _shown(value)} for name, value in _row(job).items()]
    show(("name", "value"), rows, as_json=False)


@app.command()
def cancel(
    job_id: Id,
    why: Annotated[str, typer.Option(metavar="TEXT", help="What its user reads.")] = CANCELLED,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Cancel a job. The process that runs it stops within seconds."""
    job = _run(lambda jobs: jobs.cancel(_id_of(job_id), why), config.load(config_file, data=data))
    typer.echo(f"job {job.id} cancelled")


def _run(work: Callable[[Jobs], Awaitable[T]], settings: Settings) -> T:
    """Run *work* on the jobs of a deployment.

    Raises:
        BadSettings: If there is no database of this version.
    """
    require_database(settings)
    logs.configure(settings.log_format, settings.log_level)

    async def run() -> T:
        async with build_worker(settings) as worker:
            schema.require_usable(worker.services.database.engine)
            return await work(worker.services.jobs)

    return asyncio.run(run())


def _id_of(text: str) -> JobId:
    """Return the id that *text* is, with hyphens or without."""
    bare = text.replace("-", "").lower()
    if len(bare) != 32:
        return JobId(text)
    return JobId("-".join((bare[:8], bare[8:12], bare[12:16], bare[16:20], bare[20:])))


def _row(job: Job) -> dict[str, Any]:
    times = {"created_at": job.created_at, "begun_at": job.begun_at, "ended_at": job.ended_at}
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "step": job.step,
        "progress": round(job.progress, 4),
        "project": job.project_id,
        "user": job.user_id,
        "image": job.image_id,
        "error": job.failure and job.failure.kind,
        "message": job.failure and job.failure.message,
        "attempts": job.attempts,
        "request": job.request_id,
        **{name: time and to_seconds(time) for name, time in times.items()},
        "input": dict(job.input),
        "result": job.result and dict(job.result),
    }


def _cells(job: Job) -> dict[str, Any]:
    return _row(job) | {"progress": f"{job.progress:.0%}"}


def _shown(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value
