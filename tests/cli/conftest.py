"""Commands that run in the process of the tests."""

from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
import structlog

from stillage.cli import logs


def drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


@pytest.fixture(autouse=True)
def log_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Drop what commands log: every later test would log to the standard error of this one, closed by then."""
    monkeypatch.setattr(logs, "configure", lambda *_: structlog.configure(processors=[drop]))
    yield
    structlog.reset_defaults()
