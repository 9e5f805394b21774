"""Verify the AK/SK signatures of requests, and return the principal. Locks a key after too many failures.

There are two steps, because a body may have to be read between them: `recognise` checks the head, `verify` the
signature. Errors say no more than those of the vendor's gateway.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stillage.accounts.access_key import Holder
from stillage.accounts.names import is_name
from stillage.accounts.principal import Kind, Principal
from stillage.accounts.secrets import digest_of
from stillage.db import Connection, access_keys, failures
from stillage.db.session import Database
from stillage.errors import SignatureRefused, Unauthenticated
from stillage.identity.networks import network_of
from stillage.identity.signing.authorization import PROJECT, SECURITY_TOKEN, Authorization, Fault, authorization_of
from stillage.identity.signing.canonical import Head
from stillage.identity.signing.signature import payloads_of, require_digest, require_recent, require_signature
from stillage.identity.vault import Vault
from stillage.operations.identity.guard import FailureLimit

LOCK = FailureLimit(count=5, window_s=300)
PROJECT_UNSIGNED = "X-Project-Id names another project than the key's, and is not in SignedHeaders; sign it"
EXPIRED = "calc ak sk signature fail:signature expired"


@dataclass(frozen=True, slots=True)
class Recognised:
    """A signed request with a valid key. Its signature is not verified yet.

    Attributes:
        project: What ``X-Project-Id`` names. It chooses the holder's project only if it is signed.
        who: The key and the client's network, as failures are counted.
        failed: True if there were failures recently.
    """

    authorization: Authorization
    head: Head
    holder: Holder
    project: str | None
    who: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Signatures:
    """Verifies signatures.

    Attributes:
        secret: Key of the hashes under which failures are counted.
    """

    database: Database
    vault: Vault
    secret: bytes = field(repr=False)
    clock: Callable[[], datetime]
    limit: FailureLimit = LOCK

    async def recognise(self, head: Head, *, address: str, project: str | None) -> Recognised:
        """Check the head. The clock is read here, because the body may take a long time.

        Args:
            head: As received.
            address: The client's address. Access keys are not secret, so failures count per key and network: others
                cannot lock out its owner.
            project: The project that the request names; None if it names none.

        Raises:
            SignatureRefused: If the signature is malformed or too old, or its key is unknown, disabled or locked.
        """
        now = self.clock()
        authorization = authorization_of(head)
        require_recent(authorization, now)
        project = project if project is None or is_name(project) else ""
        who = hmac.digest(self.secret, f"key {authorization.access_key} {network_of(address)}".encode(), "sha256").hex()
        since = now - timedelta(seconds=self.limit.window_s)
        chosen = project if PROJECT in authorization.signed else None
        holder, failed = await self.database.read(
            _look_up, authorization.access_key, chosen, who, since, self.limit.count
        )
        if holder is None:
            why = f"Get secretKey failed,ak:{authorization.access_key},err:ak not exist"
            raise SignatureRefused(Fault.KEY_UNKNOWN, why)
        if len(failed) >= self.limit.count:
            raise SignatureRefused(Fault.KEY_LOCKED, "AK access failed to reach the limit,forbidden")
        if holder.key.expires_at is not None and holder.key.expires_at <= now:
            raise SignatureRefused(Fault.KEY_EXPIRED, EXPIRED)
        request = Recognised(authorization, head, holder, project, who, bool(failed))
        with_token = _has_security_token(request)
        if not with_token:
            await self._count(request)
            signed = SECURITY_TOKEN in authorization.signed
            raise SignatureRefused(Fault.SIGNATURE_MISMATCH if signed else Fault.TOKEN_MISMATCH)
        return request

    async def verify(self, request: Recognised, body_digest: str | None) -> Principal:
        """Verify the signature, and return the principal.

        Args:
            request: What `recognise` returned.
            body_digest: SHA-256 of the body in hex; None if the body is still unread and the head has a digest.

        Raises:
            SignatureRefused: If the request is not the one that was signed, its user has no role in its project, or
                an unsigned ``X-Project-Id`` names another one than the key's.
        """
        secret = self.vault.open(request.holder.key.access, request.holder.key.sealed)
        try:
            require_signature(
                request.authorization, request.head, secret, payloads_of(request.authorization, body_digest)
            )
            if body_digest is not None:
                require_digest(request.authorization, body_digest)
        except SignatureRefused:
            await self._count(request)
            raise
        if request.failed:
            await self.database.write(failures.forget, request.who)
        holder = request.holder
        # An unsigned project may have been changed on the way, and with it the rights of the request.
        if request.project not in (None, holder.project_id) and PROJECT not in request.authorization.signed:
            raise SignatureRefused(Fault.PROJECT_UNSIGNED, PROJECT_UNSIGNED)
        if request.project is not None and holder.project_id is None:
            raise _no_role()
        is_temporary = holder.key.is_temporary
        return Principal(
            holder.key.user_id,
            holder.project_id,
            holder.roles,
            holder.user_name,
            holder.project_name or "",
            kind=Kind.SIGNATURE,
            through=None if is_temporary else holder.key.access,
            is_restricted=is_temporary,
            may_make_keys=not is_temporary,
        )

    async def require_body(self, request: Recognised, body_digest: str) -> None:
        """Check the digest of a body that arrived after `verify`.

        Raises:
            SignatureRefused: If it does not have the digest that was signed.
        """
        try:
            require_digest(request.authorization, body_digest)
        except Unauthenticated:
            await self._count(request)
            raise

    async def _count(self, request: Recognised) -> None:
        await self.database.write(_record, request.who, self.clock(), self.limit)


def require_project(signer: Principal) -> Principal:
    """Return *signer*; SignatureRefused if the request is for no project."""
    if signer.scope is None:
        raise _no_role()
    return signer


def _look_up(
    connection: Connection, access: str, project: str | None, who: str, since: datetime, limit: int
) -> tuple[Holder | None, Sequence[datetime]]:
    return access_keys.find_holder(connection, access, project), failures.latest(connection, who, since, limit)


def _record(connection: Connection, who: str, now: datetime, limit: FailureLimit) -> None:
    failures.record(connection, who, now)
    since = now - timedelta(seconds=limit.window_s)
    if len(failures.latest(connection, who, since, limit.count)) >= limit.count:
        # The key is locked from the last failure on, so move them all to it.
        failures.move(connection, who, now)


def _has_security_token(request: Recognised) -> bool:
    wanted = request.holder.key.security_token_hash
    given = request.head.fields.get(SECURITY_TOKEN, ())
    if wanted is None:
        return True
    text = given[0].decode("latin-1").strip() if len(given) == 1 else ""
    return hmac.compare_digest(digest_of(text), wanted)


def _no_role() -> SignatureRefused:
    why = "the user of this access key has no role in the project of this request; X-Project-Id names one"
    return SignatureRefused(Fault.NO_ROLE, why)
