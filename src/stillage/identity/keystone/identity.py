"""The cloud's own Keystone: it says whose a token is, and we remember that for a while.

What is asked, and how answers are understood, is as keystonemiddleware does it. Every doubt about Keystone itself is
`Unavailable`, never a bad token.

Source: Identity API v3, "Validate and show information for token".
"""

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from stillage.accounts.principal import Kind, Principal
from stillage.accounts.secrets import digest_of
from stillage.errors import Unauthenticated, Unavailable
from stillage.identity.keystone.cache import Answer, Lookups
from stillage.identity.keystone.tokens import NoToken, ServiceUser, Validated, expiry_of, renewal_of, validated_of
from stillage.ids import UserId
from stillage.peers import Peer, Reply

T = TypeVar("T")

log = structlog.get_logger()

TOKENS = "/v3/auth/tokens"
# Anything else cannot be a header's value, or is longer than any token; the longest known have 8 KiB.
TOKEN = re.compile(r"[!-~]{1,16384}")
# What says that the token itself is too long for Keystone to be one of its own.
TOO_LONG = (413, 414, 431)
# A token that Keystone does not know may be one that it does not know yet.
BAD_FOR_S = 5.0
RENEW_BEFORE = timedelta(seconds=120)
# After a login that failed: Keystone may lock an account that fails too often, and one that is down needs no hurry.
PAUSE = timedelta(seconds=10)
REMEMBERED = 4096
REMEMBERED_BAD = 1024


class Session:
    """Our own token: got when it is needed, renewed before it ends, and again when Keystone does not know it."""

    def __init__(self, keystone: Peer, user: ServiceUser, secret: str, *, clock: Callable[[], datetime]) -> None:
        self._keystone = keystone
        self._user = user
        self._secret = secret
        self._clock = clock
        self._turn = asyncio.Lock()
        self._own: _OwnToken | None = None
        self._refused_until: datetime | None = None

    async def token(self) -> str:
        """Return one that is good.

        Raises:
            Unavailable: If there is none to be had now.
        """
        if (own := self._own) is not None and self._clock() < own.renew_at:
            return own.text
        async with self._turn:  # the first logs in, the others find what he got
            if (own := self._own) is not None and self._clock() < own.renew_at:
                return own.text
            try:
                self._own = await self._log_in()
            except Unavailable:
                now = self._clock()
                if own is None or now >= own.expires_at:
                    raise
                self._own = replace(own, renew_at=min(now + PAUSE, own.expires_at))  # it is still good
            return self._own.text

    def forget(self, text: str) -> None:
        """Keystone does not take *text* any more."""
        if self._own is not None and self._own.text == text:
            self._own = None

    async def _log_in(self) -> "_OwnToken":
        now = self._clock()
        if self._refused_until is not None and now < self._refused_until:
            raise Unavailable("Keystone does not accept this server's own login; the server's log says more")
        body = json.dumps(self._user.login(self._secret)).encode()
        path = f"{TOKENS}?nocatalog"
        reply = await self._keystone("POST", path, {"Content-Type": "application/json"}, body)
        if reply.status == 201 and (text := reply.headers.get("x-subject-token")):
            expires_at = _read(reply, expiry_of)
            log.info("logged in to Keystone", expires_at=expires_at.isoformat())
            return _OwnToken(text, expires_at, renewal_of(now, expires_at, RENEW_BEFORE))
        if reply.status in (400, 401, 403):
            self._refused_until = now + PAUSE
            log.error("Keystone refuses the login of the service user; fix its settings", status=reply.status)
            raise Unavailable("Keystone does not accept this server's own login; the server's log says more")
        raise _strange(reply)


@dataclass(frozen=True, slots=True)
class _OwnToken:
    text: str = field(repr=False)
    expires_at: datetime
    renew_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceTokenRules:
    """Which services may vouch for a user whose token is over.

    Attributes:
        roles: One of these is needed for it; lower case.
        required: A service token without one of them refuses the request, instead of meaning nothing.
    """

    roles: frozenset[str] = frozenset({"service"})
    required: bool = True


