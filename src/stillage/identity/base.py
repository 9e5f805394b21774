"""The interfaces between a request and its `Principal`."""

from collections.abc import Sequence
from typing import Protocol

from stillage.accounts.principal import Principal
from stillage.accounts.session import Opened, Session, SignedIn, SignIn


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


class Sessions(Protocol):
    """Signs browsers in to the console. The embedded identity is one; with an external Keystone another does."""

    async def sign_in(self, wanted: SignIn, address: str | None) -> Opened:
        """Begin a session.

        Args:
            wanted: A form with the password, or a single-use link.
            address: The client's; None if unknown. Failures count by its network.

        Raises:
            Unauthenticated: If anything about it is wrong.
            InvalidInput: If the user has no default project, and names none.
            TooManyFailures, TooManyAtOnce, Unavailable: If it must not be tried now.
        """

    async def find(self, text: str, *, is_use: bool = True) -> Session:
        """Return the session. Raises Unauthenticated if it has ended, or never was.

        *is_use*: False to look only, so that it ends no later because of this.
        """

    async def end(self, text: str) -> None:
        """End the session; it is no error if it has ended."""

    async def list_of(self, principal: Principal, current: str | None) -> Sequence[SignedIn]:
        """Return where the principal's user is signed in, the newest first.

        Args:
            principal: Who asks.
            current: The text of the token or session that the request came with; None if it came with neither.
        """

    async def end_of(self, principal: Principal, audit_id: str) -> None:
        """End one of the places that `list_of` returns.

        Raises:
            NotFound: If the user has none with this id.
            Forbidden: If the principal is restricted.
        """
