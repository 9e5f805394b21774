"""Assesses what happened to bodies on the path: limits, buffering, ``Expect`` and early answers. Pure."""

from stillage.client.doctor import advice
from stillage.client.doctor.bodies import Bodies, Early, Limit
from stillage.client.doctor.findings import Finding, good, note, problem, unknown
from stillage.client.doctor.wire import Head

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def assess_bodies(bodies: Bodies) -> list[Finding]:
    """Return what was found without credentials."""
    return [
        assess_limit(bodies.limit),
        assess_buffering(bodies.early),
        assess_expected(bodies.expected),
        assess_streamed(bodies.early, bodies.streamed),
    ]


def assess_limit(limit: Limit) -> Finding:
    """Say up to which size the proxy lets a body through."""
    if limit.refused is None:
        return good("body_limit", f"a body of {amount(limit.passed)} may be sent")
    what = f"the proxy answers 413 to a body of {amount(limit.refused)}; one of {amount(limit.passed)} may be sent"
    return problem("body_limit", what, advice.BODY_LIMIT)


def assess_buffering(early: Early) -> Finding:
    """Say whether the server sees a request before its last byte is sent."""
    if early.is_early:
        return good("buffering", "the server sees the first byte before the last one is sent")
    if early.head is not None:
        return problem("buffering", "the server answers only after the last byte of a body", advice.BUFFERING)
    return problem("buffering", "no answer to a request whose body is held back", advice.BUFFERING)


def assess_expected(head: Head | None) -> Finding:
    """Say what came of ``Expect: 100-continue`` without credentials: best is a refusal in place of the 100."""
    if head is None:
        return problem("expect", "no answer to Expect: 100-continue", advice.CONTINUE)
    if head.status == 417:
        return problem("expect", "Expect: 100-continue is refused with 417", advice.CONTINUE)
    if head.status == 100:
        why = "clients begin to send a body that the server refuses; harmless where early answers pass"
        return note("expect", "a proxy answers 100 before the server has seen the request", why)
    return good("expect", f"the server answers Expect: 100-continue itself, here with {head.status}")


def assess_streamed(early: Early, streamed: Early) -> Finding:
    """Say whether an answer reaches a client that is still sending."""
    if not early.is_early:
        return unknown("early_answer", "the server does not see a request before its end")
    if streamed.head is None:
        what = "the connection breaks before" if streamed.cut else "there is no answer where"
        return problem("early_answer", f"{what} a client that still sends could read the answer", advice.EARLY)
    return good("early_answer", f"a client that still sends reads the answer after {amount(streamed.sent)}")


def amount(size: int) -> str:
    """*size* bytes, in the largest unit that leaves at least 1."""
    step = min(max(0, (size.bit_length() - 1) // 10), len(UNITS) - 1)
    return f"{size / (1 << 10 * step):.4g} {UNITS[step]}"
