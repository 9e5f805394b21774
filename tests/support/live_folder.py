"""A folder that somebody uses while it is looked at."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def found_below(folder: Path) -> Mapping[Path, os.stat_result]:
    """Return everything in *folder*, and itself, except what goes away meanwhile, which `Path.rglob` does not bear."""
    inside = (Path(parent, name) for parent, folders, files in os.walk(folder) for name in (*folders, *files))
    found = {}
    for path in (folder, *inside):
        with suppress(FileNotFoundError):
            found[path] = path.lstat()
    return found
