"""What of a request is signed: its canonical form, in each of the spellings that clients have for it.

Everything here is octets as they stood on the wire. A framework that decodes a path, merges headers or reads them as
text loses what the client signed.

Source: Huawei Cloud, "API request signing guide", and what the clients of docs/signatures.md send.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from urllib.parse import quote_from_bytes, quote_plus, unquote_to_bytes

EMPTY_SHA256 = sha256(b"").hexdigest()

Pair = tuple[bytes, bytes]


class Form(Enum):
    """The ways to sign that are verified here, by the algorithm and the first field of ``Authorization``."""

    ACCESS = ("SDK-HMAC-SHA256", "Access")
    SCOPED = ("SDK-HMAC-SHA256", "Credential")
    DERIVED = ("V11-HMAC-SHA256", "Credential")

    @property
    def algorithm(self) -> str:
        return self.value[0]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request as it came.

    Attributes:
        target: Path and query as in the request line.
        fields: Every value of each header, in their order; names in lower case.
    """

    method: str
    target: bytes
    fields: Mapping[str, Sequence[bytes]]

    @classmethod
    def of(cls, method: str, target: bytes, headers: Sequence[Pair]) -> "Head":
        fields: dict[str, list[bytes]] = {}
        for name, value in headers:
            fields.setdefault(name.decode("latin-1").lower(), []).append(value)
        return cls(method, target, fields)


def canonical_requests(head: Head, form: Form, signed: Sequence[str], payloads: Sequence[str]) -> Iterator[bytes]:
    """Yield what a client may have signed, the likeliest first; 16 texts at the most.

    Args:
        head: It has each of the *signed* headers exactly once.
        form: It decides about blanks in values, and the order of the query.
        signed: Names of headers, in lower case, in the order of ``SignedHeaders``.
        payloads: What may stand for the body.
    """
    path, _, query = head.target.partition(b"?")
    lines = b"".join(_line(form, name, head.fields[name][0]) for name in signed)
    names = ";".join(signed).encode()
    method = head.method.upper().encode()
    for uri in _paths(path):
        for text in _queries(query, form):
            for payload in payloads:
                yield b"\n".join((method, uri.encode(), text.encode(), lines, names, payload.encode()))
        if form is Form.SCOPED and method == b"POST" and payloads == (EMPTY_SHA256,):
            # Terraform takes the query of such a request for the form in its body.
            yield b"\n".join((method, uri.encode(), b"", lines, names, _digest_of_form(query).encode()))


def _line(form: Form, name: str, value: bytes) -> bytes:
    kept = b" ".join(value.split()) if form is Form.SCOPED else value.strip()
    return b"%s:%s\n" % (name.encode(), kept)


def _paths(path: bytes) -> Iterator[str]:
    yield _closed(quote_from_bytes(unquote_to_bytes(path)))
    if b"%" in path:
        yield _closed(quote_from_bytes(path))  # Node and Java escape what is escaped already


def _closed(path: str) -> str:
    return path if path.endswith("/") else f"{path}/"


def _queries(query: bytes, form: Form) -> Iterator[str]:
    """Yield the query's spellings, each with every pair in it: what one leaves out could be changed in flight."""
    if not query:
        yield ""
        return
    if form is Form.SCOPED:
        yield _text(sorted(_escaped(_pairs(query, plus=b" ")), key=lambda pair: (pair[0].lower(), pair[1])))
        return
    for plus in (b"+", b" ") if b"+" in query else (b"+",):
        pairs = _pairs(query, plus=plus)
        yield _text(_escaped(sorted(pairs)))
        if len({key for key, _ in pairs}) < len(pairs):
            yield _text(sorted(_escaped(pairs), key=lambda pair: pair[0]))  # Java keeps the order of values


def _pairs(query: bytes, *, plus: bytes) -> list[Pair]:
    parts = [part.partition(b"=") for part in query.split(b"&") if part]
    return [(_decoded(key, plus), _decoded(value, plus)) for key, _, value in parts]


def _decoded(text: bytes, plus: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", plus))


def _escaped(pairs: Sequence[Pair]) -> list[tuple[str, str]]:
    return [(quote_from_bytes(key, safe=""), quote_from_bytes(value, safe="")) for key, value in pairs]


def _text(pairs: Sequence[tuple[str, str]]) -> str:
    return "&".join(f"{key}={value}" for key, value in pairs)


def _digest_of_form(query: bytes) -> str:
    pairs = sorted(_pairs(query, plus=b" "), key=lambda pair: pair[0])
    form = "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs)
    return sha256(form.encode()).hexdigest()
