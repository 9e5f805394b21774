"""A server that stops at a moment of an upload that the test chooses."""

import sys
from pathlib import Path
from typing import Any

from server import Server, eventually


class Hindered(Server):
    """A server that stops at a moment of an upload that the test chooses; see `hindered`."""

    def __init__(self, data_folder: Path, **arguments: Any) -> None:
        self._folder = data_folder.with_name(f"{data_folder.name}-hindrance")
        self._folder.mkdir()
        script = Path(__file__).with_name("hindered.py")
        super().__init__(data_folder, command=(sys.executable, str(script), str(self._folder)), **arguments)

    def stop_at(self, moment: str, *, named_files: bool = False) -> None:
        """Stop at *moment* from now on. *named_files*: the file system has no nameless ones."""
        self.go_on()
        (self._folder / "stop").write_text(moment)
        if named_files:
            (self._folder / "named").touch()

    def has_stopped(self) -> bool:
        return (self._folder / "reached").exists()

    def go_on(self) -> None:
        """Remove what hinders it."""
        for name in ("stop", "reached", "named"):
            (self._folder / name).unlink(missing_ok=True)

    def kill_there(self) -> None:
        """Kill it at the moment, and take away what hinders its next start."""
        eventually(self.has_stopped, "the server reaches the moment")
        self.kill()
        self.go_on()
