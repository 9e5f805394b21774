"""Errors that end a transfer, as the client sees them. The commands turn each kind into an exit status."""

from stillage.errors import StillageError

GIVE_UP_AFTER_S = 900.0
"""How long to retry a request without any success, by default."""


class ClientError(StillageError):
    """The base of all errors of the client side."""


class BadCloud(ClientError):
    """clouds.yaml or the environment lacks what is needed to log in; the text says what."""


class UnusableFile(ClientError):
    """A local file cannot be read, or must not be overwritten."""


class RefusedLocally(ClientError):
    """The server would refuse the file, so nothing was sent."""


class ServerRefused(ClientError):
    """The server refused the request; the same request will not succeed later."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class NetworkGaveUp(ClientError):
    """No useful answer, after many attempts."""


class VerificationFailed(ClientError):
    """The bytes at the server differ from the bytes of the file."""
