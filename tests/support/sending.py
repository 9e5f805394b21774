"""``stillage upload`` and ``download`` as a user runs them: in a folder of his own, with a state of his own."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients import Shells
from running import TIMEOUT_S
from server import COMMAND, Server


@dataclass(frozen=True)
class Ended:
    """What a command said. `views` are the JSON objects on its standard output."""

    status: int
    out: str
    error: str

    @property
    def views(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Person:
    """Somebody at a shell.

    Attributes:
        folder: Where his files are.
        shells: Runs his commands.
        variables: What is in his environment besides.
    """

    folder: Path
    shells: Shells
    variables: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, server: Server, folder: Path, shells: Shells, cloud: str = "stillage") -> "Person":
        """Somebody who uses the clouds.yaml that *server* has written."""
        return cls(
            folder, shells, {"OS_CLIENT_CONFIG_FILE": str(server.data_folder / "clouds.yaml"), "OS_CLOUD": cloud}
        )

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def kept(self, kind: str) -> list[dict[str, Any]]:
        """What the command keeps of *kind*, such as ``uploads``."""
        return [json.loads(path.read_text()) for path in (self.state / "stillage" / kind).glob("*.json")]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Run the command in a process of its own, which can be sent signals."""
        return subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        foreign = ("OS_", "STILLAGE_", "HUAWEICLOUD_", "HW_", "XDG_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        own = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.state), "PYTHONIOENCODING": "utf-8"}
        return inherited | own | self.variables

    def run(self, *arguments: str) -> Ended:
        done = self.shells.run("stillage", ("stillage", *arguments), self.folder, self.environment)
        assert "Traceback" not in done.error, done.error
        return Ended(done.code, done.out, done.error)

    def upload(self, *arguments: str) -> Ended:
        return self.run("upload", "--json", *arguments)

    def download(self, *arguments: str) -> Ended:
        return self.run("download", "--json", *arguments)


def ended(process: "subprocess.Popen[str]", number: signal.Signals | None = None) -> Ended:
    """Wait for *process*, after sending it the signal *number*."""
    if number is not None:
        process.send_signal(number)
    out, error = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in error, error
    return Ended(process.returncode, out, error)
