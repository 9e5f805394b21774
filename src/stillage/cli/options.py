"""Options shared by several commands."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Data folder.", show_default=False)]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="TOML file with settings.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]
