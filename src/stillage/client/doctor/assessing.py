"""Assesses what was seen of the connection: address, certificate, clock, and who answers. Pure."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from stillage.client.doctor import advice
from stillage.client.doctor.connection import Reached, Trusted
from stillage.client.doctor.findings import Advice, Finding, good, note, problem, unknown
from stillage.client.doctor.wire import Head

SOON = timedelta(days=14)
"""A certificate that ends earlier is a problem: renewal is usually due a month before."""
APART = timedelta(seconds=60)
"""Clocks may differ so much: tokens are renewed two minutes before they end."""
# OpenSSL, "X509_STORE_CTX_get_error".
EXPIRED, NOT_YET_VALID, OTHER_NAME = 10, 9, 62


def assess_connection(reached: Reached, *, now: datetime, verified: bool) -> list[Finding]:
    """Return what was found before any body was sent. *verified*: certificates were."""
    if reached.error:
        return [problem("address", reached.error, advice.ADDRESS)]
    findings = [good("address", ", ".join(reached.addresses))]
    findings.append(assess_certificate(reached.trusted, now=now, verified=verified))
    if reached.head is not None:
        findings += [assess_service(reached.head), assess_proxy(reached.head)]
        findings.append(assess_clock(reached.head, reached.asked_at, reached.answered_at))
    elif reached.trusted is None or not reached.trusted.error:
        findings.append(problem("service", "the connection was closed, or stayed silent", advice.SERVICE))
    return findings


def assess_certificate(trusted: Trusted | None, *, now: datetime, verified: bool) -> Finding:
    """Say whether clients trust the certificate, and for how long. *trusted* None: plain HTTP."""
    if trusted is None:
        why = "passwords, tokens and images can be read and changed on the way; fine on one machine only"
        return note("certificate", "plain HTTP, no certificate", why)
    if trusted.error:
        return problem("certificate", trusted.error, _advice_on(trusted.verify_code))
    if not verified:
        return unknown("certificate", "clouds.yaml says verify: false")
    return _assess_expiry(trusted.certificate, now)


def _advice_on(verify_code: int | None) -> Advice:
    if verify_code is None:
        return advice.TLS
    known = {EXPIRED: advice.EXPIRY, NOT_YET_VALID: advice.CLOCK, OTHER_NAME: advice.NAME}
    return known.get(verify_code, advice.CHAIN)


def _assess_expiry(certificate: Mapping[str, object], now: datetime) -> Finding:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    what = f"trusted, the name fits, the chain is complete; valid for {(ends - now).days} days, until {ends:%Y-%m-%d}"
    return problem("certificate", what, advice.EXPIRY) if ends - now < SOON else good("certificate", what)


def assess_service(head: Head) -> Finding:
    """Say whether an image service answered the question for its versions."""
    if head.status in (200, 300):
        return good("service", "an image service answers")
    return problem("service", f"status {head.status} in place of the versions of an image service", advice.SERVICE)


def assess_proxy(head: Head) -> Finding:
    """Say who answers, as far as it names itself."""
    named = [f"{name}: {head.headers[name]}" for name in ("server", "via") if head.headers.get(name)]
    return good("proxy", "; ".join(named) or "nobody names itself in Server or Via")


def assess_clock(head: Head, asked_at: datetime | None, answered_at: datetime | None) -> Finding:
    """Compare the server's clock with ours. *asked_at* and *answered_at* are around its ``Date``."""
    if asked_at is None or answered_at is None or "date" not in head.headers:
        return unknown("clock", "the answer has no Date")
    try:
        theirs = parsedate_to_datetime(head.headers["date"]).astimezone(UTC)
    except (TypeError, ValueError):
        return unknown("clock", "the answer's Date is no date")
    # Date has whole seconds, and is from any moment between the request and its answer.
    ahead = max(theirs - answered_at, asked_at - theirs - timedelta(seconds=1), timedelta(0))
    what = f"the clocks differ by {ahead.total_seconds():.0f} s"
    return problem("clock", what, advice.CLOCK) if ahead > APART else good("clock", what)
