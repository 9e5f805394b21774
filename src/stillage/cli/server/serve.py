"""``stillage serve``: prepares the data folder, binds, and runs one worker in this process or several in others."""

import asyncio
import os
import shlex
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Annotated

import structlog
import typer

from stillage import config, telemetry
from stillage.accounts.session import LINK_LIFETIME
from stillage.cli import logs
from stillage.cli.options import Config, Data
from stillage.cli.server import processes
from stillage.cli.server.data_folder import DataFolder, client_url
from stillage.cli.server.ephemeral_options import (
    AccessKey,
    Clouds,
    EndsWithStdin,
    Ephemeral,
    Options,
    Password,
    ReadyFile,
    SecretKey,
    StartOfTime,
)
from stillage.cli.server.listening import bind
from stillage.cli.server.worker import Plan, return_large_memory, run_worker, tls_of
from stillage.config import Settings
from stillage.db import blobs, schema
from stillage.db.clock import clock_of, now
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.errors import BadSettings, StillageError
from stillage.identity.passwords import Passwords
from stillage.operations.identity.bootstrap import ADMIN, bootstrap
from stillage.operations.identity.sessions import new_link
from stillage.operations.identity.shared_secret import require_shared_secret
from stillage.worker import Worker, build_worker

log = structlog.get_logger()


def command(
    data: Data = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Default: 127.0.0.1:9292.")] = None,
    tls: Annotated[
        bool | None, typer.Option("--tls/--no-tls", help="HTTPS, which is the default, or plain HTTP.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Number of worker processes. Default: 1.")] = None,
    config_file: Config = None,
    ephemeral: Ephemeral = False,
    clouds: Clouds = None,
    ready_file: ReadyFile = None,
    password: Password = None,
    access_key: AccessKey = None,
    secret_key: SecretKey = None,
    clock: StartOfTime = None,
    ends_with_stdin: EndsWithStdin = False,
) -> None:
    """Serve the image API. The first start creates everything it needs in the data folder."""
    options = Options(clouds, ready_file, password, access_key, secret_key, clock, ends_with_stdin)
    if not ephemeral:
        options.require_none()
        serve(lambda: config.load(config_file, data=data, listen=listen, tls=tls, workers=workers))
        return
    options.require_usable(data=data, tls=tls or None, workers=workers)
    from stillage.cli.server import ephemeral as emulator  # noqa: PLC0415 - only tests need it

    given = {"listen": listen or "127.0.0.1:0", "tls": False, "workers": 1}
    emulator.serve(lambda folder: config.load(config_file, data=folder, **given), options)


def serve(load: Callable[[], Settings]) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        load: Returns the settings, at the start and at every restart of the workers.

    Raises:
        BadSettings: If it cannot start; the text says why.
    """
    os.umask(0o077)  # also for files of libraries, such as the metrics that workers share
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there are workers to replace; its default would end us
    settings = load()
    logs.configure(settings.log_format, settings.log_level)
    return_large_memory()
    telemetry.is_wanted(os.environ)  # here, where the user sees the error: a worker would only die
    data_folder = DataFolder(settings.data)
    data_folder.prepare()
    lock = processes.take(data_folder.folder)
    try:
        sockets = bind(settings.listen, settings.workers)
        metrics_sockets = bind(settings.metrics_listen, 1, setting="metrics_listen") if settings.metrics_listen else []
        settings = settings.model_copy(update={"listen": _shown_address(settings.listen, sockets[0])})
        if settings.secret_key is None:
            data_folder.make_secret()
        node_id = NodeId(settings.node_name or data_folder.node_id())
        plan = Plan(settings, node_id, _certificate(data_folder, settings))
        link = asyncio.run(_prepare(data_folder, settings, plan.node_id))
        ready = partial(print_welcome, data_folder, settings, link)
        if settings.workers == 1:
            run_worker(plan, sockets, metrics_sockets, LeaseOwner(plan.node_id, "0"), ready)
        else:
            from stillage.cli.server.supervisor import supervise  # noqa: PLC0415 - a single process has no parent

            supervise(
                plan,
                sockets,
                metrics_sockets,
                lock=lock,
                ready=ready,
                renewed=lambda: _renewed(plan, data_folder, load),
            )
    finally:
        os.close(lock)


def _shown_address(listen: str, bound: socket.socket) -> str:
    # Port 0 means any free port; from here on the real one is needed.
    return f"{listen.rpartition(':')[0]}:{bound.getsockname()[1]}"


def _certificate(data_folder: DataFolder, settings: Settings) -> tuple[str, str] | None:
    if not settings.tls:
        return None
    if settings.tls_certificate is not None and settings.tls_key is not None:
        chain, key = settings.tls_certificate, settings.tls_key
    else:
        made = data_folder.certificate(settings)
        chain, key = made.chain, made.key
    certificate = str(chain), str(key)
    try:
        tls_of(certificate)  # here, where the user sees the error: a worker would only die
    except OSError as error:  # SSLError is a subclass
        why = error.strerror or str(error)
        raise BadSettings(f"cannot use the certificate {chain} with the key {key}: {why}") from error
    return certificate


async def _prepare(data_folder: DataFolder, settings: Settings, node_id: NodeId) -> str | None:
    """Prepare the database, identity and clouds.yaml for the workers, and clean up after a crash.

    Returns:
        What signs a browser in to the console as the administrator, once; None if nobody can be.
    """
    database = Database(settings.database)
    try:
        if database.engine.dialect.name == "sqlite":
            schema.upgrade(database.engine)
        else:
            schema.require_usable(database.engine)
        await require_shared_secret(database, settings.secret, settings.secret_path)
        if settings.keystone_url is None:
            chosen = settings.admin_password.get_secret_value() if settings.admin_password else None
            made = await _make_users(database, chosen)
            data_folder.write_clouds(settings, made if chosen is None else {**made, "admin": chosen})
    finally:
        database.close()
    # No other process uses this folder, so whatever earlier processes were receiving is lost.
    await _sweep(settings, node_id)
    return await _sign_in_link(settings) if settings.console and settings.keystone_url is None else None


async def _make_users(database: Database, admin_password: str | None) -> dict[str, str]:
    """Create the first users in *database* if they are missing; return the passwords that were set."""
    passwords = Passwords()
    try:
        return await bootstrap(database, passwords, admin_password=admin_password, clock=now)
    finally:
        passwords.close()


async def _sign_in_link(settings: Settings) -> str | None:
    database = Database(settings.database)
    try:
        return await new_link(database, ADMIN, clock=await clock_of(database))
    finally:
        database.close()


async def _require_shared_secret(settings: Settings) -> None:
    database = Database(settings.database)
    try:
        await require_shared_secret(database, settings.secret, settings.secret_path)
    finally:
        database.close()


async def _sweep(settings: Settings, node_id: NodeId) -> None:
    async with build_worker(settings) as worker:
        await _report_missing_stores(worker)
        swept = await worker.sweep(dead=node_id)
    if swept.uploads or swept.blobs:
        log.warning("cleaned up after a crash", uploads=swept.uploads, blobs=swept.blobs)


async def _report_missing_stores(worker: Worker) -> None:
    """Log which stores have images and are not in the settings. A store that is lost must not stop the others."""
    used = await worker.services.database.read(blobs.stores_in_use)
    for store in sorted(used - {named.id for named in worker.services.stores}):
        log.error("a store that has images is missing in the settings; they cannot be read from it", store=store)


def print_welcome(data_folder: DataFolder, settings: Settings, link: str | None = None) -> None:
    """Print that the server is ready, and how to use it. *link*: see `_prepare`."""
    console = _console(settings, link)
    text = _with_keystone(settings, console) if settings.keystone_url else _by_itself(data_folder, settings, console)
    print(text, flush=True)  # noqa: T201 - what a user of the command reads


def _by_itself(data_folder: DataFolder, settings: Settings, console: str) -> str:
    url, folder = client_url(settings), data_folder.folder.resolve()
    trust = f"--cacert {folder}/tls/ca.pem " if settings.tls and settings.tls_certificate is None else ""
    return f"""
