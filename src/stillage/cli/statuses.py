"""Exit statuses of the commands that move or convert disks."""

from typing import Any

from stillage.client.errors import (
    BadCloud,
    NetworkGaveUp,
    RefusedLocally,
    ServerRefused,
    UnusableFile,
    VerificationFailed,
)
from stillage.errors import StillageError

OK, REFUSED_LOCALLY, USAGE, SERVER_REFUSED, NETWORK, UNVERIFIED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
STATUSES: dict[type[StillageError], int] = {
    RefusedLocally: REFUSED_LOCALLY,
    BadCloud: USAGE,
    UnusableFile: USAGE,
    ServerRefused: SERVER_REFUSED,
    NetworkGaveUp: NETWORK,
    VerificationFailed: UNVERIFIED,
}


def status_of(problem: StillageError | None) -> int:
    """Return the exit status of a command that ended with *problem*, None for success."""
    return OK if problem is None else STATUSES.get(type(problem), USAGE)


def result_view(problem: StillageError | None) -> dict[str, Any]:
    """Return what JSON says of how a command ended."""
    error, code = (None, None) if problem is None else (str(problem), problem.code)
    return {"status": status_of(problem), "error": error, "code": code}
