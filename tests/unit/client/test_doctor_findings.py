"""What `stillage doctor` says of what its probes saw."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.client.doctor import advice
from stillage.client.doctor.assessing import assess_certificate, assess_clock, assess_connection, assess_proxy
from stillage.client.doctor.assessing_bodies import assess_buffering, assess_expected, assess_limit, assess_streamed
from stillage.client.doctor.assessing_transfers import (
    assess_fetched,
    assess_growing,
    assess_pause,
    assess_refusal,
    assess_silence,
    assess_upload,
)
from stillage.client.doctor.bodies import LARGEST, SMALLEST, Early, Limit, limits
from stillage.client.doctor.connection import Reached, Trusted
from stillage.client.doctor.findings import Advice, Finding, Result
from stillage.client.doctor.transfers import Fetched, Put, Silence, Watch
from stillage.client.doctor.wire import Cut, Head, Target, head_of
from stillage.client.errors import BadCloud

NOW = datetime(2026, 11, 29, 12, 0, 0, tzinfo=UTC)
OF_THE_SERVICE = {"x-openstack-request-id": "req-1"}


def head(status: int, **headers: str) -> Head:
    return Head(status, headers)


def of_the_service(status: int) -> Head:
    return Head(status, OF_THE_SERVICE)


def certificate(days: int) -> Trusted:
    return Trusted({"notAfter": f"{NOW + timedelta(days=days):%b %d %H:%M:%S %Y} GMT"})


@given(limit=st.integers(1 << SMALLEST, 1 << LARGEST))
def test_a_limit_is_found_between_two_powers_of_two_in_six_requests(limit: int) -> None:
    asking = limits()
    size, asked = next(asking), 1
    try:
        while True:
            size, asked = asking.send(size > limit), asked + 1
    except StopIteration as end:
        found: Limit = end.value
    assert asked <= 6
    assert found.passed <= limit
    assert limit == 1 << LARGEST if found.refused is None else found.passed * 2 == found.refused > limit


def test_what_answers_nothing_at_all_is_no_service() -> None:
    silent = assess_connection(Reached(("192.0.2.1",)), now=NOW, verified=True)
    assert [finding.check for finding in silent if finding.result is Result.PROBLEM] == ["service"]


def test_without_a_connection_nothing_else_is_said() -> None:
    [found] = assess_connection(Reached(error="no route"), now=NOW, verified=True)
    assert (found.check, found.result, found.what) == ("address", Result.PROBLEM, "no route")


@pytest.mark.parametrize(
    ("trusted", "result", "said"),
    [
        (certificate(90), Result.GOOD, "90 days"),
        (certificate(13), Result.PROBLEM, "13 days"),
        (None, Result.NOTE, "plain HTTP"),
        (Trusted({}, 10, "certificate has expired"), Result.PROBLEM, "expired"),
    ],
)
def test_a_certificate_is_assessd_by_the_days_that_it_has_left(
    trusted: Trusted | None, result: Result, said: str
) -> None:
    found = assess_certificate(trusted, now=NOW, verified=True)
    assert found.result is result
    assert said in found.what


@pytest.mark.parametrize(
    ("code", "wanted"),
    [(10, advice.EXPIRY), (9, advice.CLOCK), (62, advice.NAME), (20, advice.CHAIN), (None, advice.TLS)],
)
def test_each_failure_of_tls_has_its_own_advice(code: int | None, wanted: Advice) -> None:
    found = assess_certificate(Trusted({}, code, "why"), now=NOW, verified=True)
    assert (found.result, found.advice) == (Result.PROBLEM, wanted)


@pytest.mark.parametrize(
    ("seconds", "result"), [(0, Result.GOOD), (59, Result.GOOD), (63, Result.PROBLEM), (-63, Result.PROBLEM)]
)
def test_clocks_may_differ_by_a_minute(seconds: int, result: Result) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert assess_clock(head(200, date=date), NOW, NOW + timedelta(seconds=1)).result is result


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 99 Nov 2026 99:00:00 GMT"])
def test_a_date_that_is_none_is_no_problem(date: str) -> None:
    assert assess_clock(head(200, date=date), NOW, NOW).result is Result.UNKNOWN


def test_a_proxy_is_known_by_its_headers() -> None:
    assert assess_proxy(head(200, server="nginx", via="1.1 edge")).what == "server: nginx; via: 1.1 edge"


@pytest.mark.parametrize(
    ("found", "directive"),
    [
        (assess_limit(Limit(1 << 20, 2 << 20)), "client_max_body_size 0;"),
        (assess_growing(Put(1 << 20, head(413))), "client_max_body_size 0;"),
        (assess_buffering(Early(9, 9, head(401))), "proxy_request_buffering off;"),
        (assess_buffering(Early(1, 9, cut=True)), "proxy_request_buffering off;"),
        (assess_refusal(Early(1, 9), buffered=True), "proxy_request_buffering off;"),
        (assess_streamed(Early(1, 9, head(401)), Early(0, 9, cut=True)), "lingering_close on;"),
        (assess_expected(None), "proxy_http_version 1.1;"),
        (assess_expected(head(417)), "proxy_http_version 1.1;"),
        (assess_pause(Put(9, None, in_pause=True), 3), "client_body_timeout 75s;"),
        (assess_pause(Put(9, head(408), in_pause=True), 3), "client_body_timeout 75s;"),
        (assess_silence(Silence.CUT), "proxy_read_timeout 1h;"),
        (assess_fetched(Fetched(200, '"1"', "", 200, is_right=False))[0], "proxy_set_header Range $http_range;"),
        (assess_fetched(Fetched(200, "", "", 206, is_right=True))[1], "gzip off;"),
        (assess_fetched(Fetched(200, 'W/"1"', "", 206, is_right=True))[1], "gzip off;"),
        (assess_fetched(Fetched(200, '"1"', "gzip", 206, is_right=True))[2], "gzip off;"),
    ],
)
def test_a_problem_names_the_directive_and_why_it_matters(found: Finding, directive: str) -> None:
    assert found.result is Result.PROBLEM
    assert directive in found.advice.nginx
    assert found.advice.haproxy
    assert found.advice.why
    assert found.advice.fix


@pytest.mark.parametrize(
    "found",
    [
        assess_limit(Limit(1 << LARGEST)),
        assess_buffering(Early(1, 9, head(401))),
        assess_streamed(Early(1, 9, head(401)), Early(4, 9, head(401))),
        assess_expected(of_the_service(401)),
        assess_pause(Put(9, of_the_service(204)), 3),
        assess_pause(Put(9, of_the_service(408), in_pause=True), 75),
        assess_upload(Put(9, of_the_service(204))),
        assess_upload(Put(9, of_the_service(408), in_pause=True)),
        assess_growing(Put(9, of_the_service(204))),
        assess_refusal(Early(1, 9, of_the_service(415)), buffered=False),
        assess_silence(Silence.SURVIVED),
        *assess_fetched(Fetched(200, '"1"', "", 206, is_right=True)),
    ],
)
def test_what_works_is_good(found: Finding) -> None:
    assert found.result is Result.GOOD


def test_what_another_image_service_does_not_do_is_no_problem() -> None:
    assert assess_silence(Silence.NO_STREAM).result is Result.UNKNOWN
    assert assess_refusal(Early(1, 9), buffered=False).result is Result.NOTE
    assert assess_expected(head(100)).result is Result.NOTE


def test_only_bytes_after_a_long_silence_say_that_one_is_survived() -> None:
    """Two writes of the server may arrive apart, and events of others at any time."""
    watch = Watch(100.0)
    assert [watch.hear(moment) for moment in (100.0, 100.1, 109.0, 122.9)] == [None, None, None, None]
    assert watch.hear(136.9) is Silence.SURVIVED


def test_a_stream_that_was_never_silent_says_nothing() -> None:
    watch = Watch(0.0)
    assert [watch.hear(moment) for moment in (13.0, 26.0, 39.0, 52.0, 65.0)] == [None, None, None, None, Silence.NEVER]
    assert assess_silence(Silence.NEVER).result is Result.UNKNOWN


def test_an_upload_that_the_server_itself_refuses_for_its_size_is_not_blamed_on_the_proxy() -> None:
    assert assess_growing(Put(1 << 20, of_the_service(413))).advice is not advice.BODY_LIMIT


@pytest.mark.parametrize(
    "data", [b"SSH-2.0-x\r\n\r\n", b"\x15\x03\x01\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 x y\r\n\r\n"]
)
def test_what_is_no_answer_of_http_is_no_head(data: bytes) -> None:
    with pytest.raises(Cut):
        head_of(data)


def test_a_head_has_its_status_and_headers() -> None:
    found = head_of(b"HTTP/1.1 401 Not you\r\nServer: x\r\nVia:  1.1 y \r\n\r\n")
    assert found == Head(401, {"server": "x", "via": "1.1 y"})


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://x", "https://", "https://x:y", "https://x/a\r\nA: b", "http://x/a b", "http://[x"]
)
def test_what_is_no_url_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(BadCloud, match="not a valid URL"):
        Target.of(url, trust=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://x", "x", ""),
        ("http://x:80/image/", "x", "/image"),
        ("http://x:9292/", "x:9292", ""),
        ("http://[::1]:9292", "[::1]:9292", ""),
    ],
)
def test_a_url_says_where_to_connect(url: str, authority: str, path: str) -> None:
    target = Target.of(url, trust=None)  # type: ignore[arg-type]
    assert (target.authority, target.path) == (authority, path)
