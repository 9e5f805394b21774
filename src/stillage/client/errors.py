"""What can end a transfer, seen from the side that sends or fetches. The commands turn each kind into its status."""

from stillage.errors import StillageError

GIVE_UP_AFTER_S = 900.0
"""The longest that one request is tried without any success, unless the user says otherwise."""


class ClientError(StillageError):
    """The root of what the client side reports."""


class BadCloud(ClientError):
    """clouds.yaml or the environment do not say where to go and who asks; the text says what is missing."""


class UnusableFile(ClientError):
    """A file of the user's cannot be read, or must not be overwritten."""


class RefusedLocally(ClientError):
    """The server would refuse the file, so nothing was sent."""


class ServerRefused(ClientError):
    """The server has understood and does not want to; the same request again is of no use."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class NetworkGaveUp(ClientError):
    """Again and again no answer, or none that helps."""


class VerificationFailed(ClientError):
    """The bytes at the other end are not the bytes at this end."""