Stillage is ready at {url}
{console}{_this_command(data_folder)}
  OpenStack clients:
    {_first_steps(data_folder)}

  Stop: Ctrl-C. Start over: stop, and remove {folder} with every image in it.

  curl:
    T=$({sys.argv[0]} token --data {folder}) ID=$(cat /proc/sys/kernel/random/uuid)
    curl {trust}-H "X-Auth-Token: $T" {url}/v2/images -d '{{"id": "'$ID'", "name": "disk", "container_format": "bare"}}'
    curl -i {trust}{url}/v2/images/$ID/file -X PUT -H "X-Auth-Token: $T" \\
         -H "Content-Type:application/octet-stream" -T disk.img
"""


def _this_command(data_folder: DataFolder) -> str:
    if not data_folder.knows_demo():
        return ""
    folder = shlex.quote(str(data_folder.folder.resolve()))
    return f"""
  Upload, and list what is there:
    {sys.argv[0]} upload --data {folder} disk.img
    {sys.argv[0]} image list --data {folder}
"""


def _console(settings: Settings, link: str | None) -> str:
    if not settings.console:
        return ""
    address = f"{client_url(settings)}/console/"
    if link is None:
        return f"\n  Console: {address}\n"
    minutes = int(LINK_LIFETIME.total_seconds()) // 60
    return f"\n  Console, signed in as {ADMIN} (once, within {minutes} minutes):\n    {address}#link={link}\n"


def _first_steps(data_folder: DataFolder) -> str:
    if not data_folder.knows_demo():
        return "another node set the passwords: use its clouds.yaml"
    return f"""export OS_CLIENT_CONFIG_FILE={data_folder.clouds.resolve()}
    openstack --os-cloud stillage image list"""


def _with_keystone(settings: Settings, console: str) -> str:
    url = client_url(settings)
    return f"""
Stillage is ready at {url}
{console}
  Keystone at {settings.keystone_url} manages users and tokens. Add this server to its catalogue once:
    openstack service create --name stillage image
    openstack endpoint create --region {settings.region} image public {url}
"""


def _renewed(plan: Plan, data_folder: DataFolder, load: Callable[[], Settings]) -> Plan | None:
    """Return the plan for the next workers; None if the settings are invalid. Sockets and locks stay as they are."""
    try:
        settings = load()
        same = {"listen": plan.settings.listen, "data": plan.settings.data, "workers": plan.settings.workers}
        settings = settings.model_copy(update=same)
        asyncio.run(_require_shared_secret(settings))
        return Plan(settings, plan.node_id, _certificate(data_folder, settings))
    except (StillageError, OSError, ValueError) as error:  # ValueError: a broken certificate
        log.error("cannot use the new settings; the workers stay as they are", why=str(error))
        return None