class KeystoneIdentity:
    """Implements `identity.base.Identity` by asking Keystone."""

    def __init__(
        self,
        keystone: Peer,
        user: ServiceUser,
        secret: str,
        *,
        rules: ServiceTokenRules,
        cache_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        """*cache_s*: how long an answer is believed, and a revoked token may go on to work."""
        self._keystone = keystone
        self._session = Session(keystone, user, secret, clock=clock)
        self._rules = rules
        self._cache_s = cache_s
        self._clock = clock
        self._known: Lookups[Validated] = Lookups(found=REMEMBERED, missing=REMEMBERED_BAD, clock=clock)

    async def principal_of(self, token: str, *, service_token: str | None = None) -> Principal:
        """See `identity.base.Identity`. A token that is remembered costs no I/O."""
        vouched_by, may_be_over = await self._voucher(service_token) if service_token else (None, False)
        known = await self._get(token, may_be_over=may_be_over)
        if known.project_id is None:
            raise Unauthenticated("this token is for no project; a token that is scoped to a project is needed")
        return Principal(
            known.user_id,
            known.project_id,
            known.roles,
            known.user_name,
            known.project_name,
            kind=Kind.APPLICATION_CREDENTIAL if known.is_credential else Kind.TOKEN,
            vouched_by=vouched_by,
            through=token,
        )

    async def still(self, token: str) -> Principal:
        """Return whom *token* stands for now, although its own time may be over.

        Keystone tells that of tokens that ended a while ago (``allow_expired_window``), if their users, projects and
        roles are still there; it cannot say which of them is not.

        Raises:
            Unauthenticated, Unavailable: As `principal_of`.
        """
        known = await self._get(token, may_be_over=True)
        if known.project_id is None:
            raise Unauthenticated
        return Principal(
            known.user_id, known.project_id, known.roles, known.user_name, known.project_name, through=token
        )

    def close(self) -> None:
        self._known.close()

    async def _voucher(self, service_token: str) -> tuple[UserId, bool]:
        """Return which service vouches, and whether the user's token may be over."""
        service = await self._get(service_token, may_be_over=False)
        has_role = not self._rules.roles.isdisjoint(service.roles)
        if self._rules.required and not has_role:
            raise Unauthenticated
        return service.user_id, has_role

    async def _get(self, token: str, *, may_be_over: bool) -> Validated:
        if not TOKEN.fullmatch(token):
            raise Unauthenticated
        # Keystone answers the two questions differently, so they are remembered apart.
        key = digest_of(token) + ("/over" if may_be_over else "")
        known = await self._known.get(key, lambda: self._validate(token, may_be_over=may_be_over))
        # The end is looked at every time: what is remembered may be older than the answer was good for.
        if known is None or known.has_rules or not (may_be_over or self._clock() < known.expires_at):
            raise Unauthenticated
        return known

    async def _validate(self, token: str, *, may_be_over: bool) -> Answer[Validated]:
        reply = await self._ask(token, may_be_over=may_be_over)
        if reply.status == 404 or reply.status in TOO_LONG:
            return Answer(None, BAD_FOR_S)
        if reply.status != 200:
            raise _strange(reply)
        known = _read(reply, validated_of)
        left_s = (known.expires_at - self._clock()).total_seconds()
        return Answer(known, self._cache_s if may_be_over else min(self._cache_s, left_s))

    async def _ask(self, token: str, *, may_be_over: bool) -> Reply:
        path = f"{TOKENS}?nocatalog{'&allow_expired=1' if may_be_over else ''}"
        for _ in range(2):
            own = await self._session.token()
            # OpenStack-Identity-Access-Rules is left out: Keystone then refuses tokens with rules, which we could not
            # hold anybody to.
            reply = await self._keystone("GET", path, {"X-Auth-Token": own, "X-Subject-Token": token})
            if reply.status != 401:
                return reply
            self._session.forget(own)
        log.error("Keystone does not accept the token that it just gave to the service user")
        raise Unavailable("Keystone does not accept this server's own login; the server's log says more")


def _read(reply: Reply, read: Callable[[object], T]) -> T:
    try:
        return read(json.loads(reply.body))
    except (ValueError, RecursionError, NoToken) as error:
        log.error("Keystone's answer is not understood", why=type(error).__name__)
        raise Unavailable("Keystone's answer is not understood; the server's log says more") from error


def _strange(reply: Reply) -> Unavailable:
    log.error("Keystone does not do what it is asked", status=reply.status)
    return Unavailable(f"Keystone answers {reply.status}; the same request may succeed later")
