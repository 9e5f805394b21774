"""Look up the rights of the user behind a resumable upload without a token: in the embedded identity or Keystone."""

from collections.abc import Callable
from datetime import datetime

from stillage.accounts.principal import Principal
from stillage.db import Connection, rights
from stillage.errors import RightsLost, SecretUnreadable, Unauthenticated
from stillage.identity.keystone.identity import KeystoneIdentity
from stillage.identity.vault import Vault
from stillage.images.upload import Grant
from stillage.operations.resumable.rights import Look

ENDED = (
    "Keystone no longer vouches for the token that opened it: the token was revoked or expired too long ago, or "
    "the user, project or role is gone"
)


class EmbeddedRights:
    """Implements `operations.resumable.rights.Rights` from our own tables: changes take effect at once."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def keep(self, principal: Principal) -> str | None:
        return principal.through

    async def look(self, grant: Grant, *, hold: bool) -> Look:
        def look(connection: Connection) -> Principal:
            if hold:
                rights.hold(connection, grant)
            return rights.find(connection, grant, self._clock())

        return look


class KeystoneRights:
    """The same with Keystone, which validates the token that opened the upload, even after it has expired.

    Its answer may be as old as the cache of `KeystoneIdentity` allows. The token is stored encrypted.
    """

    def __init__(self, identity: KeystoneIdentity, vault: Vault) -> None:
        self._identity = identity
        self._vault = vault

    def keep(self, principal: Principal) -> str | None:
        return None if principal.through is None else self._vault.seal(_name(principal.user_id), principal.through)

    async def look(self, grant: Grant, *, hold: bool) -> Look:  # noqa: ARG002 - nothing there can be held
        if grant.through is None:
            raise RightsLost(ENDED)
        try:
            token = self._vault.open(_name(grant.user_id), grant.through)
            principal = await self._identity.still(token)
        except (Unauthenticated, SecretUnreadable) as error:
            raise RightsLost(ENDED) from error
        return lambda _: principal


def _name(user_id: str) -> str:
    return f"token that opened an upload of {user_id}"
