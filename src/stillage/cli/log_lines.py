"""Write log lines so that no request waits for its own: a thread renders and writes those of a moment together.

A warning or an error is written at once, with everything before it. When a process ends nothing is lost, unless it is
killed: then the lines of its last moment may be.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

from structlog.typing import EventDict

MOMENT_S = 0.02
MOST = 10_000
"""Lines that may wait. Beyond that, whoever logs waits for the file, as it does for a warning."""


class LogLines:
    """What structlog calls a logger: takes the finished events."""

    def __init__(self, file: TextIO, render: Callable[[EventDict], str]) -> None:
        """*render*: returns the line of an event, without its end."""
        self._file = file
        self._render = render
        self._events: deque[EventDict] = deque()
        self._writing = threading.Lock()
        self._is_scheduled = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="log")

    def later(self, event: EventDict) -> None:
        self._events.append(event)
        if len(self._events) > MOST:
            self._write()
        elif not self._is_scheduled:
            self._schedule()

    def now(self, event: EventDict) -> None:
        self._events.append(event)
        self._write()

    debug = info = msg = later
    warning = warn = error = critical = exception = fatal = now

    def _schedule(self) -> None:
        self._is_scheduled = True
        try:
            self._thread.submit(self._write_soon)
        except RuntimeError:  # Python is ending, and has no threads any more
            self._write()

    def _write_soon(self) -> None:
        time.sleep(MOMENT_S)
        self._is_scheduled = False
        self._write()

    def _write(self) -> None:
        with self._writing:
            lines = []
            while self._events:
                lines.append(f"{self._render(self._events.popleft())}\n")
            # In one write, or the lines of two workers mix.
            self._file.write("".join(lines))
            self._file.flush()


def as_it_is(_logger: Any, _method: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Hand *event* to the logger unrendered. The last processor of structlog."""
    return (event,), {}
