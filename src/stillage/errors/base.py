"""The root of all errors, and the conditions that any part of Stillage can report."""

from collections.abc import Mapping
from typing import Any


class StillageError(Exception):
    """The root. Subclasses are named for the condition they report."""

    code: str
    """What programs know the class by: in answers, as metric label, in docs/errors.md. It never changes."""

    fix: str | None
    """What to do about it: a clause in the imperative, the same for every instance unless one has its own."""

    @property
    def reason(self) -> str:
        """What remains readable on an image whose upload ended so."""
        return str(self)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What a program may want to know, by the names that answers have for it."""
        return {}


class InvalidInput(StillageError):
    """A value in the request has the wrong type, is out of range, or contradicts another."""

    code = "invalid_input"
    fix = "correct the value that the message names"


class Forbidden(StillageError):
    """The principal may see the thing, but may not do this to it."""

    code = "forbidden"
    fix = "use a token with the role that the message names, or ask the owner"


class NotFound(StillageError):
    """There is no such thing, or the principal may not know of it."""

    code = "not_found"
    fix = "check the name or id, and the project of the token"


class Conflict(StillageError):
    """The thing is not in the state that the request needs."""

    code = "conflict"
    fix = "read the current state, and do what the message says"


class AlreadyExists(Conflict):
    """The name or id is taken. The id of a deleted image stays taken."""

    code = "already_exists"
    fix = "choose another name or id"


class TooLarge(StillageError):
    """Something exceeds a limit, and will exceed it the next time as well."""

    code = "too_large"
    fix = "send less; the message names the limit"


class Unavailable(StillageError):
    """Something that the request needs does not answer at the moment. Nothing was changed."""

    code = "unavailable"
    fix = "try again after the seconds in Retry-After"

    def __init__(self, message: str, *, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class InternalError(StillageError):
    """Something failed that Stillage did not foresee: a bug. The cause is in the log only."""

    code = "internal_error"
    fix = "look for the request id in the server's log, and report the bug"

    def __init__(self) -> None:
        super().__init__("internal error; the server's log has the cause, under the request id if there is one")
