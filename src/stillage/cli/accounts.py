"""Shared by the commands for users, projects and tokens. They use the database directly, with or without a server.

They ask for no password: whoever can read the data folder can do anything with it.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stillage import config
from stillage.config import Settings
from stillage.db import schema
from stillage.db.session import Database
from stillage.errors import BadSettings, InvalidInput
from stillage.identity.passwords import Passwords
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity, UserLimits
from stillage.operations.identity.shared_secret import require_shared_secret

T = TypeVar("T")


def run(work: Callable[[Accounts], Awaitable[T]], data: Path | None, config_file: Path | None) -> T:
    """Run *work* on the accounts of a deployment and return its result."""
    return run_with_identity(lambda accounts, _: work(accounts), config.load(config_file, data=data))


def run_with_identity(work: Callable[[Accounts, EmbeddedIdentity], Awaitable[T]], settings: Settings) -> T:
    """Run *work* on the accounts and the identity of a deployment and return its result.

    Raises:
        BadSettings: If Keystone has the users, or there is no database of this version.
    """
    if settings.keystone_url is not None:
        raise BadSettings(
            f"Keystone at {settings.keystone_url} manages users, projects and tokens; use the openstack command"
        )
    require_database(settings)

    async def run() -> T:
        database, passwords = Database(settings.database), Passwords()
        try:
            schema.require_usable(database.engine)
            await require_shared_secret(database, settings.secret, settings.secret_path)
            identity = EmbeddedIdentity(
                database,
                passwords,
                secret=settings.secret,
                clock=now,
                lifetime_s=settings.token_lifetime_s,
                limits=UserLimits(tokens=settings.max_user_tokens),
            )
            return await work(Accounts(database, passwords, clock=now), identity)
        finally:
            passwords.close()
            database.close()

    return asyncio.run(run())


def require_database(settings: Settings) -> None:
    """Raise BadSettings if there is no database yet; opening it would create one."""
    if settings.database_url is None and not (settings.data / "stillage.db").exists():
        raise BadSettings(f"there is no database in {settings.data}; 'stillage serve' creates it when it first starts")


def now() -> datetime:
    return datetime.now(UTC)


def ask_password(*, from_stdin: bool) -> str:
    """Return a password from standard input or, typed twice, from the terminal; never from the command line."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InvalidInput("cannot ask for the password without a terminal; use --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def show(columns: Sequence[str], rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print *rows* as a table, or in full as JSON."""
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(*(column.replace("_", " ").capitalize() for column in columns))
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    Console().print(table)


def _cell(value: Any) -> Text:
    # Text, so that a name like "[red]" is not taken for markup.
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, dict):
        return Text("\n".join(f"{name}: {', '.join(roles)}" for name, roles in value.items()))
    return Text("" if value is None else str(value))
