"""Folders of a Glance that ``stillage adopt`` serves from where they are: DATA/adopted.toml adds them to the settings.

A table in it is one of ``[[stores]]``. One in the settings file with the same id goes before it; nodes that share a
database need it there.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from stillage.errors import BadSettings
from stillage.store_settings import DEFAULT

FILE = "adopted.toml"
HEAD = "# Written by 'stillage adopt'. Nodes on other machines need these tables in their settings file.\n"
TABLE = """
[[stores]]
id = {id}
type = "files"
layout = "glance"
read_only = true
path = {path}
description = {description}
"""


def with_adopted(values: Mapping[str, Any], data: Path) -> Mapping[str, Any]:
    """Return the settings *values* with the stores that were adopted in the data folder *data*.

    Raises:
        BadSettings: If the file cannot be read.
    """
    given = values.get("stores") or list(DEFAULT)
    if not (tables := _read(data / FILE)) or not isinstance(given, list):
        return values
    if len(given) == 1 and isinstance(given[0], dict):
        given = [{**given[0], "default": True}]  # alone it need not say so
    known = {one.get("id") for one in given if isinstance(one, dict)}
    return {**values, "stores": [*given, *(table for table in tables if table["id"] not in known)]}


def another(data: Path, folder: Path, taken: Collection[str]) -> tuple[str, str]:
    """Return the id of a new store for *folder*, none of *taken*, and what DATA/adopted.toml is to be with it.

    *folder* is absolute.
    """
    name = next(name for name in _names() if name not in taken)
    path = data / FILE
    before = path.read_text(encoding="utf-8") if path.exists() else HEAD
    shown = {"id": name, "path": str(folder), "description": "Images of Glance"}
    return name, before + TABLE.format_map({key: json.dumps(each) for key, each in shown.items()})


def _names() -> Iterator[str]:
    yield "glance"
    yield from (f"glance-{number}" for number in count(2))


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    import tomllib  # noqa: PLC0415 - few deployments have adopted anything

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("stores", [])
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not TOML
        raise BadSettings(f"cannot read {path}; correct it: {error}") from error
    if not all(isinstance(table, dict) and isinstance(table.get("id"), str) for table in tables):
        raise BadSettings(f"cannot read {path}; correct it: each table [[stores]] needs an id")
    return list(tables)
