"""Create, list, show and delete application credentials, for their owner."""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import uuid4

from stillage import times
from stillage.accounts.credential import Credential
from stillage.accounts.credential_request import CredentialRequest
from stillage.accounts.names import is_name, role_id
from stillage.accounts.principal import Principal
from stillage.db import credentials as db
from stillage.db.session import Database
from stillage.errors import Forbidden, InvalidInput, NotFound
from stillage.identity.passwords import Passwords
from stillage.ids import UserId
from stillage.operations.identity.places import Places


class Credentials:
    def __init__(
        self, database: Database, passwords: Passwords, *, clock: Callable[[], datetime], most: int = db.PER_USER
    ) -> None:
        """*most*: how many application credentials a user may have."""
        self._most = most
        self._database = database
        self._passwords = passwords
        self._clock = clock
        self._places = Places("application credentials", total=16, each=4)

    async def create(self, principal: Principal, user_id: str, wanted: CredentialRequest) -> tuple[Credential, str]:
        """Create one for *principal*'s project. Return it with its secret, which is never shown again.

        Raises:
            Forbidden: If it is for another user, or the token is restricted.
            InvalidInput: If a role is not one of the token's, or the expiry is in the past.
            UserLimitReached: If the user has reached the limit.
            AlreadyExists: If the user has one with this name.
        """
        _require_owner(principal, user_id)
        _require_unrestricted(principal)
        if principal.scope is None:
            raise InvalidInput("an application credential needs a project; use a token that is scoped to one")
        now = self._clock()
        if wanted.expires_at is not None and wanted.expires_at <= now:
            raise InvalidInput(f"expires_at {times.to_seconds(wanted.expires_at)} is in the past")
        secret = wanted.secret or secrets.token_urlsafe(48)
        credential = Credential(
            id=uuid4().hex,
            user_id=principal.user_id,
            project_id=principal.scope,
            name=wanted.name,
            description=wanted.description,
            secret_hash=await self._hashed(principal, secret),
            roles=_roles(principal, wanted.roles),
            restricted=wanted.restricted,
            expires_at=wanted.expires_at,
        )
        await self._database.write(db.add, credential, now, self._most)
        return credential, secret

    async def list_of(self, principal: Principal, user_id: str, name: str | None) -> Sequence[Credential]:
        """Return the user's application credentials; with *name*, only the one of that name.

        Raises:
            Forbidden: If it is another user, and *principal* is no admin.
        """
        _require_owner_or_admin(principal, user_id)
        if not is_name(user_id):
            return []
        credentials = await self._database.read(db.list_of, UserId(user_id))
        return [credential for credential in credentials if name in (None, credential.name)]

    async def show(self, principal: Principal, user_id: str, credential_id: str) -> Credential:
        """Return an application credential.

        Raises:
            Forbidden: If it is another user, and *principal* is no admin.
            NotFound: If the user has none with this id.
        """
        _require_owner_or_admin(principal, user_id)
        credential = await self._database.read(db.find, credential_id) if is_name(credential_id) else None
        if credential is None or credential.user_id != user_id:
            raise NotFound(f"there is no application credential {credential_id[:80]!r}")
        return credential

    async def delete(self, principal: Principal, user_id: str, credential_id: str) -> None:
        """Delete an application credential; tokens issued for it end.

        Raises:
            Forbidden, NotFound: As `show`; Forbidden also if the token is restricted.
        """
        _require_unrestricted(principal)
        credential = await self.show(principal, user_id, credential_id)
        await self._database.write(db.remove, credential.id)

    async def _hashed(self, principal: Principal, secret: str) -> str:
        with self._places.taken(principal.user_id):  # so that one user cannot keep others from logging in
            return await self._passwords.hash(secret)


def _require_owner(principal: Principal, user_id: str) -> None:
    if principal.user_id != user_id:
        raise Forbidden("you can create application credentials for yourself only")


def _require_owner_or_admin(principal: Principal, user_id: str) -> None:
    if not principal.is_admin and principal.user_id != user_id:
        raise Forbidden("only an administrator may see application credentials of other users")


def _require_unrestricted(principal: Principal) -> None:
    # Otherwise the thief of a credential could create another one that its owner does not know about.
    if principal.is_restricted:
        raise Forbidden(
            "restricted application credentials and temporary access keys may not manage application credentials"
        )


def _roles(principal: Principal, wanted: Sequence[str] | None) -> tuple[str, ...]:
    if wanted is None:
        return tuple(sorted(principal.roles))
    names = {name: name for name in principal.roles} | {role_id(name): name for name in principal.roles}
    unknown = [role for role in wanted if role.lower() not in names]
    if unknown:
        raise InvalidInput(
            f"roles: this token does not have the role {unknown[0][:80]!r}; it has {', '.join(sorted(principal.roles))}"
        )
    return tuple(dict.fromkeys(names[role.lower()] for role in wanted))
