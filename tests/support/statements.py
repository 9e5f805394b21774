"""The statements of a connection, one after the other, whoever runs them: SQLAlchemy, or the driver for `Prepared`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection, event

from stillage.db.lookups import Keys
from stillage.db.prepared import Prepared


@contextmanager
def after_each(connection: Connection, call: Callable[[str], object]) -> Iterator[None]:
    """Call *call* with the text of each statement after it."""
    run = Prepared.run

    def listen(*rest: Any) -> None:
        call(rest[2])

    def run_and_call(prepared: Prepared, on: Connection, keys: Keys) -> Sequence[Any]:
        rows = run(prepared, on, keys)
        if on is connection:
            call(prepared.on(on.dialect).text)
        return rows

    event.listen(connection, "after_cursor_execute", listen)
    with patch.object(Prepared, "run", run_and_call):
        yield
    event.remove(connection, "after_cursor_execute", listen)
