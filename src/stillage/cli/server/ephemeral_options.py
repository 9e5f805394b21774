"""Options of `stillage serve` that only a server for tests has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stillage.errors import BadSettings

Ephemeral = Annotated[
    bool,
    typer.Option("--ephemeral", help="For tests: keep nothing, fail on request, print clouds.yaml. HTTP, any port."),
]
Clouds = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Ephemeral: write clouds.yaml there, and do not print it.")
]
ReadyFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Ephemeral: write URLs and credentials there, as JSON, when ready.")
]
Password = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Ephemeral: password of demo and admin. Default: random.")
]
AccessKey = Annotated[str | None, typer.Option(metavar="TEXT", help="Ephemeral: access key of demo. Default: random.")]
SecretKey = Annotated[str | None, typer.Option(metavar="TEXT", help="Ephemeral: its secret key. Default: random.")]
StartOfTime = Annotated[
    str | None,
    typer.Option("--clock", metavar="TIME", help="Ephemeral: start time of its clock. Default: the current time."),
]
EndsWithStdin = Annotated[bool, typer.Option("--ends-with-stdin", help="Ephemeral: stop when standard input ends.")]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. None: random, or nowhere.

    Attributes:
        password: Of users `demo` and `admin`.
        clock: When the server's time begins; None for the true time.
        ends_with_stdin: Whether to stop when standard input ends.
    """

    clouds: Path | None = None
    ready_file: Path | None = None
    password: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    clock: str | None = None
    ends_with_stdin: bool = False

    def require_none(self) -> None:
        """Raise BadSettings if any is given."""
        values = {name: getattr(self, name) for name in self.__slots__}
        _require_none({name: value or None for name, value in values.items()}, "works with --ephemeral only")

    def require_usable(self, **others: object) -> None:
        """Raise BadSettings if they contradict one another, or one of the *others* is given."""
        _require_none(others, "cannot be used with --ephemeral")
        if (self.access_key is None) != (self.secret_key is None):
            raise BadSettings("--access-key and --secret-key must be given together")
        for path in (self.clouds, self.ready_file):
            if path is not None and not path.absolute().parent.is_dir():
                raise BadSettings(f"cannot write {path}: the folder {path.parent} does not exist; create it")


def _require_none(options: dict[str, object], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise BadSettings(f"--{name.replace('_', '-')} {why}; leave it out")
