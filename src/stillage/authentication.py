"""Builds what authenticates principals: the cloud's Keystone, or the embedded identity."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from stillage.config import Settings
from stillage.db.clock import Clock
from stillage.db.session import Database
from stillage.identity.base import Identity, Sessions
from stillage.identity.keystone.identity import KeystoneIdentity, ServiceTokenRules
from stillage.identity.keystone.tokens import ServiceUser
from stillage.identity.passwords import Passwords
from stillage.identity.vault import Vault
from stillage.operations.identity.embedded import EmbeddedIdentity, UserLimits
from stillage.operations.identity.keystone_sessions import KeystoneSessions
from stillage.operations.identity.rights import EmbeddedRights, KeystoneRights
from stillage.operations.resumable.rights import Rights
from stillage.outgoing.peer import HttpPeer


@dataclass(frozen=True, slots=True)
class Authentication:
    """What authenticates principals, and looks up rights later.

    Attributes:
        embedded: None with an external Keystone.
        forget_old: Deletes what has ended; for the sweep.
    """

    identity: Identity
    embedded: EmbeddedIdentity | None
    sessions: Sessions
    rights: Rights
    forget_old: Callable[[], Awaitable[int]]
    close: Callable[[], Awaitable[None]]


def authentication_of(
    settings: Settings, database: Database, clock: Clock, passwords: Passwords | None = None
) -> Authentication:
    """Return what authenticates principals: the cloud's Keystone, or the embedded identity, with its *passwords*."""
    if settings.keystone_url is not None:
        return _keystone(settings, settings.keystone_url, database, clock)
    embedded = EmbeddedIdentity(
        database,
        passwords or Passwords(),
        secret=settings.secret,
        clock=clock,
        lifetime_s=settings.token_lifetime_s,
        limits=UserLimits(settings.max_user_tokens, settings.max_user_credentials, settings.max_user_temporary_keys),
    )

    async def close() -> None:
        embedded.close()

    rights = EmbeddedRights(clock=clock)
    return Authentication(embedded, embedded, embedded.sessions, rights, embedded.forget_old, close)


def _keystone(settings: Settings, url: str, database: Database, clock: Clock) -> Authentication:
    user = ServiceUser(
        settings.keystone_username, settings.keystone_credential_id, settings.keystone_project, settings.keystone_domain
    )
    roles = frozenset(role.lower() for role in settings.service_token_roles)
    peer = HttpPeer(url, "Keystone", timeout_s=settings.keystone_timeout_s, authority=settings.keystone_ca)
    identity = KeystoneIdentity(
        peer,
        user,
        settings.read_keystone_secret(),
        rules=ServiceTokenRules(roles, required=settings.service_token_roles_required),
        cache_s=settings.keystone_cache_s,
        clock=clock,
    )

    async def close() -> None:
        identity.close()
        await peer.close()

    sessions = KeystoneSessions(database, peer, identity, secret=settings.secret, clock=clock)
    rights = KeystoneRights(identity, Vault(settings.secret))
    return Authentication(identity, None, sessions, rights, sessions.forget_old, close)
