"""Create, show, change and delete access keys (AK/SK), for their owner or an administrator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from stillage.accounts.access_key import AccessKey
from stillage.accounts.key_request import KeyChange, KeyRequest
from stillage.accounts.names import is_name
from stillage.accounts.principal import Principal
from stillage.accounts.secrets import PERMANENT, TEMPORARY, digest_of, new_access, new_secret, new_security_token
from stillage.accounts.token import Token
from stillage.db import access_keys as db
from stillage.db import identity
from stillage.db.session import Database
from stillage.errors import Forbidden, NotFound
from stillage.identity.vault import Vault
from stillage.ids import ProjectId, UserId


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key with its secrets, which are never shown again.

    Attributes:
        security_token: For temporary keys only.
    """

    key: AccessKey
    secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


class AccessKeys:
    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        clock: Callable[[], datetime],
        most_temporary: int = db.TEMPORARY_PER_USER,
    ) -> None:
        """*most_temporary*: how many temporary keys a user may have."""
        self._most_temporary = most_temporary
        self._database = database
        self._vault = vault
        self._clock = clock

    async def make(self, user_id: UserId, project_id: ProjectId | None, description: str) -> MadeKey:
        """Create a permanent key for a user. Checks no rights: it is for administrative commands.

        Raises:
            TooManyAccessKeys: If the user has reached the limit.
        """
        key, secret = self._new(PERMANENT, user_id, project_id, description)
        await self._database.write(db.add_permanent, key)
        return MadeKey(key, secret)

    async def create(self, principal: Principal, wanted: KeyRequest) -> MadeKey:
        """Create a permanent key. A principal's own key uses their current project in requests that name no project.

        Raises:
            Forbidden: If it is for another user and *principal* is no admin, or if *principal* may not create keys.
            NotFound: If there is no such user.
            TooManyAccessKeys: If the user has reached the limit.
        """
        _require_may_make(principal)
        user_id = await self._require_user(principal, wanted.user_id)
        project_id = principal.scope if user_id == principal.user_id else None
        return await self.make(user_id, project_id, wanted.description)

    async def create_temporary(self, token: Token, duration_s: int) -> MadeKey:
        """Create a temporary key pair with the rights of *token*, which ends with the token at the latest.

        Raises:
            Forbidden: If keys cannot be created with this token.
            UserLimitReached: If the user has reached the limit.
            Unauthenticated: If the token has expired or was revoked meanwhile.
        """
        _require_may_make(token.principal)
        key, secret = self._new(TEMPORARY, token.user_id, token.project_id, "")
        security_token = new_security_token()
        key = replace(
            key,
            token_hash=token.digest,
            security_token_hash=digest_of(security_token),
            expires_at=min(key.created_at + timedelta(seconds=duration_s), token.expires_at),
        )
        await self._database.write(db.add_temporary, key, self._most_temporary)
        return MadeKey(key, secret, security_token)

    async def list_of(self, principal: Principal, user_id: str | None) -> Sequence[AccessKey]:
        """Return a user's permanent keys, the principal's own if *user_id* is None; Forbidden as `create`."""
        return await self._database.read(db.list_of, await self._require_user(principal, user_id))

    async def show(self, principal: Principal, access: str) -> AccessKey:
        """Return a key; NotFound if there is none, or if it belongs to another user and *principal* is no admin."""
        key = await self._database.read(db.find, access) if is_name(access) else None
        if key is None or key.is_temporary or not (principal.is_admin or principal.user_id == key.user_id):
            raise NotFound(f"there is no access key {access[:80]!r}")
        return key

    async def change(self, principal: Principal, access: str, wanted: KeyChange) -> AccessKey:
        """Change a key and return it; Forbidden and NotFound as `create` and `show`."""
        _require_may_make(principal)
        key = await self.show(principal, access)
        changed = await self._database.write(
            db.change, key.access, enabled=wanted.enabled, description=wanted.description
        )
        return changed or key

    async def delete(self, principal: Principal, access: str) -> None:
        """Delete a key; Forbidden and NotFound as `change`."""
        _require_may_make(principal)
        await self._database.write(db.remove, (await self.show(principal, access)).access)

    # For administrative commands.

    async def all_of(self, user_id: UserId) -> Sequence[AccessKey]:
        return await self._database.read(db.list_of, user_id)

    async def set_enabled(self, access: str, *, enabled: bool) -> None:
        """Enable or disable a key; NotFound if there is none."""
        if not is_name(access):
            raise _no_key(access)
        if await self._database.write(db.change, access, enabled=enabled, description=None) is None:
            raise _no_key(access)

    async def remove(self, access: str) -> None:
        """Delete a key; NotFound if there is none."""
        if not is_name(access) or not await self._database.write(db.remove, access):
            raise _no_key(access)

    async def forget_old(self) -> int:
        """Delete expired temporary keys, and return how many. For the sweep."""
        return await self._database.write(db.forget_expired, self._clock())

    def _new(
        self, prefix: str, user_id: UserId, project_id: ProjectId | None, description: str
    ) -> tuple[AccessKey, str]:
        access, secret = new_access(prefix), new_secret()
        sealed = self._vault.seal(access, secret)
        key = AccessKey(access, user_id, sealed, True, description, project_id, None, None, self._clock(), None)
        return key, secret

    async def _require_user(self, principal: Principal, user_id: str | None) -> UserId:
        if user_id in (None, principal.user_id):
            return principal.user_id
        if not principal.is_admin:
            raise Forbidden("only an administrator may see or create access keys of other users")
        user = None
        if user_id is not None and is_name(user_id):
            user = await self._database.read(identity.find_user, user_id=user_id)
        if user is None:
            raise NotFound("there is no such user")
        return user.id


def _require_may_make(principal: Principal) -> None:
    # Otherwise the thief of a key could create another one that its owner does not know about, or with more rights.
    if not principal.may_make_keys:
        raise Forbidden(
            "application credentials and temporary access keys may not manage access keys; log in with a password"
        )


def _no_key(access: str) -> NotFound:
    return NotFound(f"there is no access key {access!r}; 'stillage accesskey list' shows them")
