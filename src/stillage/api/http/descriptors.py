"""Watch how close the process is to its limit of open files and sockets."""

import os
import resource
import sys
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

# Reserved for files of running requests, and for a connection to /readyz.
RESERVE = 64
EVERY_S = 60.0


class Descriptors:
    """The process's limit of open files; logs when it is reached.

    The kernel assigns the lowest free number, so the number of a new descriptor is a lower bound on how many are open,
    without counting them.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """*clock*: monotonic seconds."""
        self._clock = clock
        self._logged_at = -EVERY_S

    def is_reserved(self, descriptor: int) -> bool:
        """True if everything below the reserve is in use, as the number of a new *descriptor* shows."""
        limit = _limit()
        return descriptor >= limit - min(RESERVE, limit // 4)

    def are_short(self) -> bool:
        """True if only the reserve is left; logged at most once a minute."""
        try:
            descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            short = True
        else:
            os.close(descriptor)
            short = self.is_reserved(descriptor)
        if short:
            self.report()
        return short

    def report(self) -> None:
        now = self._clock()
        if now - self._logged_at >= EVERY_S:
            self._logged_at = now
            log.error(
                "the limit of open files is reached; new connections wait",
                limit=_limit(),
                reserve=min(RESERVE, _limit() // 4),
                fix="raise LimitNOFILE of the unit, or 'ulimit -n' of the shell that starts the server",
            )


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
