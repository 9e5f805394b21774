"""Request signatures (AK/SK): checked, and made.

A client and the server share a secret key. The client signs what matters of a request with it, and names it by its
access key; the secret itself is never sent. Everything here is a pure function: who the key belongs to, whether it
still counts and what the time is are for `operations.identity.signatures`.

Source: Huawei Cloud, "API request signing guide", and what the clients of docs/signatures.md send.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlsplit

from stillage.errors import SignatureRefused
from stillage.identity.signing.authorization import UNSIGNED_PAYLOAD, Authorization, Fault
from stillage.identity.signing.canonical import EMPTY_SHA256, Form, Head, canonical_requests

DATE_FORMAT = "%Y%m%dT%H%M%SZ"
MAX_SKEW = timedelta(minutes=15)
MAX_BODY = 12 << 20
"""What a signed request may carry, as at the vendor's gateway."""

# Signed by some clients, and nothing that an answer or a log may show.
SECRET_HEADERS = ("x-security-token", "x-auth-token", "x-service-token", "x-subject-token", "authorization", "cookie")


def require_recent(authorization: Authorization, now: datetime) -> None:
    """Check that the request was signed within 15 minutes of *now*, the moment when its head arrived.

    Raises:
        SignatureRefused: Otherwise.
    """
    try:
        signed_at = datetime.strptime(authorization.signed_at, DATE_FORMAT).replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureRefused(Fault.DATE_MALFORMED) from error
    # The header has whole seconds, so the clock is read in whole seconds as well: 900 pass, 901 do not.
    if abs(now.replace(microsecond=0) - signed_at) > MAX_SKEW:
        raise SignatureRefused(Fault.SKEWED, "calc ak sk signature fail:signature expired")


def require_signature(authorization: Authorization, head: Head, secret: str, payloads: Sequence[str]) -> None:
    """Check the signature against what the request is.

    Args:
        authorization: That of *head*.
        head: As it came.
        secret: The secret key.
        payloads: What may stand for the body, see `payloads_of`.

    Raises:
        SignatureRefused: If it is of another request or another key. The text has what was expected to be signed.
    """
    key = _key(authorization, secret)
    first = b""
    for canonical in canonical_requests(head, authorization.form, authorization.signed, payloads):
        wanted = _signature(authorization.form, authorization.scope, authorization.signed_at, key, canonical)
        if hmac.compare_digest(wanted, authorization.signature):
            return
        first = first or canonical
    why = f"verify aksk signature fail, canonicalRequest:{_shown(first)}"
    raise SignatureRefused(Fault.SIGNATURE_MISMATCH, why)


def payloads_of(authorization: Authorization, body_digest: str | None) -> tuple[str, ...]:
    """Return what may stand for the body in the canonical request.

    Args:
        authorization: Of the request.
        body_digest: SHA-256 of the body in hex; None while unknown, which needs a digest in *authorization*.
    """
    if authorization.digest is None:
        assert body_digest is not None  # noqa: S101 - else there is nothing to verify with
        return (body_digest,)
    # The vendor's Python SDK says UNSIGNED-PAYLOAD and signs the empty digest where there is no body.
    return (authorization.digest, EMPTY_SHA256) if body_digest == EMPTY_SHA256 else (authorization.digest,)


def require_digest(authorization: Authorization, body_digest: str) -> None:
    """Check the body that came against the digest in the head: that one is signed, but only the client's word.

    Raises:
        SignatureRefused: If they differ.
    """
    if authorization.digest not in (None, UNSIGNED_PAYLOAD) and not hmac.compare_digest(
        authorization.digest.lower(), body_digest
    ):
        raise SignatureRefused(Fault.DIGEST_MISMATCH)


def sign_request(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    access_key: str,
    secret: str,
    payload: str,
    now: datetime,
) -> dict[str, str]:
    """Return the headers that make a request a signed one, in the access form, to send beside *headers*.

    ``Host`` is signed as clients write it: with the port, unless it is the scheme's own.

    Args:
        method: In upper case.
        url: Escaped exactly as it will be sent.
        headers: Those that shall be signed; what the HTTP library adds by itself is not covered. With a temporary pair
            ``X-Security-Token`` is one of them.
        access_key: Names the key.
        secret: The secret key; it is not sent.
        payload: The body's SHA-256 in lower-case hex, or `UNSIGNED_PAYLOAD`.
        now: Aware.
    """
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    signed_at = now.astimezone(UTC).strftime(DATE_FORMAT)
    added = {"X-Sdk-Date": signed_at, "X-Sdk-Content-Sha256": payload}
    sent = {**headers, **added, "Host": _host(parts.scheme, parts.netloc)}
    pairs = [(name.encode(), value.encode()) for name, value in sent.items() if "_" not in name]
    head = Head.of(method, target.encode(), pairs)
    signed = tuple(sorted(head.fields))
    canonical = next(canonical_requests(head, Form.ACCESS, signed, (payload,)))
    signature = _signature(Form.ACCESS, "", signed_at, secret.encode(), canonical)
    fields = f"Access={access_key}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    return {**added, "Authorization": f"{Form.ACCESS.algorithm} {fields}"}


def _host(scheme: str, netloc: str) -> str:
    host = netloc.rpartition("@")[2]
    return host.removesuffix({"http": ":80", "https": ":443"}.get(scheme, ":"))


def _key(authorization: Authorization, secret: str) -> bytes:
    """Return what the form signs with."""
    if authorization.form is Form.ACCESS:
        return secret.encode()
    if authorization.form is Form.SCOPED:
        key = f"SDK{secret}".encode()
        for part in authorization.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        return key
    # HKDF with one block of output. What signs is its hexadecimal text.
    extracted = hmac.digest(authorization.access_key.encode(), secret.encode(), "sha256")
    return hmac.digest(extracted, authorization.scope.encode() + b"\x01", "sha256").hex().encode()


def _signature(form: Form, scope: str, signed_at: str, key: bytes, canonical: bytes) -> str:
    parts = [form.algorithm, signed_at, *([scope] if scope else []), sha256(canonical).hexdigest()]
    return hmac.digest(key, "\n".join(parts).encode(), "sha256").hex()


def _shown(canonical: bytes) -> str:
    """The canonical request on one line. It has nothing that the client did not send; tokens are cut out anyway."""
    lines = canonical.decode("utf-8", "backslashreplace").split("\n")
    return "|".join(_masked(line) for line in lines)


def _masked(line: str) -> str:
    name, colon, _ = line.partition(":")
    return f"{name}:***" if colon and name in SECRET_HEADERS else line
