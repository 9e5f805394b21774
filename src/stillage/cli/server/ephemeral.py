"""``stillage serve --ephemeral``: a server for tests, whose data ends with it, and which fails on request.

It skips what costs time and protects nothing here: the certificate, slow hashes, the sweep of a folder that is new.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from aiohttp import web
from argon2 import PasswordHasher

from stillage import app
from stillage.accounts.access_key import AccessKey
from stillage.accounts.secrets import PERMANENT, new_access, new_secret
from stillage.api.application import make_web
from stillage.api.emulator.clock import EmulatedClock, time_of
from stillage.api.emulator.dialect import dialect
from stillage.api.emulator.emulator import PREFIX, Emulator
from stillage.api.services import Services
from stillage.cli import logs
from stillage.cli.server.data_folder import DataFolder, client_url
from stillage.cli.server.ephemeral_options import Options
from stillage.cli.server.listening import bind
from stillage.cli.server.worker import Plan, return_large_memory, run_worker
from stillage.config import Settings
from stillage.db import access_keys, identity, schema
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.errors import BadSettings
from stillage.identity.passwords import Passwords, new_password
from stillage.identity.vault import Vault
from stillage.ids import StoreId
from stillage.operations.identity.bootstrap import ADMIN, PROJECT, bootstrap
from stillage.operations.identity.shared_secret import require_shared_secret
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.emulated import EmulatedStore
from stillage.stores.files.disk import write_whole
from stillage.worker import build_worker

USER = "demo"
NODE = NodeId("ephemeral")
STORE = StoreId("files")
HELD_S = 86400.0
"""Leases last, so that an upload may be stuck for as long as a test needs."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What clients need; a test reads it from the ready file."""

    url: str
    auth_url: str
    region: str
    username: str
    password: str
    admin_password: str
    project_name: str
    project_id: str
    domain_name: str
    access_key: str
    secret_key: str
    emulator_url: str


def serve(load: Callable[[Path], Settings], options: Options) -> None:
    """Run until SIGTERM or SIGINT, and remove everything.

    Args:
        load: Returns the settings with this data folder.
        options: Of the command line.

    Raises:
        BadSettings: If it cannot start; the text says why.
    """
    clock = EmulatedClock(None if options.clock is None else time_of(options.clock))
    os.umask(0o077)
    folder = Path(tempfile.mkdtemp(prefix="stillage-"))
    signal.signal(signal.SIGTERM, _leave)  # until the server handles it
    try:
        settings = _settings(load(folder))
        logs.configure(settings.log_format, settings.log_level)
        return_large_memory()
        _serve(settings, DataFolder(folder), clock, options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


def _leave(*_: object) -> None:
    sys.exit(0)


def _settings(settings: Settings) -> Settings:
    for name in ("keystone_url", "database_url", "metrics_listen"):
        if getattr(settings, name) is not None:
            raise BadSettings(f"{name} cannot be used with --ephemeral, which has everything itself; unset it")
    if "stores" in settings.model_fields_set:
        raise BadSettings("stores cannot be used with --ephemeral, whose store is a temporary folder; remove them")
    changed = {"lease_s": HELD_S, "spare_bytes": 0, "workers": 1}
    return settings.model_copy(update=changed)


def _serve(settings: Settings, folder: DataFolder, clock: EmulatedClock, options: Options) -> None:
    sockets = bind(settings.listen, 1)
    host = settings.listen.rpartition(":")[0]
    settings = settings.model_copy(update={"listen": f"{host}:{sockets[0].getsockname()[1]}"})
    folder.make_secret()
    passwords = {USER: options.password or new_password(), ADMIN: options.password or new_password()}
    endpoint = asyncio.run(_prepare(settings, clock, passwords, options))
    folder.write_clouds(settings, passwords)
    server = _Ephemeral(Emulator(clock, passwords[ADMIN]))
    run_worker(
        Plan(settings, NODE, None),
        sockets,
        [],
        LeaseOwner(NODE, "0"),
        partial(_say_ready, folder, endpoint, options),
        serve=server.serve,
    )


async def _prepare(settings: Settings, clock: EmulatedClock, made: dict[str, str], options: Options) -> Endpoint:
    """Make the database, its users and the access key."""
    database, passwords = Database(settings.database), _passwords()
    try:
        schema.upgrade(database.engine)
        await require_shared_secret(database, settings.secret, settings.secret_path)
        await bootstrap(database, passwords, admin_password=made[ADMIN], demo_password=made[USER], clock=clock)
        user = await database.read(identity.find_user, name=USER)
        assert user is not None  # noqa: S101 - just made
        access, secret = options.access_key or new_access(PERMANENT), options.secret_key or new_secret()
        sealed = Vault(settings.secret).seal(access, secret)
        key = AccessKey(access, user.id, sealed, True, "", None, None, None, clock(), None)
        await database.write(access_keys.add_permanent, key)
    finally:
        passwords.close()
        database.close()
    url = client_url(settings)
    return Endpoint(
        url=url,
        auth_url=f"{url}/identity/v3",
        region=settings.region,
        username=USER,
        password=made[USER],
        admin_password=made[ADMIN],
        project_name=PROJECT,
        project_id=user.default_project_id or "",
        domain_name="Default",
        access_key=access,
        secret_key=secret,
        emulator_url=f"{url}{PREFIX}",
    )


def _say_ready(folder: DataFolder, endpoint: Endpoint, options: Options) -> None:
    clouds = folder.clouds.read_text()
    ready = f"# Stillage is ready at {endpoint.url}, and keeps nothing\n"
    if options.clouds is not None:
        write_whole(options.clouds, clouds.encode())
    print(ready + ("" if options.clouds else clouds), end="", flush=True)  # noqa: T201 - what a user of the command reads
    if options.ready_file is not None:
        write_whole(options.ready_file, json.dumps(asdict(endpoint), indent=1).encode())
    if options.ends_with_stdin:
        Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    with suppress(OSError):  # there was none to begin with
        while os.read(0, 4096):
            pass
    os.kill(os.getpid(), signal.SIGTERM)


class _Ephemeral:
    """Builds what `app.serve` runs, with the emulator in it."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def serve(self, settings: Settings, *arguments: Any, **named: Any) -> Awaitable[None]:
        store = EmulatedStore(settings.data / "blobs", self._emulator.faults.outside_of_requests)
        stores = Stores([NamedStore(STORE, store, "file", "Local files")], default=STORE)
        build = partial(build_worker, clock=self._emulator.clock, stores=stores, passwords=_passwords())
        return app.serve(settings, *arguments, build=build, make_web=self._make_web, **named)

    def _make_web(self, services: Services) -> web.Application:
        application = make_web(services, also=[dialect(self._emulator, services.profile.wording)])
        self._emulator.install(application)
        return application
