"""Ids of audit events: their order is that of the times, so that a list of events needs no other key.

Source: RFC 9562, "UUID Version 7" and "Replace Leftmost Random Bits with Increased Clock Precision". Pure.
"""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION, VARIANT = 7 << 76, 2 << 62


def event_id(now: datetime) -> str:
    """Return a new id for an event at *now*."""
    return str(UUID(int=_first(now) | secrets.randbits(62)))


def first_id(since: datetime) -> str:
    """Return an id that is not after any event at *since* or later, and after all earlier ones."""
    return str(UUID(int=_first(since)))


def _first(time: datetime) -> int:
    micros = max(0, (time - EPOCH) // timedelta(microseconds=1))
    millis, rest = divmod(micros, 1000)
    return ((millis & ((1 << 48) - 1)) << 80) | VERSION | ((rest * 4) << 64) | VARIANT
