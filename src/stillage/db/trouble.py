"""Errors of a database that does not answer, which pass, and those that are defects."""

import sqlite3

import structlog
from sqlalchemy.exc import DBAPIError, OperationalError

from stillage.errors import Unavailable

log = structlog.get_logger()

SQLITE_PASSING = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_READONLY,
})  # fmt: skip


def translated(error: DBAPIError) -> Exception:
    """Translate the error of a database that does not answer to Unavailable; any other is a defect and stays."""
    if not is_passing(error):
        return error
    log.warning("the database does not answer", why=str(error.orig))
    return Unavailable(f"the database does not answer: {type(error.orig).__name__}")


def is_passing(error: DBAPIError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    # sqlite3 raises OperationalError for a missing table too; psycopg only for problems of the connection.
    passing = isinstance(error, OperationalError) if code is None else (code & 0xFF) in SQLITE_PASSING
    return passing or error.connection_invalidated
