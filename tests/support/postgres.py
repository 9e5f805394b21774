"""A throw-away PostgreSQL server for one test session: in a temporary folder, on a Unix socket only.

PostgreSQL refuses to run as root, so root runs it as another user. A shell stands between it and us that reads from
a pipe which only we hold open: however the session ends, killed included, the pipe closes and the shell stops the
server and removes the folder.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

from stillage.db import schema
from stillage.db.session import make_engine
from stillage.db.tables import metadata

USER = "stillage"
TEMPLATE = "migrated"
START_LIMIT_S = 60

# SIGINT is PostgreSQL's fast stop. Our environment may carry PG* variables that mean another server.
KEEPER = """
"$1" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=200 \
    </dev/null >"$2/log" 2>&1 &
read -r _
kill -INT $!
wait $!
rm -rf "$2"
"""


class PostgresServer:
    """A running server; `TEMPLATE` in it is a migrated, empty database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._spare: list[str] = []

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self._folder}"

    @contextmanager
    def fresh(self, template: str) -> Iterator[str]:
        """Yield the URL of a new copy of the database *template*, dropped afterwards."""
        self._made += 1
        name = f"test_{self._made}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, template)
        try:
            yield self.url_of(name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    @contextmanager
    def migrated(self) -> Iterator[str]:
        """Yield the URL of a migrated, empty database.

        It is emptied and given out again, since making one costs hundreds of files. Whoever changes the schema
        takes a `fresh` one.
        """
        if self._spare:
            name = self._spare.pop()
        else:
            self._made += 1
            name = f"test_{self._made}"
            self._run("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
        yield self.url_of(name)
        self._empty(name)
        self._spare.append(name)

    @contextmanager
    def away(self, url: str) -> Iterator[None]:
        """Let nobody connect to the database of *url*, and cut off who is, while the block runs."""
        database = make_url(url).database
        assert database
        self._run("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", database)
        try:
            with self._connect() as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [database]
                )
            yield
        finally:
            self._run("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true", database)

    def crash(self) -> None:
        """Kill its checkpointer, upon which all its processes end at once, and return when it has recovered."""
        with closing(self._connect()) as connection:
            [row] = connection.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
            os.kill(row[0], signal.SIGKILL)
            with suppress(psycopg.OperationalError):
                while connection.execute("SELECT 1"):  # until the server has noticed: it could seem to be ready before
                    time.sleep(0.01)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while True:
            try:
                return self._connect().close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    log = (self._folder / "log").read_text(errors="replace")
                    pytest.fail(f"PostgreSQL did not start within {START_LIMIT_S} s; its log:\n{log}", pytrace=False)
                time.sleep(0.05)

    def make_template(self) -> None:
        self._run("CREATE DATABASE {} TEMPLATE template0", TEMPLATE)
        engine = make_engine(self.url_of(TEMPLATE))
        schema.upgrade(engine)
        engine.dispose()  # a database that somebody is connected to cannot be copied

    def _empty(self, database: str) -> None:
        with self._connect(database) as connection:
            # What a test has left running must not hold a lock that we wait for.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            for table in reversed(metadata.sorted_tables):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))

    def _run(self, statement: str, *names: str) -> None:
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self._folder), user=USER, dbname=database, autocommit=True)


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Start a server, yield it, stop it."""
    programs = _programs()
    # Not under pytest's own folders: others may not enter those, and a socket's path has a limit of 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="stillage-pg-", dir="/tmp"))
    runs_as = _unprivileged(folder)
    try:
        _make_cluster(programs / "initdb", folder, runs_as)
        command = ["/bin/sh", "-c", KEEPER, "keeper", str(programs / "postgres"), str(folder)]
        # A session of its own: what stops us, Ctrl-C too, must not stop who cleans up after us.
        keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, cwd=folder, env=_environment(), start_new_session=True, **runs_as
        )
        try:
            server = PostgresServer(folder)
            server.wait_until_ready()
            server.make_template()
            yield server
        finally:
            keeper.communicate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder with PostgreSQL's programs; Debian keeps the server's out of the PATH."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version, reverse=True)
    found = next(iter(newest_first), None) or shutil.which("initdb")
    if found is None:
        pytest.fail("PostgreSQL's server is missing; install it (Debian: apt install postgresql)", pytrace=False)
    return Path(found).resolve().parent


def _version(initdb: Path) -> float:
    try:
        return float(initdb.parts[-3])
    except ValueError:
        return 0


def _unprivileged(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = next((name for name in ("postgres", "nobody") if name in names), None)
    if user is None:
        pytest.fail("root cannot run PostgreSQL, and there is no user postgres or nobody to run it", pytrace=False)
    entry = pwd.getpwnam(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def _make_cluster(initdb: Path, folder: Path, runs_as: dict[str, Any]) -> None:
    options = ["--no-locale", "--encoding=UTF8", "--auth=trust", f"--username={USER}", "--no-sync"]
    done = subprocess.run(
        [initdb, "-D", folder / "data", *options],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        **runs_as,
    )
    if done.returncode != 0:
        pytest.fail(f"initdb failed:\n{done.stdout}{done.stderr}", pytrace=False)
