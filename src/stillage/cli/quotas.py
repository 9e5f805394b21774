"""``stillage quota``: shows and sets what projects may use. Works on the database, with or without a server."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Annotated, Any, TypeVar

import typer

from stillage import config
from stillage.accounts.names import is_name
from stillage.cli.accounts import require_database, show
from stillage.cli.options import Config, Data, Json
from stillage.cli.show.report import amount
from stillage.config import Settings
from stillage.db import identity, schema
from stillage.db.session import Database
from stillage.deployment import quotas_of
from stillage.errors import InvalidInput, NotFound
from stillage.ids import ProjectId
from stillage.images.access import Access
from stillage.images.quota import MOST, MOST_BYTES, NO_LIMIT, Limits, Quota
from stillage.operations.quotas import ProjectQuotas

T = TypeVar("T")

app = typer.Typer(help="What projects may use.", no_args_is_help=True)

SIZE = re.compile(r"(\d{1,19})(KiB|MiB|GiB|TiB|)")
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
WORDS = {"none": NO_LIMIT, "default": None}
COLUMNS = ("project", "bytes", "images", "uploads", "jobs")
Name = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's name; with a Keystone its id.")]


def _option(name: str, what: str) -> Any:
    return typer.Option(f"--{name}", metavar="N", help=f"{what}; none for no limit, default for that of the settings.")


@app.command("show")
def show_quota(name: Name, as_json: Json = False, data: Data = None, config_file: Config = None) -> None:
    """Show what a project uses and may use."""

    async def work(quotas: ProjectQuotas, project_id: ProjectId) -> Quota:
        return await quotas.find(project_id)

    found = _of_project(work, name, config.load(config_file, data=data))
    show(COLUMNS, [_row(found) if as_json else _cells(found)], as_json=as_json)


@app.command("set")
def set_quota(
    name: Name,
    size: Annotated[str | None, _option("bytes", "Bytes of all images, such as 500GiB")] = None,
    images: Annotated[str | None, _option("images", "Number of images")] = None,
    uploads: Annotated[str | None, _option("uploads", "Uploads and inspections that run at once")] = None,
    jobs: Annotated[str | None, _option("jobs", "Jobs that run at once")] = None,
    data: Data = None,
    config_file: Config = None,
) -> None:
    """Set limits of one project. Limits that are not given stay unchanged."""
    given = {"bytes": size, "images": images, "uploads": uploads, "jobs": jobs}
    new = {limit: _limit(limit, text) for limit, text in given.items() if text is not None}

    async def work(quotas: ProjectQuotas, project_id: ProjectId) -> Quota:
        return await quotas.change(project_id, replace((await quotas.find(project_id)).own, **new))

    show(COLUMNS, [_cells(_of_project(work, name, config.load(config_file, data=data)))], as_json=False)


@app.command("list")
def list_quotas(as_json: Json = False, data: Data = None, config_file: Config = None) -> None:
    """List what each project uses and may use."""
    found = _run(lambda quotas, _: quotas.all(), config.load(config_file, data=data))
    show(COLUMNS, [_row(quota) if as_json else _cells(quota) for quota in found], as_json=as_json)


def _of_project(work: Callable[[ProjectQuotas, ProjectId], Awaitable[Quota]], name: str, settings: Settings) -> Quota:
    async def found(quotas: ProjectQuotas, database: Database) -> Quota:
        project = await database.read(identity.find_project, name=name) if is_name(name) else None
        if project is None and settings.keystone_url is None:
            raise NotFound(f"there is no project {name!r}; 'stillage project list' shows them")
        return await work(quotas, ProjectId(name) if project is None else project.id)

    return _run(found, settings)


def _run(work: Callable[[ProjectQuotas, Database], Awaitable[T]], settings: Settings) -> T:
    require_database(settings)

    async def run() -> T:
        database = Database(settings.database)
        try:
            schema.require_usable(database.engine)
            default = quotas_of(settings).project
            quotas = ProjectQuotas(database, access=Access({}), default=default, knows_projects=False)
            return await work(quotas, database)
        finally:
            database.close()

    return asyncio.run(run())


def _limit(name: str, text: str) -> int | None:
    if text in WORDS:
        return WORDS[text]
    most, parts = (MOST_BYTES if name == "bytes" else MOST), SIZE.fullmatch(text)
    if parts is None or (parts[2] and name != "bytes") or int(parts[1]) * UNITS[parts[2]] > most:
        raise InvalidInput(f"invalid --{name} {text[:40]!r}; use a number up to {most}, none, or default")
    return int(parts[1]) * UNITS[parts[2]]


def _row(quota: Quota) -> dict[str, Any]:
    used = {**asdict(quota.usage), "jobs": quota.jobs}
    limits = {name: NO_LIMIT if limit is None else limit for name, limit in asdict(quota.limits).items()}
    own = [name for name, limit in asdict(quota.own).items() if limit is not None]
    return {"project": quota.project_name or quota.project_id, "limits": limits, "own": own, "usage": used}


def _cells(quota: Quota) -> dict[str, Any]:
    row = _row(quota)
    return {"project": row["project"]} | {name: _cell(name, row) for name in asdict(Limits())}


def _cell(name: str, row: dict[str, Any]) -> str:
    written = amount if name == "bytes" else str
    limit = row["limits"][name]
    return f"{written(row['usage'][name])} of {'any' if limit == NO_LIMIT else written(limit)}"
