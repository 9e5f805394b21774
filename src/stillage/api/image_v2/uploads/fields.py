"""Structured fields, as far as uploads use them: items that are a boolean or a number of bytes.

Source: RFC 9651 §3.3.1, §3.3.6; draft-ietf-httpbis-resumable-upload, "State": fields with any other value, and
undefined parameters, are ignored.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from multidict import MultiMapping

T = TypeVar("T")

COMPLETE = "Upload-Complete"
LIMIT = "Upload-Limit"

PARAMETERS = r'(?: *; *[a-z*][a-z0-9_.*-]*(?:=(?:"(?:[^"\\]|\\["\\])*"|[^",;\s]+))?)*'
BOOLEAN = re.compile(rf"\?([01]){PARAMETERS}")
COUNT = re.compile(rf"([0-9]{{1,15}}){PARAMETERS}")


def find_boolean(fields: MultiMapping[str], name: str) -> bool | None:
    return _item(fields, name, BOOLEAN, lambda text: text == "1")


def find_count(fields: MultiMapping[str], name: str) -> int | None:
    return _item(fields, name, COUNT, int)


def boolean(value: bool) -> str:
    return "?1" if value else "?0"


def _item(fields: MultiMapping[str], name: str, shape: re.Pattern[str], read: Callable[[str], T]) -> T | None:
    sent = fields.getall(name, [])
    match = shape.fullmatch(sent[0].strip(" ")) if len(sent) == 1 else None
    return None if match is None else read(match[1])
