"""``python -m bench.authentication``: what it costs to know who asks.

A signature is checked without any I/O here: the head as it came, its canonical forms, the HMAC. The floor is what no
check can do without: SHA-256 of the canonical request, and HMAC-SHA-256 of the text that is signed.
"""

import argparse
import hmac
import json
import logging
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from rich.console import Console
from rich.table import Table

from bench import tokens
from stillage.accounts.secrets import digest_of
from stillage.errors import SignatureRefused
from stillage.identity.signing.authorization import authorization_of
from stillage.identity.signing.canonical import EMPTY_SHA256, Head, canonical_requests
from stillage.identity.signing.signature import payloads_of, require_recent, require_signature, sign_request

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOST = "images.example.test"
SECRET = "not-a-real-secret"
ROUNDS = 7
MAX_US = 300.0
MAX_REMEMBERED_US = 100.0
REQUESTS: Mapping[str, str] = {
    "a small request": "/v2/images/0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11",
    "a list with a query": "/v2/images?limit=25&name=a%20b&sort=name%3Aasc&status=active&tag=one&tag=two&owner=lab",
    "the dearest: every spelling is tried, and refused": "/v2/images/a%20b/tags/c?tag=one+two&tag=three&limit=2",
}


@dataclass(frozen=True)
class Row:
    """The time of one check, and how many times the floor that is."""

    what: str
    microseconds: float
    floor: float
    bar: float | None = None

    @property
    def ratio(self) -> float:
        return self.microseconds / self.floor

    @property
    def is_good(self) -> bool:
        return self.bar is None or self.microseconds < self.bar


def headers_of(target: str) -> Sequence[tuple[bytes, bytes]]:
    """The fields that aiohttp hands over, of a request as the vendor's SDK sends it."""
    given = {"Content-Type": "application/json", "User-Agent": "huaweicloud-usdk-python/3.0", "X-Project-Id": "0" * 32}
    added = sign_request(
        "GET",
        f"http://{HOST}{target}",
        given,
        access_key="STILLAGEAK00000000EX",
        secret=SECRET,
        payload=EMPTY_SHA256,
        now=NOW,
    )
    sent = {"Host": HOST, **given, **added, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
    return [(name.encode(), value.encode()) for name, value in sent.items()]


def check(target: bytes, headers: Sequence[tuple[bytes, bytes]], secret: str) -> bool:
    head = Head.of("GET", target, headers)
    authorization = authorization_of(head)
    require_recent(authorization, NOW)
    try:
        require_signature(authorization, head, secret, payloads_of(authorization, EMPTY_SHA256))
    except SignatureRefused:
        return False
    return True


def floor(canonical: bytes) -> str:
    text = b"SDK-HMAC-SHA256\n20260102T030405Z\n" + sha256(canonical).hexdigest().encode()
    return hmac.digest(SECRET.encode(), text, "sha256").hex()


def microseconds(work: Callable[[], object], seconds: float) -> float:
    """Return the median time of *work* over some rounds, each of *seconds*."""
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds / ROUNDS:
        work()
        count += 1
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(count):
            work()
        rounds.append((time.perf_counter() - begun) / count * 1e6)
    return statistics.median(rounds)


def signatures(seconds: float) -> Sequence[Row]:
    rows = []
    for what, target in REQUESTS.items():
        refused = "refused" in what
        headers, secret = headers_of(target), "another" if refused else SECRET
        assert check(target.encode(), headers, secret) != refused
        head = Head.of("GET", target.encode(), headers)
        authorization = authorization_of(head)
        canonical = next(
            canonical_requests(head, authorization.form, authorization.signed, payloads_of(authorization, EMPTY_SHA256))
        )
        taken = microseconds(lambda: check(target.encode(), headers, secret), seconds)  # noqa: B023 - run at once
        least = microseconds(lambda: floor(canonical), seconds)  # noqa: B023
        rows.append(Row(f"signature: {what}", taken, least, None if refused else MAX_US))
    return rows


def keystone_tokens(seconds: float) -> Sequence[Row]:
    """Tokens of a cloud's Keystone. The floor is to hash one: nothing is remembered by its text."""
    least = microseconds(lambda: digest_of(tokens.TOKENS[0]), seconds)
    rows = [Row("token: remembered, no I/O", microseconds(tokens.remembered(), seconds), least, MAX_REMEMBERED_US)]
    for what, asked, questions in (
        ("1,000 times the same at once: 1 validation", tokens.TOKENS[:1] * 1000, 1),
        ("1,000 different ones at once: 1,000 validations", tokens.TOKENS, 1000),
    ):
        taken, validations = min(tokens.at_once(asked) for _ in range(ROUNDS))
        assert validations == questions
        rows.append(Row(f"token: {what}", taken, least))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.authentication", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1, help="for each figure; default: 1")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rows = [*signatures(args.seconds), *keystone_tokens(args.seconds)]
    if args.json:
        json.dump([{**asdict(row), "ratio": row.ratio, "ok": row.is_good} for row in rows], sys.stdout, indent=2)
        return
    table = Table("what", "µs", "floor µs", "ratio", "bar", "")
    for row in rows:
        bar = "" if row.bar is None else f"< {row.bar:g} µs"
        verdict = "[green]ok[/]" if row.is_good else "[red]above[/]"
        table.add_row(row.what, f"{row.microseconds:.1f}", f"{row.floor:.1f}", f"{row.ratio:.1f}", bar, verdict)
    Console(width=None if sys.stdout.isatty() else 120).print(table)


if __name__ == "__main__":
    main()
