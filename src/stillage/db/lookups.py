"""Look up single records: one SELECT by keys, which SQLAlchemy compiles once and the driver runs.

What SQLAlchemy does for each execution costs several times what the rows do, and nearly every request has two lookups.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, Dialect, Engine, Select
from sqlalchemy.exc import DBAPIError

P = ParamSpec("P")
T = TypeVar("T")
Keys = Mapping[str, Any]
Rows = Sequence[Any]
"""Tuples, with the columns' names as attributes."""


class Lookup(Generic[P, T]):
    """One SELECT of a few rows by their keys. A unit of work like any other, which `Database.look_up` runs faster."""

    def __init__(
        self, statement: Select[*tuple[Any, ...]], keys: Callable[P, Keys], value: Callable[[Rows], T]
    ) -> None:
        """Describe the lookup.

        Args:
            statement: Reads no more than a few pages of a database of any size.
            keys: Returns the statement's parameters, by name.
            value: Makes the result of all rows, of which there may be none.
        """
        self.statement = statement
        self.keys = keys
        self.value = value

    def __call__(self, connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it as part of a unit of work."""
        return self.value(connection.execute(self.statement, self.keys(*args, **kwargs)).all())


class OnLoop(Protocol):
    """Runs lookups on the event loop, without a thread."""

    async def find(self, lookup: Lookup[..., Any], keys: Keys) -> Rows | None:
        """Return the rows; None if they cannot be had in this way now. Then a thread asks, and reports what fails."""

    def close(self) -> None: ...


class Compiled:
    """A statement for one driver: its text, and how values go in and come out."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        """*dialect*: has positional parameters."""
        compiled = statement.compile(dialect=dialect)
        places = compiled.positiontup or []
        kinds = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
        names = statement.selected_columns.keys()
        self.text = compiled.string
        self._writers = [
            (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)) for name in places
        ]
        self._readers = [(n, read) for n, kind in enumerate(kinds) if (read := kind.result_processor(dialect, None))]
        self._row: Any = namedtuple("Row", names)  # type: ignore[misc]  # noqa: PYI024 - the names are the statement's

    def parameters(self, keys: Keys) -> Sequence[Any]:
        return [keys[name] if write is None else write(keys[name]) for name, write in self._writers]

    def rows(self, found: Sequence[Sequence[Any]]) -> Rows:
        return [self._row._make(self._read(row)) for row in found]

    def _read(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for place, read in self._readers:
            values[place] = read(values[place])
        return values


class Statements:
    """The lookups of one driver, each compiled when it is first used."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: dict[Lookup[..., Any], Compiled] = {}

    def of(self, lookup: Lookup[..., Any]) -> Compiled:
        compiled = self._compiled.get(lookup)
        if compiled is None:
            compiled = self._compiled[lookup] = Compiled(lookup.statement, self._dialect)
        return compiled


class Connecting:
    """Gets connections for the loop's own use. Connecting may have to wait, so a thread does it."""

    def __init__(self, engine: Engine, threads: Executor, prepare: Callable[[Any], None]) -> None:
        """Connect nowhere yet.

        Args:
            engine: Its pool makes them, and then knows nothing of them.
            threads: They have ended when this is closed.
            prepare: Is called with each of the driver's connections, in a thread.
        """
        self._engine = engine
        self._threads = threads
        self._prepare = prepare
        self._running: Future[None] | None = None
        self._connection: Any = None

    def take(self) -> Any:
        """Return a new connection of the driver; None if there is none yet. Then a thread begins to make one."""
        connection, self._connection = self._connection, None
        if connection is None and (self._running is None or self._running.done()):
            self._running = self._threads.submit(self._connect)
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connect(self) -> None:
        with suppress(DBAPIError):  # a thread that reads meets it too, and reports it
            pooled = self._engine.raw_connection()
            connection = pooled.driver_connection
            pooled.detach()
            self._prepare(connection)
            self._connection = connection
