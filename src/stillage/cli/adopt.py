"""``stillage adopt``: serves what a Glance has, from where it is, or takes it over."""

import asyncio
import json
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stillage import config
from stillage.adopted_stores import FILE, another
from stillage.cli import logs
from stillage.cli.adopting import adopt_all
from stillage.cli.options import Config, Data, Json
from stillage.cli.server import processes
from stillage.cli.server.data_folder import DataFolder
from stillage.cli.show.texts import readable
from stillage.config import Settings
from stillage.db.glance import open_glance
from stillage.errors import BadSettings
from stillage.ids import StoreId
from stillage.operations.adoption.adopting import Plan
from stillage.operations.adoption.report import Outcome, Report, Result
from stillage.store_settings import FilesSettings, default_of
from stillage.stores.files.disk import write_whole

GlanceDb = Annotated[
    str, typer.Argument(metavar="GLANCE_DB", help="File of SQLite, or the URL in [database] connection of Glance.")
]
Files = Annotated[Path, typer.Argument(metavar="FILES", help="filesystem_store_datadir of Glance.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Hard-link or clone the files into our store; nothing is copied.")
]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Serve the files from where they are. The default.")]
StoreName = Annotated[str | None, typer.Option("--store", metavar="ID", help="Store that takes them over.")]
DeleteFiles = Annotated[bool, typer.Option("--delete-files", help="Delete Glance's own links to the files taken over.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Verify everything, and change nothing.")]


def adopt(
    glance_db: GlanceDb,
    files: Files,
    take_over: TakeOver = False,
    read_only: ReadOnly = False,
    store: StoreName = None,
    delete_files: DeleteFiles = False,
    dry_run: DryRun = False,
    data: Data = None,
    config_file: Config = None,
    as_json: Json = False,
) -> None:
    """Adopt the images of a Glance that is stopped: serve its files from where they are, or take them over.

    Every file is verified. Run it again to go on, or for what is new. Status 1 if images were refused.
    """
    if take_over and read_only:
        raise typer.BadParameter("--take-over and --read-only exclude each other; use one")
    if (delete_files or store) and not take_over:
        raise typer.BadParameter("--store and --delete-files need --take-over")
    settings, folder = config.load(config_file, data=data), _folder(files)
    logs.configure(settings.log_format, settings.log_level)
    os.umask(0o077)
    with ExitStack() as closing:
        glance = closing.enter_context(open_glance(glance_db))
        settings = closing.enter_context(_trying(settings) if dry_run else _locked(settings))
        taken_to = StoreId(store or default_of(settings.stores).id)
        served_from = None
        if not take_over and not dry_run:
            settings, served_from = _served(settings, folder, lambda: config.load(config_file, data=data))
        plan = Plan(folder, served_from, taken_to, dry_run=dry_run)
        told = None if as_json else _tell
        report = asyncio.run(adopt_all(glance, settings, plan, told))
    if delete_files and not dry_run:
        report = replace(report, deleted=_delete(folder, report))
    typer.echo(json.dumps(report.as_json()) if as_json else _summary(report, settings, dry_run=dry_run))
    if report.refused_any:
        raise typer.Exit(1)


def _folder(files: Path) -> Path:
    if not files.is_dir():
        raise BadSettings(f"{files} is not a folder; see filesystem_store_datadir in glance-api.conf")
    return files.resolve()


@contextmanager
def _locked(settings: Settings) -> Iterator[Settings]:
    """Prepare the data folder as a first start does, and keep servers away from it."""
    data_folder = DataFolder(settings.data)
    data_folder.prepare()
    lock = processes.take(settings.data)
    try:
        if settings.secret_key is None:
            data_folder.make_secret()
        yield settings
    finally:
        os.close(lock)


@contextmanager
def _trying(settings: Settings) -> Iterator[Settings]:
    """Return settings with which nothing is changed: those of an empty deployment, if there is none yet."""
    if settings.database_url is not None or (settings.data / "stillage.db").exists():
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="stillage-adopt-") as folder:
        DataFolder(Path(folder)).make_secret()
        yield settings.model_copy(update={"data": Path(folder), "secret_key": None})


def _served(settings: Settings, folder: Path, load: Callable[[], Settings]) -> tuple[Settings, StoreId]:
    """Return the settings with a store that is *folder*, and its id; add it to the data folder if there is none."""
    if (name := _store_of(settings, folder)) is None:
        _, text = another(settings.data, folder, [one.id for one in settings.stores])
        write_whole(settings.data / FILE, text.encode())
        settings = load()
        name = _store_of(settings, folder)
        assert name is not None  # noqa: S101 - it was just added
    return settings, name


def _store_of(settings: Settings, folder: Path) -> StoreId | None:
    folders = [one for one in settings.stores if isinstance(one, FilesSettings) and one.layout == "glance"]
    return next((StoreId(one.id) for one in folders if (settings.data / one.path).resolve() == folder), None)


def _delete(folder: Path, report: Report) -> int:
    """Delete the files of Glance that all images have in our store; return how many there were."""
    needed = {result.file for result in report.images if not result.taken}
    deleted = 0
    for name in {result.file for result in report.images if result.taken and result.file} - needed:
        try:
            (folder / name).unlink()
            deleted += 1
        except FileNotFoundError:  # an earlier run did
            continue
        except OSError as error:
            raise BadSettings(
                f"cannot delete {folder / name}: {error.strerror}; run this again as its owner"
            ) from error
    return deleted


def _tell(result: Result) -> None:
    if result.outcome is Outcome.REFUSED:
        typer.echo(f"refused {result.image_id} {_named(result)}: {result.reason}", err=True)
    elif result.outcome is not Outcome.PRESENT:
        typer.echo(f"{result.outcome} {result.image_id} {_named(result)}")
    if result.note:
        typer.echo(f"note on {result.image_id}: {result.note}", err=True)


def _named(result: Result) -> str:
    return readable(result.name or "(no name)")


def _summary(report: Report, settings: Settings, *, dry_run: bool) -> str:
    adopted, recorded, present, refused = map(report.count, Outcome)
    counted = f"{adopted} images adopted, {recorded} recorded without data, {present} were here already"
    lines = [f"{counted}, {refused} refused"]
    lines += [f"refused namespace {each.name}: {each.reason}" for each in report.namespaces if each.reason]
    if report.deleted:
        lines.append(f"{report.deleted} files of Glance deleted")
    if dry_run:
        lines.append("nothing was changed; run it without --dry-run")
    else:
        lines.append(f"serve them: stillage serve --data {shlex.quote(str(settings.data))}")
    return "\n".join(lines)
