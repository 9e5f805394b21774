"""The one interface between a request and its `Principal`."""

from typing import Protocol

from stillage.accounts.principal import Principal


class Identity(Protocol):
    """Knows who holds a token. The embedded identity is one; an external Keystone another."""

    async def principal_of(self, token: str, *, service_token: str | None = None) -> Principal:
        """Return whom *token* stands for, in the project that it is scoped to.

        Args:
            token: The user's.
            service_token: Of the service that sends the request on for the user, if it sent one. It can lengthen the
                life of *token*, where there is such a thing, and never gives a right of its own.

        Raises:
            Unauthenticated: If *token* is unknown, expired, revoked or not scoped to a project, or if there is a
                *service_token* that is not good.
            Unavailable: If nobody can tell now. Never treated as a bad token: a 401 makes clients log in again and
                resend a body that they have already read.
        """
