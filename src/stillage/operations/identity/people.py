"""List, show, create, change and delete users, for administrators; and let users change their own passwords."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from stillage.accounts.names import is_name
from stillage.accounts.people import NO_PASSWORD, User
from stillage.accounts.people_request import PasswordRequest, UserRequest
from stillage.accounts.principal import Principal
from stillage.db import Connection, identity
from stillage.db import people as db
from stillage.db.people import Page
from stillage.db.session import Database
from stillage.errors import Forbidden, NotFound, Unauthenticated
from stillage.identity.passwords import Passwords
from stillage.ids import UserId
from stillage.operations.identity.guard import Guard


class People:
    def __init__(
        self, database: Database, passwords: Passwords, guard: Guard, *, clock: Callable[[], datetime]
    ) -> None:
        """*guard*: limits how often passwords are tried."""
        self._database = database
        self._passwords = passwords
        self._guard = guard
        self._clock = clock

    async def page(self, principal: Principal, page: Page | None) -> Sequence[User]:
        """Return users by name, none for None; Forbidden if *principal* is no admin."""
        require_admin(principal, "list users")
        return [] if page is None else await self._database.read(db.page_of_users, page)

    async def show(self, principal: Principal, user_id: str) -> User:
        """Return a user; Forbidden if it is another one and *principal* is no admin, NotFound if there is none."""
        if principal.user_id != user_id:
            require_admin(principal, "see other users")
        user = await self._database.read(identity.find_user, user_id=user_id) if is_name(user_id) else None
        if user is None:
            raise NotFound(f"there is no user {user_id[:80]!r}")
        return user

    async def create(self, principal: Principal, wanted: UserRequest) -> User:
        """Create a user, who has no role yet.

        Raises:
            Forbidden: If *principal* is no admin.
            NotFound: If there is no such default project.
            AlreadyExists: If the name is taken.
        """
        require_admin(principal, "create users")
        user = User(
            UserId(uuid4().hex),
            wanted.name or "",
            NO_PASSWORD if wanted.password is None else await self._passwords.hash(wanted.password),
            wanted.enabled is not False,
            wanted.default_project_id or None,
            {name: value for name, value in wanted.extra.items() if value is not None},
        )
        await self._database.write(_add, user, self._clock())
        return user

    async def change(self, principal: Principal, user_id: str, wanted: UserRequest) -> User:
        """Change a user and return them. Another password, and enabling or disabling, end their tokens.

        Raises:
            Forbidden, NotFound, AlreadyExists: As `create`; NotFound also if there is no such user.
            LastAdministrator: If nobody could administer any more.
        """
        require_admin(principal, "change users")
        user = await self.show(principal, user_id)
        return await self._database.write(db.change_user, user.id, await self._values(wanted), wanted.extra)

    async def delete(self, principal: Principal, user_id: str) -> None:
        """Delete a user. Their tokens and keys end; their project keeps its images. Raises as `change`."""
        require_admin(principal, "delete users")
        user = await self.show(principal, user_id)
        await self._database.write(db.delete_user, user.id)

    async def change_password(
        self, principal: Principal, user_id: str, wanted: PasswordRequest, address: str | None
    ) -> None:
        """Change the principal's own password. All their tokens end.

        Raises:
            Forbidden: If it is another user.
            Unauthenticated: If the original password is wrong.
            TooManyFailures, TooManyAtOnce, Unavailable: As at a login.
        """
        if principal.user_id != user_id:
            raise Forbidden("only the user may do this; an administrator sets a password with PATCH /v3/users/{id}")
        user = await self.show(principal, user_id)
        async with self._guard.attempt(f"user {user.name}", address):
            if not await self._passwords.verify(user.password_hash or None, wanted.original):
                raise Unauthenticated(user_id=user.id)
        await self._database.write(identity.set_password, user.id, await self._passwords.hash(wanted.new))

    async def _values(self, wanted: UserRequest) -> dict[str, Any]:
        """Return the columns that *wanted* changes."""
        values: dict[str, Any] = {}
        if wanted.name is not None:
            values["name"] = wanted.name
        if wanted.enabled is not None:
            values["enabled"] = wanted.enabled
        if wanted.default_project_id is not None:
            values["default_project_id"] = wanted.default_project_id or None
        if wanted.drops_password:
            values["password_hash"] = NO_PASSWORD
        if wanted.password is not None:
            values["password_hash"] = await self._passwords.hash(wanted.password)
        return values


def require_admin(principal: Principal, what: str) -> None:
    """Raise Forbidden unless *principal* is an administrator."""
    if not principal.is_admin:
        raise Forbidden(f"only an administrator may {what}")


def _add(connection: Connection, user: User, now: datetime) -> None:
    if user.default_project_id is not None:
        db.require_project(connection, user.default_project_id)
    identity.add_user(connection, user, now)
