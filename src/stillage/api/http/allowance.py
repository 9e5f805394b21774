"""Limit the memory that request bodies of unauthenticated clients can use."""

from stillage.errors import Unavailable


class Allowance:
    """A number of bytes, shared by all requests of a process."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def take(self, count: int) -> None:
        """Take *count* bytes until they are given back.

        Raises:
            Unavailable: If fewer are left.
        """
        if count > self._left:
            raise Unavailable(
                "too many signed bodies are being received at once; send X-Sdk-Content-Sha256 with the request, "
                "or try again"
            )
        self._left -= count

    def give_back(self, count: int) -> None:
        self._left += count
