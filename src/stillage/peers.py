"""The interface to other servers, such as Keystone, and what goes wrong with them. `outgoing` has the connections."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Peer(Protocol):
    """One server."""

    async def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """Send one request and return the answer, whatever its status; a redirect is an answer like others.

        Args:
            method: For instance GET.
            path: Below the server's URL, with the query; encoded.
            headers: Sent as they are.
            body: None for none.

        Raises:
            Unavailable: If there is no answer in time, or one that is too long.
        """
