"""Look things up: a few short SELECTs, which SQLAlchemy compiles once and the driver runs.

What SQLAlchemy does for each execution costs several times what the rows do, and nearly every request has two lookups.
"""

import time
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Protocol, TypeVar

from sqlalchemy import JSON, Connection, Dialect, Engine, ReturnsRows, Select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from stillage.db.columns import decoded

P = ParamSpec("P")
T = TypeVar("T")
Keys = Mapping[str, Any]
Rows = Sequence[Any]
"""Tuples, with the columns' names as attributes."""
Memory = dict[str, Any]
"""What lookups leave on a connection for those after them. It may be lost at any time."""

KEPT = 256
"""How many statements of a driver are kept, those used last. Lists have as many kinds as there are queries."""
AT_ONCE = 32
"""How many rows of a long answer are fetched at a time, where PostgreSQL would send all of them."""
STREAMED, ALL = {"stream_results": True, "max_row_buffer": AT_ONCE}, dict[str, Any]()
LARGE = 1 << 20
"""Bytes of JSON in the rows of an answer beyond which a thread reads it: the loop would stop for 10 ms."""
AVOIDED_S = 5.0
"""For so long a statement that took long is not asked on the loop again."""


class Question(NamedTuple):
    """One SELECT.

    Attributes:
        statement: The same object each time, so that it is compiled once.
        keys: Its parameters, by name.
        is_long: Has so many rows that they are read a few at a time.
        by_value: The best plan depends on the values of the parameters, so that PostgreSQL makes one each time.
    """

    statement: Select[*tuple[Any, ...]]
    keys: Keys
    is_long: bool = False
    by_value: bool = False


Questions = Generator[Question, Rows, T]
"""Questions of which each may depend on the answers to those before, and what follows from all."""


def _always(*_args: object, **_kwargs: object) -> bool:
    return True


class Inquiry(Generic[P, T]):
    """A unit of work that only asks, and may ask any connection. `Database.look_up` runs it faster than others."""

    def __init__(
        self, questions: Callable[Concatenate[Memory, P], Questions[T]], is_short: Callable[P, bool] = _always
    ) -> None:
        """*is_short*: whether the statements are soon made, and have few rows. A thread asks others."""
        self.questions = questions
        self.is_short = is_short

    def __call__(self, connection: Connection, /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it as part of a unit of work."""
        questions = self.questions(connection.info, *args, **kwargs)
        try:
            question = next(questions)
            while True:
                options = STREAMED if question.is_long else ALL
                with connection.execute(question.statement, question.keys, execution_options=options) as found:
                    rows: Any = found if question.is_long else found.all()
                    question = questions.send(rows)
        except StopIteration as end:
            value: T = end.value
            return value


class Lookup(Inquiry[P, T]):
    """One SELECT of a few rows by their keys."""

    def __init__(
        self, statement: Select[*tuple[Any, ...]], keys: Callable[P, Keys], value: Callable[[Rows], T]
    ) -> None:
        """Describe the lookup.

        Args:
            statement: Reads no more than a few pages of a database of any size.
            keys: Returns the statement's parameters, by name.
            value: Makes the result of all rows, of which there may be none.
        """

        def questions(_memory: Memory, /, *args: P.args, **kwargs: P.kwargs) -> Questions[T]:
            return value((yield Question(statement, keys(*args, **kwargs))))

        super().__init__(questions)


class OnLoop(Protocol):
    """Runs lookups on the event loop, without a thread.

    Attributes:
        memory: Of its connection.
    """

    memory: Memory

    async def find(self, question: Question) -> Rows | None:
        """Return the rows; None if they cannot be had in this way now. Then a thread asks, and reports what fails."""

    def close(self) -> None: ...


class Compiled:
    """A statement for one driver: its text, and how values go in and come out.

    Attributes:
        avoided_until: It took long, and is not asked on the loop before this time of the monotonic clock.
    """

    def __init__(self, statement: ReturnsRows, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        columns = statement.exported_columns
        kinds = [column.type.dialect_impl(dialect) for column in columns]
        self.text: str = compiled.string
        self.returns_rows = bool(kinds)
        self.avoided_until = 0.0
        self._parameters: list[tuple[str | None, Any]] = []
        for name in compiled.positiontup if compiled.positional else compiled.binds:
            bind = compiled.binds[name]
            write = bind.type.dialect_impl(dialect).bind_processor(dialect) or _as_it_is
            self._parameters.append((name, write) if bind.required else (None, write(bind.effective_value)))
        self._names = None if compiled.positional else list(compiled.binds)
        readers = [_reader(kind, dialect) for kind in kinds]
        self._json = [place for place, read in enumerate(readers) if read is _json]
        self._readers = [(place, read) for place, read in enumerate(readers) if read is not None]
        row = namedtuple("Row", columns.keys(), rename=True)  # type: ignore[misc]  # noqa: PYI024 - the names are the statement's
        self._row: Callable[[Iterable[Any]], Any] = partial(tuple.__new__, row)

    def parameters(self, keys: Keys) -> Any:
        """Return what the driver takes: a list, or by name where the dialect names its parameters."""
        values = [how if name is None else how(keys[name]) for name, how in self._parameters]
        return values if self._names is None else dict(zip(self._names, values, strict=True))

    def all(self, found: Iterable[Sequence[Any]]) -> Rows:
        """Return the driver's rows with the values of Python."""
        return list(map(self._read, found))

    def rows(self, found: Iterable[Sequence[Any]]) -> Rows | None:
        """As `all`; None, having read no more, if the rows are `LARGE`."""
        size, rows = 0, []
        for row in found:
            for place in self._json:
                size += len(row[place] or "")
            if size > LARGE:
                return None
            rows.append(self._read(row))
        return rows

    def _read(self, row: Sequence[Any]) -> Any:
        values = list(row)
        for place, read in self._readers:
            values[place] = read(values[place])
        return self._row(values)

    def avoid(self) -> None:
        """Leave it to threads for a while."""
        self.avoided_until = time.monotonic() + AVOIDED_S


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    read = kind.result_processor(dialect, None)
    return _json if isinstance(kind, JSON) and read is not None else read


def _json(text: str | bytes | None) -> Any:
    """What SQLAlchemy's own reader returns, with three calls less."""
    return None if text is None else decoded(text)


def _as_it_is(value: Any) -> Any:
    return value


class Statements:
    """The statements of one driver, each compiled when it is first used."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._compiled: OrderedDict[Select[*tuple[Any, ...]], Compiled] = OrderedDict()

    def of(self, statement: Select[*tuple[Any, ...]]) -> Compiled:
        compiled = self._compiled.get(statement)
        if compiled is None:
            compiled = self._compiled[statement] = Compiled(statement, self._dialect)
            if len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        else:
            self._compiled.move_to_end(statement)
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
        if self._running is not None and not self._running.done():
            return None  # asked first: a connection that came after it was looked for would be replaced, and not closed
        connection, self._connection = self._connection, None
        if connection is None:
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
