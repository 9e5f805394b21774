"""What a signed request says of itself: ``Authorization`` and the headers that go with it, read strictly.

Source: Huawei Cloud, "API request signing guide", and what the clients of docs/signatures.md send.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stillage.errors import SignatureRefused
from stillage.identity.signing.canonical import Form, Head

UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
AUTHORIZATION = "authorization"
DATE = "x-sdk-date"
DIGEST = "x-sdk-content-sha256"
PROJECT = "x-project-id"
SECURITY_TOKEN = "x-security-token"  # noqa: S105 - the header's name

SCHEME = re.compile(r"(?:SDK|V11)-[A-Z0-9-]+(?=[ \t]|$)")
ACCESS_KEY = re.compile(r"[A-Za-z0-9._~-]{1,128}")
NAMES = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+(?:;[a-z0-9!#$%&'*+.^_`|~-]+)*")
SIGNATURE = re.compile(r"[0-9a-f]{64}")
DATE_SHAPE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
DIGEST_SHAPE = re.compile(r"[0-9a-fA-F]{64}")


class Fault(StrEnum):
    """Which check a signed request did not pass. For logs and tests; a client reads much less."""

    AUTHORIZATION_MALFORMED = "authorization-malformed"
    ALGORITHM_UNSUPPORTED = "algorithm-unsupported"
    SIGNED_HEADER_MISSING = "signed-header-missing"
    DATE_MISSING = "date-missing"
    DATE_MALFORMED = "date-malformed"
    SKEWED = "request-time-skewed"
    KEY_UNKNOWN = "unknown-access-key"
    KEY_EXPIRED = "access-key-expired"
    KEY_LOCKED = "access-key-locked"
    TOKEN_MISMATCH = "security-token-mismatch"  # noqa: S105
    SIGNATURE_MISMATCH = "signature-mismatch"
    DIGEST_MISMATCH = "payload-digest-mismatch"
    NO_ROLE = "no-role-in-project"
    PROJECT_UNSIGNED = "project-unsigned"


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a signed request says of itself. Nothing of it is believed yet.

    Attributes:
        scope: ``day/region/service…`` of the scoped and the derived form; empty in the access form.
        signed: Names of the signed headers, in their order.
        signed_at: ``X-Sdk-Date``, as it is written.
        digest: ``X-Sdk-Content-Sha256``, None without one.
    """

    form: Form
    access_key: str
    scope: str
    signed: tuple[str, ...]
    signature: str
    signed_at: str
    digest: str | None

    @property
    def signs_body(self) -> bool:
        return self.digest != UNSIGNED_PAYLOAD


def is_signed(authorization: str) -> bool:
    """True if this ``Authorization`` is of the family, and not for instance ``Bearer …``."""
    return SCHEME.match(authorization) is not None


def authorization_of(head: Head) -> Authorization:
    """Read what a signed request says of itself.

    Raises:
        SignatureRefused: If something is missing, there twice, malformed or of an algorithm that is not verified here.
    """
    algorithm, fields = _authorization(head)
    if not head.target.startswith(b"/") or b"#" in head.target:
        raise SignatureRefused(Fault.SIGNATURE_MISMATCH)  # what the router would leave out of it nobody may sign
    form, credential = _form(algorithm, fields)
    if not NAMES.fullmatch(fields.get("SignedHeaders", "")) or not SIGNATURE.fullmatch(fields.get("Signature", "")):
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    signed = tuple(fields["SignedHeaders"].split(";"))
    if len(set(signed)) < len(signed) or not {"host", DATE} <= set(signed):
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    access_key, _, scope = credential.partition("/")
    signed_at = _date(head)
    _require_scope(form, access_key, scope, signed_at)
    for name in signed:
        if name not in head.fields:
            raise SignatureRefused(Fault.SIGNED_HEADER_MISSING)
        if len(head.fields[name]) > 1:
            raise SignatureRefused(Fault.SIGNATURE_MISMATCH)
    return Authorization(form, access_key, scope, signed, fields["Signature"], signed_at, _digest(head))


def _authorization(head: Head) -> tuple[str, dict[str, str]]:
    given = head.fields.get(AUTHORIZATION, ())
    if len(given) != 1:
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    algorithm, _, rest = given[0].decode("latin-1").strip().partition(" ")
    parts = [part.strip(" \t").partition("=") for part in rest.split(",")]
    fields = {name: value for name, _, value in parts}
    if len(fields) != 3 or len(parts) != 3:
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    return algorithm, fields


def _form(algorithm: str, fields: Mapping[str, str]) -> tuple[Form, str]:
    if algorithm not in {form.algorithm for form in Form}:
        raise SignatureRefused(Fault.ALGORITHM_UNSUPPORTED)
    for form in Form:
        name = form.value[1]
        if form.algorithm == algorithm and name in fields:
            return form, fields[name]
    raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)


def _date(head: Head) -> str:
    given = head.fields.get(DATE, ())
    if not given:
        raise SignatureRefused(Fault.DATE_MISSING)
    text = given[0].decode("latin-1").strip()
    if len(given) > 1 or not DATE_SHAPE.fullmatch(text):
        raise SignatureRefused(Fault.DATE_MALFORMED)
    return text


def _require_scope(form: Form, access_key: str, scope: str, signed_at: str) -> None:
    if not ACCESS_KEY.fullmatch(access_key):
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    parts = scope.split("/")
    if form is Form.ACCESS:
        well_formed = not scope
    elif form is Form.SCOPED:  # region and service may be empty: Terraform leaves them so
        well_formed = len(parts) == 4 and parts[3] == "sdk_request"
    else:
        well_formed = len(parts) == 3
    if not well_formed:
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    if form is not Form.ACCESS and parts[0] != signed_at[:8]:
        raise SignatureRefused(Fault.SIGNATURE_MISMATCH)


def _digest(head: Head) -> str | None:
    given = head.fields.get(DIGEST, ())
    if len(given) > 1:
        raise SignatureRefused(Fault.AUTHORIZATION_MALFORMED)
    if not given:
        return None
    text = given[0].decode("latin-1").strip()
    if text != UNSIGNED_PAYLOAD and not DIGEST_SHAPE.fullmatch(text):
        raise SignatureRefused(Fault.DIGEST_MISMATCH)
    return text
