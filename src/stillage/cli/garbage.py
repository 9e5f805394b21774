"""When Python collects garbage: hardly while a command starts, and never again in what it has imported by then.

By itself it collects after every 700 new objects, and once more at the end: a fifth of the time of a short command.
"""

import gc

USUAL = gc.get_threshold()
OBJECTS = 500_000
"""Twice what a server makes while it starts, few enough for a command that runs on."""


def start() -> None:
    """Hardly collect, from here on."""
    gc.set_threshold(OBJECTS)


def settle() -> None:
    """Collect as usual, but leave out what is there now: it stays, and going through it would stop a server's loop."""
    gc.freeze()
    gc.set_threshold(*USUAL)


def end() -> None:
    """Leave what is there now to the end of the process, which frees it faster."""
    gc.freeze()
