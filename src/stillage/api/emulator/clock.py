"""A clock that begins at a chosen time, and can be set, moved and stopped."""

import time
from datetime import UTC, datetime, timedelta

from stillage.errors import InvalidInput

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class EmulatedClock:
    """Tells the time. *begins*: aware; the true time if None."""

    def __init__(self, begins: datetime | None = None) -> None:
        self._at = begins or datetime.now(UTC)
        self._mark_s = time.monotonic()
        self.runs = True

    def __call__(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._mark_s if self.runs else 0)

    def change(self, *, at: datetime | None = None, advance_s: float = 0, runs: bool | None = None) -> None:
        """Set it to *at*, if that is given, move it by *advance_s*, and let it run or stop.

        Raises:
            InvalidInput: If it would leave the years that it knows.
        """
        at = at or self()
        try:
            moved = at + timedelta(seconds=advance_s)
        except OverflowError:
            moved = LATEST
        if not EARLIEST <= moved < LATEST:
            raise InvalidInput(f"the clock must stay from {EARLIEST.year} to {LATEST.year - 1}; choose another time")
        self._at, self._mark_s = moved, time.monotonic()
        self.runs = self.runs if runs is None else runs


def time_of(text: str) -> datetime:
    """Return the time that *text* tells, in UTC unless it says otherwise.

    Raises:
        InvalidInput: If it is no time of ISO 8601.
    """
    try:
        told = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text[:64]!r} is no time; write it as 2026-01-31T12:00:00Z") from error
    return told.replace(tzinfo=told.tzinfo or UTC).astimezone(UTC)
