"""Exit statuses of the commands that move or convert disks."""

from typing import Any

from stillage.cli.show.texts import command_for
from stillage.client.errors import (
    BadCloud,
    ClientError,
    NameTaken,
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
    NameTaken: REFUSED_LOCALLY,
    BadCloud: USAGE,
    UnusableFile: USAGE,
    ServerRefused: SERVER_REFUSED,
    NetworkGaveUp: NETWORK,
    VerificationFailed: UNVERIFIED,
}


def status_of(problem: StillageError | None) -> int:
    """Return the exit status of a command that ended with *problem*, None for success."""
    return OK if problem is None else STATUSES.get(type(problem), USAGE)


def result_view(problem: StillageError | None, file: str | None = None) -> dict[str, Any]:
    """Return what JSON says of how a command ended.

    Args:
        problem: What it ended with; None for success.
        file: Name of the file that it is about, for the command that fixes it.
    """
    view: dict[str, Any] = {
        "status": status_of(problem),
        "error": None,
        "code": None,
        "rule": None,
        "offset": None,
        "fix": None,
    }
    if problem is None:
        return view
    view |= {"error": str(problem), "code": problem.code, "fix": problem.fix}
    if isinstance(problem, ClientError):
        view |= {"rule": problem.rule, "offset": problem.offset}
        if problem.command is not None:
            view["fix"] = problem.command if file is None else command_for(problem.command, file, None)
    return view
