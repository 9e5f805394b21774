"""``stillage worker``: runs jobs in this process, and serves nothing."""

import asyncio
import fcntl
import os
import signal
import socket
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvloop

from stillage import app, config, telemetry
from stillage.cli import garbage, logs
from stillage.cli.accounts import require_database
from stillage.cli.options import Config, Data
from stillage.cli.server.data_folder import DataFolder
from stillage.cli.server.listening import bind
from stillage.cli.server.worker import end_soon, return_free_memory, return_large_memory
from stillage.config import Settings
from stillage.db import schema
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.errors import BadSettings
from stillage.operations.identity.shared_secret import require_shared_secret

log = structlog.get_logger()

MOST = 100
"""How many may use one data folder at once."""


def command(
    data: Data = None,
    metrics_listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve /metrics there, without a token.")
    ] = None,
    config_file: Config = None,
) -> None:
    """Run jobs, such as imports, and serve nothing. For servers with run_jobs = false, or beside others."""
    os.umask(0o077)
    settings = config.load(config_file, data=data)
    logs.configure(settings.log_format, settings.log_level)
    return_large_memory()
    require_database(settings)
    folder = DataFolder(settings.data)
    folder.prepare()
    number, lock = _take_number(settings.data)
    node_id = settings.node_name or folder.node_id()
    # Each is a node of its own: what its earlier process has left is over, what the server does is not.
    owner = LeaseOwner(NodeId(f"{node_id}~{number}"), "0")
    sockets = bind(metrics_listen, 1, setting="--metrics-listen") if metrics_listen else []
    try:
        with telemetry.sent(os.environ):
            uvloop.run(_work(settings, owner, sockets))
    finally:
        os.close(lock)


def _take_number(folder: Path) -> tuple[int, int]:
    """Return a number that no other such process on *folder* has, and the descriptor that holds its lock.

    Raises:
        BadSettings: If all are taken.
    """
    for number in range(MOST):
        descriptor = os.open(folder / f"worker-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number, descriptor
    raise BadSettings(f"{MOST} 'stillage worker' use {folder} already; stop one, or choose another --data")


async def _work(settings: Settings, owner: LeaseOwner, metrics_sockets: list[socket.socket]) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await _require_usable(settings)

    def ready() -> None:
        garbage.settle()
        return_free_memory()
        log.info("running jobs", node=owner.node, slots=settings.job_slots)

    alone = settings.model_copy(update={"workers": 1})  # it shares no counters with the server
    await app.work(alone, owner=owner, metrics_sockets=metrics_sockets, ready=ready, stop=stop, over=end_soon)


async def _require_usable(settings: Settings) -> None:
    """Raise BadSettings unless the database has this version's schema, and this deployment's secret."""
    database = Database(settings.database)
    try:
        schema.require_usable(database.engine)
        await require_shared_secret(database, settings.secret, settings.secret_path)
    finally:
        database.close()
