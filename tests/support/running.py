"""A process of a server that runs, and what it writes."""

import json
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

# Only how long a broken server is waited for: nothing takes this long, on the busiest machine.
TIMEOUT_S = 180.0

Spawn = Callable[[Sequence[str], Mapping[str, str]], Any]
"""Starts a process from its words and its environment; returns a `subprocess.Popen`, or what behaves like one."""


def popen(line: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    return subprocess.Popen(line, text=True, env=environment, stdin=null, stdout=pipe, stderr=pipe)


@dataclass
class Run:
    """One process, and what it writes."""

    line: list[str]
    environment: dict[str, str]
    spawn: Spawn
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        self._written: dict[str, list[str]] = {"output": [], "log": []}
        self.events: list[dict[str, Any]] = []  # parsed once: tests that share a server ask again and again
        self.process = self.spawn(self.line, self.environment)
        assert self.process.stdout
        assert self.process.stderr
        self._threads = [
            Thread(target=self._written["output"].extend, args=(self.process.stdout,), daemon=True),
            Thread(target=self._read_log, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_log(self) -> None:
        for line in self.process.stderr:
            self._written["log"].append(line)
            if line.startswith("{"):
                self.events.append(json.loads(line))

    @property
    def output(self) -> str:
        return "".join(self._written["output"])

    @property
    def log(self) -> str:
        return "".join(self._written["log"])

    @property
    def has_ended(self) -> bool:
        """True when it is gone and everything it wrote is here."""
        if self.process.poll() is None:
            return False
        self._collect()
        return True

    def wait(self) -> int:
        """Return the exit code."""
        code = int(self.process.wait(TIMEOUT_S))
        self._collect()
        return code

    def end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def _collect(self) -> None:
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream
            stream.close()
