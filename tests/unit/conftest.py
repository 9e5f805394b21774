"""Unit tests are pure: no loop, no database, no socket, and no file but the data that comes with the tests."""

import asyncio
import io
import socket
import sqlite3
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

HERE = Path(__file__).parent
# Hypothesis remembers the examples that failed, and libraries import modules when they first need them.
READABLE = (str(HERE.parent / "data"), str(HERE.parent.parent / ".hypothesis"), sys.prefix, sys.base_prefix)
IMPURE = {"tmp_path", "tmp_path_factory", "database_url", "empty_database_url", "postgres", "migrated_sqlite"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and HERE in item.path.parents:
            impure = IMPURE.intersection(item.fixturenames)
            if impure or asyncio.iscoroutinefunction(item.obj):
                reason = ", ".join(impure) or "an event loop"
                raise pytest.UsageError(f"{item.nodeid} is not a unit test: it uses {reason}")


@pytest.fixture(autouse=True)
def pure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse whatever reaches out of the process."""
    opened = io.open

    def open_data(file: Any, *arguments: Any, **named: Any) -> Any:
        # A descriptor is one that Hypothesis has: it writes its examples to a temporary file first.
        if not isinstance(file, int) and not str(file).startswith(READABLE):
            refuse(file)
        return opened(file, *arguments, **named)

    def refuse(*arguments: object, **_named: object) -> NoReturn:
        raise AssertionError(f"a unit test reaches out: {arguments}")

    for module, name in ((asyncio, "new_event_loop"), (sqlite3, "connect"), (socket, "socket")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(io, "open", open_data)
    monkeypatch.setattr("builtins.open", open_data)
