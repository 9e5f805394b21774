"""What is signed is covered: one changed thing, and the signature is of another request."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from builders import T0
from stillage.errors import SignatureRefused
from stillage.identity.signing.authorization import UNSIGNED_PAYLOAD, Fault, authorization_of, is_signed
from stillage.identity.signing.canonical import EMPTY_SHA256, Head
from stillage.identity.signing.signature import payloads_of, require_recent, require_signature, sign_request

KEY, SECRET = "STILLAGEAK00000000EX", "not-a-real-secret"
# No slash: an escaped one is a separator to every client that signs, and so it is here.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=12)
VALUES = st.from_regex(r"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)
NAMES = st.from_regex(r"x-[a-z]{1,8}", fullmatch=True).filter(lambda name: name != "x-sdk")
QUERIES = st.lists(st.tuples(TEXT, TEXT), max_size=4)


def signed(method: str, url: str, headers: dict[str, str], body: bytes) -> Head:
    """A request as a client sends it. What it signs of the body is its digest."""
    payload = sha256(body).hexdigest()
    added = sign_request(method, url, headers, access_key=KEY, secret=SECRET, payload=payload, now=T0)
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = {"Host": parts.netloc, **headers, **added}
    return Head.of(method, target.encode(), [(name.encode(), value.encode()) for name, value in sent.items()])


def check(head: Head, body: bytes, secret: str = SECRET) -> None:
    authorization = authorization_of(head)
    require_recent(authorization, T0)
    require_signature(authorization, head, secret, payloads_of(authorization, sha256(body).hexdigest()))


def fault(head: Head, body: bytes = b"") -> str | None:
    try:
        check(head, body)
    except SignatureRefused as refused:
        return refused.fault
    return None


def url_of(segments: list[str], query: list[tuple[str, str]]) -> str:
    path = "/".join(quote(segment, safe="") for segment in segments)
    pairs = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in query)
    return f"http://ims.example.test:9292/{path}" + (f"?{pairs}" if pairs else "")


REQUESTS = st.tuples(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    st.lists(TEXT, max_size=4),
    QUERIES,
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.binary(max_size=64),
)
Request = tuple[str, list[str], list[tuple[str, str]], dict[str, str], bytes]


@given(request=REQUESTS)
def test_what_our_signer_signs_our_verifier_believes(request: Request) -> None:
    method, segments, query, headers, body = request
    check(signed(method, url_of(segments, query), headers, body), body)


@given(request=REQUESTS, changed=REQUESTS, what=st.sampled_from(["method", "path", "query", "headers"]))
def test_any_other_method_path_query_or_signed_header_is_refused(request: Request, changed: Request, what: str) -> None:
    method, segments, query, headers, body = request
    head = signed(method, url_of(segments, query), headers, body)
    method_, segments_, query_, headers_, _ = changed
    if what == "method":
        assume(method_ != method)
        head = replace(head, method=method_)
    elif what == "path":
        # The last slash is no part of what is signed, and text that is escaped twice is taken for once.
        assume("/".join(segments).strip("/") != "/".join(segments_).strip("/"))
        assume("%" not in "".join(segments + segments_))
        target = signed(method, url_of(segments_, query), headers, body).target
        head = replace(head, target=target)
    elif what == "query":
        assume("%" not in "".join(segments))
        assume(sorted(query) != sorted(query_))
        assume(("", "") not in query + query_)  # "=" alone says as much as nothing
        head = replace(head, target=signed(method, url_of(segments, query_), headers, body).target)
    else:
        common = [name for name in headers if headers_.get(name, "other").strip() != headers[name]]
        assume(common)
        head = replace(head, fields={**head.fields, common[0]: [headers_.get(common[0], "other").encode()]})
    with pytest.raises(SignatureRefused):
        check(head, body)


@given(body=st.binary(max_size=64), other=st.binary(max_size=64))
def test_a_body_that_was_not_signed_is_refused_without_a_digest_in_the_head(body: bytes, other: bytes) -> None:
    assume(body != other)
    head = signed("POST", "http://ims.example.test/v2/images", {}, body)
    authorization = replace(authorization_of(head), digest=None)
    with pytest.raises(SignatureRefused):
        require_signature(authorization, head, SECRET, payloads_of(authorization, sha256(other).hexdigest()))


def test_another_secret_is_refused() -> None:
    head = signed("GET", "http://ims.example.test/v2/images", {}, b"")
    with pytest.raises(SignatureRefused):
        check(head, b"", secret="another")


@pytest.mark.parametrize("port", ["http://h:80/", "https://h:443/", "http://h/"])
def test_the_port_of_the_scheme_is_not_a_part_of_the_signed_host(port: str) -> None:
    added = sign_request("GET", port, {}, access_key=KEY, secret=SECRET, payload=EMPTY_SHA256, now=T0)
    sent = {"Host": "h", **added}
    check(Head.of("GET", b"/", [(name.encode(), value.encode()) for name, value in sent.items()]), b"")


@pytest.mark.parametrize(("seconds", "wanted"), [(900, None), (901, Fault.SKEWED), (-900, None), (-901, Fault.SKEWED)])
def test_a_signature_is_good_for_900_seconds_and_no_more(seconds: int, wanted: str | None) -> None:
    authorization = authorization_of(signed("GET", "http://ims.example.test/v2/images", {}, b""))
    found = None
    try:
        require_recent(authorization, T0 + timedelta(seconds=seconds, microseconds=999_999))
    except SignatureRefused as refused:
        found = refused.fault
    assert found == wanted


HEAD = signed("GET", "http://ims.example.test/v2/images", {"x-project-id": "lab"}, b"")
GOOD = HEAD.fields["authorization"][0].decode()


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "SDK-HMAC-SHA256",
        "SDK-HMAC-SHA256 ",
        GOOD.replace(", Signature=", ", signature="),
        GOOD.replace("Access=", "Access="[:-1]),
        GOOD.replace("host;", ""),
        GOOD.replace(";x-sdk-date", ""),
        GOOD.replace("host;", "host;host;"),
        GOOD.replace("host;", "Host;"),
        GOOD.replace("Signature=", "Signature=0"),
        GOOD[:-1],
        GOOD[:-2] + "AA",
        GOOD + ", Signature=" + "0" * 64,
        GOOD + ", Access=" + KEY,
        GOOD.replace(KEY, KEY + "/20260102///sdk_request"),
        GOOD.replace(KEY, ""),
        GOOD.replace(KEY, "a/b"),
        GOOD.replace("Access=" + KEY, "Credential=" + KEY),
        GOOD.replace("Access=" + KEY, "Credential=" + KEY + "/20260102/sdk_request"),
        GOOD.replace("Access=" + KEY, "Credential=" + KEY + "/20260102///"),
        GOOD.replace("SDK-HMAC-SHA256", "V11-HMAC-SHA256"),
    ],
)
def test_a_broken_authorization_is_refused(authorization: str) -> None:
    head = replace(HEAD, fields={**HEAD.fields, "authorization": [authorization.encode()]})
    with pytest.raises(SignatureRefused):
        authorization_of(head)


@given(text=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_whatever_stands_in_authorization_nothing_but_a_refusal_comes_of_it(text: bytes) -> None:
    for name in ("authorization", "x-sdk-date", "x-sdk-content-sha256"):
        head = replace(HEAD, fields={**HEAD.fields, name: [text]})
        assert fault(head) is not None or text.strip() == HEAD.fields[name][0]


def test_two_of_a_header_that_counts_are_refused() -> None:
    for name in ("authorization", "x-sdk-date", "x-sdk-content-sha256", "x-project-id", "host"):
        head = replace(HEAD, fields={**HEAD.fields, name: [*HEAD.fields[name], HEAD.fields[name][0]]})
        assert fault(head) is not None


def test_white_space_after_commas_is_of_no_matter() -> None:
    for between in (",", ",  ", ",\t"):
        head = replace(HEAD, fields={**HEAD.fields, "authorization": [GOOD.replace(", ", between).encode()]})
        assert fault(head) is None


def test_the_refusal_shows_what_was_expected_and_no_token() -> None:
    head = signed("GET", "http://h/v2/images", {"X-Security-Token": "gss1-secret", "X-Auth-Token": "gst1-secret"}, b"")
    with pytest.raises(SignatureRefused) as refused:
        check(replace(head, method="DELETE"), b"")
    text = str(refused.value)
    assert "canonicalRequest:DELETE|/v2/images/||host:h|" in text
    assert "x-security-token:***|" in text
    assert "secret" not in text


def test_other_schemes_are_no_signatures() -> None:
    assert is_signed(GOOD)
    assert is_signed("SDK-HMAC-MD5 Access=x")
    assert not any(map(is_signed, ["", "Bearer SDK-HMAC-SHA256", "Basic eDp5", "AWS4-HMAC-SHA256 Credential=x"]))


def test_an_unsigned_payload_is_said_so() -> None:
    added = sign_request("PUT", "http://h/x", {}, access_key=KEY, secret=SECRET, payload=UNSIGNED_PAYLOAD, now=T0)
    assert added["X-Sdk-Content-Sha256"] == "UNSIGNED-PAYLOAD"
