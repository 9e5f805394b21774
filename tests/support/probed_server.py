"""A server that says how long its event loop has stood still; see `loop_probe`."""

import socket
import sys
from pathlib import Path
from typing import Any

from running import TIMEOUT_S
from server import Server


class ProbedServer(Server):
    """A server with a probe on its loop."""

    def __init__(self, data_folder: Path, **arguments: Any) -> None:
        self._socket = data_folder / "probe"
        super().__init__(
            data_folder,
            command=(sys.executable, str(Path(__file__).with_name("loop_probe.py")), str(self._socket)),
            **arguments,
        )

    def longest_stop_s(self) -> float:
        """Return the loop's longest stop since this was last asked, in CPU seconds."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(self._socket))
            return float(connection.recv(64))
