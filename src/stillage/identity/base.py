"""The one door between a request and its `Caller`."""

from typing import Protocol

from stillage.images.access import Caller


class Identity(Protocol):
    """Knows who holds a token. The embedded identity is one; an external Keystone another."""

    async def caller_of(self, token: str) -> Caller:
        """Return whom *token* stands for, in the project that it is scoped to.

        Raises:
            Unauthenticated: If it is unknown, expired, revoked or not scoped to a project.
            Unavailable: If nobody can tell now. Never treated as a bad token: a 401 makes clients log in again and
                resend a body that they have already read.
        """
