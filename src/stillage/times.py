"""Times as text: ISO 8601, read in any offset and written in UTC. Every time of ours is aware."""

from datetime import UTC, datetime

CENTURY_S = 100 * 365 * 86400
"""The longest duration that added to a date of today is a valid date in any case."""
TWO_DIGITS = tuple(f"{number:02}" for number in range(60))


def parse(text: str) -> datetime:
    """Return the time that *text* is, in UTC. Without an offset it is UTC already.

    Raises:
        ValueError: If it is no time.
        OverflowError: If its offset leads beyond the years 1 to 9999.
    """
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def to_seconds(time: datetime) -> str:
    """Return *time* as ``2026-01-02T03:04:05Z``. Lists write thousands a second: three times as fast as `isoformat`."""
    at = time if time.tzinfo is UTC else time.astimezone(UTC)
    two = TWO_DIGITS
    return f"{at.year:04}-{two[at.month]}-{two[at.day]}T{two[at.hour]}:{two[at.minute]}:{two[at.second]}Z"


def to_milliseconds(time: datetime) -> str:
    """Return *time* as ``2026-01-02T03:04:05.000Z``."""
    return f"{time.astimezone(UTC).isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


def to_microseconds(time: datetime) -> str:
    """Return *time* as ``2026-01-02T03:04:05.000000Z``."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
