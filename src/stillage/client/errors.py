"""Errors that end a transfer, as the client sees them. The commands turn each kind into an exit status."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from stillage.errors import ContentRejected, StillageError

GIVE_UP_AFTER_S = 900.0
"""How long to retry a request without any success, by default."""
FIRST_CONTACT_S = 15.0
"""How long to try to reach a server that has not answered yet: it is more likely down, or another, than interrupted."""


class ClientError(StillageError):
    """The base of all errors of the client side."""

    code = "client_error"
    fix: str = "do what the message says"
    rule: str | None = None
    """The rule that the bytes break, where that is why."""
    offset: int | None = None
    """The byte of the file where it shows."""
    command: str | None = None
    """The command that makes an acceptable image, with IN and OUT for the file names."""

    def note(self, facts: Mapping[str, Any]) -> Self:
        """Take rule, offset and command from *facts*, those of a `ContentRejected`, and return this error."""
        rule, offset, command = facts.get("rule"), facts.get("offset"), facts.get("fix")
        self.rule = rule if isinstance(rule, str) else None
        self.offset = offset if isinstance(offset, int) else None
        self.command = command if isinstance(command, str) else None
        return self


class BadCloud(ClientError):
    """clouds.yaml or the environment does not say which cloud to use, or who the user is."""

    code = "invalid_cloud"
    fix = "correct the entry or the variable that the message names"


class UnusableFile(ClientError):
    """A local file cannot be read, or must not be overwritten."""

    code = "unusable_file"
    fix = "check the path and its permissions, or use --force"


class RefusedLocally(ClientError):
    """The server would refuse the file, so nothing was sent."""

    code = "refused_locally"
    fix = "run `stillage inspect FILE`, which shows how to fix the file"

    @classmethod
    def because(cls, hazards: Sequence[ContentRejected]) -> Self:
        """Return the error for a file that has *hazards*, the most telling first."""
        return cls("; ".join(hazard.reason for hazard in hazards)).note(hazards[0].facts)


class NameTaken(ClientError):
    """Another image already has this name, so nothing was sent."""

    code = "name_taken"
    fix = "use another --name, or --replace to replace that image"


class ServerRefused(ClientError):
    """The server refused the request, and would refuse it again. A code of the server's own takes the place of this."""

    code = "server_refused"
    fix = "do what the server's message says"

    def __init__(self, message: str, *, status: int, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or self.code


class NetworkGaveUp(ClientError):
    """The server did not answer, or could not help, for too long."""

    code = "network_gave_up"
    fix = "run the same command again to resume"


class VerificationFailed(ClientError):
    """The bytes at the server differ from the bytes of the file."""

    code = "verification_failed"
    fix = "run the same command again"
