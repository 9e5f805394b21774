"""Commands whose modules are imported when somebody runs them: each starts without what the others need.

The table says what `--help` lists of them. What a module defines is a function or a group (a `typer.Typer`).
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Command(NamedTuple):
    """Where a command is, ``module:name``, and its line in the list: the first paragraph of its own help."""

    place: str
    help: str


class LazyGroup(TyperGroup):
    """The commands of `table`. A subclass has one."""

    table: ClassVar[Mapping[str, Command]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, command in self.table.items():
            self.add_command(TyperCommand(name, help=command.help))

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help``, which is False where it is not given: typer imports pydantic to understand a None."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return a command's name, the command itself in place of its line, and the rest of *args*."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, name and loaded(name, self.table[name]), rest


def loaded(name: str, command: Command) -> Any:
    """Return *command*, imported now, to be run as *name*."""
    module, _, attribute = command.place.partition(":")
    found = getattr(import_module(module), attribute)
    parent = typer.Typer()
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name)
    else:
        parent.command(name)(found)
    return get_group(parent).commands[name]
