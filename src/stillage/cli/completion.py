"""``stillage completion``: prints what makes a shell complete the commands and options of stillage."""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import (  # type: ignore[attr-defined] # typer defines them elsewhere
    completion_init,
    get_completion_script,
)

VARIABLE = "_STILLAGE_COMPLETE"
"""Set by the shell's function in place of running the command."""


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.", show_default=False)]) -> None:
    """Print the completion script of a shell.

    bash: eval "$(stillage completion bash)" in ~/.bashrc.

    zsh: eval "$(stillage completion zsh)" in ~/.zshrc, after compinit.

    fish: stillage completion fish > ~/.config/fish/completions/stillage.fish
    """
    typer.echo(get_completion_script(prog_name="stillage", complete_var=VARIABLE, shell=shell.value))


def prepare() -> None:
    """Make typer answer shells; before this it knows none."""
    completion_init()
