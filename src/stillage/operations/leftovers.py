"""Log clean-up that a request could not do and leaves to the sweep (garbage collection)."""

from typing import Any

import structlog

from stillage.errors import StillageError, Unavailable

log = structlog.get_logger()


def leave_to_sweep(event: str, error: StillageError, **facts: Any) -> None:
    """Log that *error* prevented a clean-up. A temporary outage is only a warning."""
    report = log.warning if isinstance(error, Unavailable) else log.error
    report(f"{event}; a sweep tries again", why=str(error), **facts)
