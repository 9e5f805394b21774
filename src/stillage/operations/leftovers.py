"""What a request could not put away, and a sweep will."""

from typing import Any

import structlog

from stillage.errors import StillageError, Unavailable

log = structlog.get_logger()


def leave_to_sweep(event: str, error: StillageError, **facts: Any) -> None:
    """Log that *error* kept something from being put away. A passing outage is no more than a warning."""
    report = log.warning if isinstance(error, Unavailable) else log.error
    report(f"{event}; a sweep tries again", why=str(error), **facts)
