"""Changes disk images for a test, and tells which rule an inspector then names first."""

import struct
from io import BytesIO

from examining import examine
from stillage.formats.base import Facts, Format
from stillage.formats.stream import Examination


def le32(number: int) -> bytes:
    return struct.pack("<I", number)


def le64(number: int) -> bytes:
    return struct.pack("<Q", number)


def patched(data: bytes, *edits: tuple[int, bytes]) -> bytes:
    """*data* with other bytes at some places; a negative place counts from the end."""
    changed = BytesIO(data)  # copies once, at the first change
    for at, new in edits:
        changed.seek(at % len(data))
        changed.write(new)
    return changed.getvalue()


def rules_broken(module: Format, data: bytes, *, size: int | None = None) -> list[str]:
    return [hazard.rule.id for hazard in examine(data, formats=(module,), size=size).hazards]


def rule(module: Format, data: bytes, *, size: int | None = None) -> str | None:
    """The first rule that *data* breaks, None if it breaks none."""
    return next(iter(rules_broken(module, data, size=size)), None)


def early_rule(module: Format, data: bytes) -> str | None:
    """The first rule that shows in the first 64 KiB, before the rest has come."""
    examination = Examination((module,), size=len(data))
    examination.feed(data[: 64 << 10])
    hazards = examination.findings.hazards
    return hazards[0].rule.id if hazards else None


def facts(module: Format, data: bytes) -> Facts | None:
    return next(iter(examine(data, formats=(module,)).matched), None)
