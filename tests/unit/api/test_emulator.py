"""What faults are read from, which requests they meet, and the clock that tests set."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from stillage.api.emulator.clock import EmulatedClock, time_of
from stillage.api.emulator.fault import NOTHING, READ, Fault, fault_in, rule_of
from stillage.api.emulator.faults import Faults
from stillage.api.emulator.records import json_in
from stillage.errors import InvalidInput, NotFound

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_header_has_several_faults() -> None:
    assert fault_in("delay=0.5, status=503,full_store") == Fault(delay=0.5, status=503, full_store=True)
    assert fault_in("stuck_in_saving=false") == fault_in("") == NOTHING


def test_a_rule_has_its_faults_beside_what_it_meets() -> None:
    rule = rule_of({"method": "put", "path": "/v2/images/*/file", "times": 1, "status": 503})
    assert rule.fault == Fault(status=503)
    assert rule.meets("PUT", "/v2/images/1/file")
    assert not rule.meets("GET", "/v2/images/1/file")
    assert not rule.meets("PUT", "/v2/images/1")


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"method": "GET"}, "the rule has no fault; add one of delay, status"),
        ({"delya": 1}, "unknown fault 'delya'; use one of delay, status"),
        ({"status": 200}, "status must be an integer from 400 to 599, not '200'"),
        ({"status": True}, "status must be an integer"),
        ({"delay": float("nan")}, "delay must be a number"),
        ({"delay": 601}, "delay must be from 0 to 600, not 601"),
        ({"slow_store": 0}, "slow_store must be more than 0 bytes per second"),
        ({"full_store": 1}, "full_store must be true or false, not '1'"),
        ({"status": 500, "times": 0}, "times must be an integer from 1"),
        ({"status": 500, "path": 7}, "path must be a text"),
    ],
)
def test_a_rule_that_cannot_be_understood_is_refused_with_the_reason(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rule_of(document)
    assert str(refused.value).startswith(sentence)


def test_a_rule_lets_some_requests_pass_and_meets_as_many_as_it_says() -> None:
    faults = Faults()
    faults.add(rule_of({"status": 503, "after": 1, "times": 2}))
    assert [faults.of("GET", "/", NOTHING)[0].status for _ in range(4)] == [None, 503, 503, None]


def test_rules_add_up_and_the_request_itself_comes_first() -> None:
    faults = Faults()
    faults.add(rule_of({"delay": 2, "status": 500}))
    faults.add(rule_of({"status": 502, "slow_store": 10}))
    fault, in_store = faults.of("GET", "/", Fault(status=429))
    assert fault == Fault(delay=2, status=429, slow_store=10)
    assert (in_store.bytes_per_s, in_store.full, in_store.hold) == (10, False, None)


def test_jobs_meet_only_what_names_no_request() -> None:
    faults = Faults()
    faults.add(rule_of({"full_store": True, "method": "PUT"}))
    assert not faults.outside_of_requests().full
    faults.add(rule_of({"full_store": True, "stuck_in_saving": True}))
    assert faults.outside_of_requests().full
    assert faults.outside_of_requests().hold is None


def test_removing_a_rule_releases_what_it_held() -> None:
    faults = Faults()
    rule_id = faults.add(rule_of({"stuck_in_saving": True}))
    first, second = (faults.of("PUT", "/", NOTHING)[1].hold for _ in range(2))
    assert first
    assert second
    assert isinstance(first.released, asyncio.Event)
    faults.remove(rule_id)
    assert first.released.is_set()
    assert second.released.is_set()
    assert not first.reached.is_set()
    with pytest.raises(NotFound):
        faults.remove(rule_id)


def test_removing_all_rules_releases_what_requests_held_by_themselves() -> None:
    faults = Faults()
    held = faults.of("PUT", "/", Fault(stuck_in_saving=True))[1].hold
    faults.clear()
    later = faults.of("PUT", "/", Fault(stuck_in_saving=True))[1].hold
    assert held
    assert later
    assert (held.released.is_set(), later.released.is_set()) == (True, False)


def test_the_clock_stops_and_moves() -> None:
    clock = EmulatedClock()
    clock.change(at=NOON, runs=False)
    assert clock() == NOON
    clock.change(advance_s=86400)
    assert clock() == NOON.replace(month=2, day=1)
    clock.change(runs=True)
    assert clock() >= NOON.replace(month=2, day=1)


@pytest.mark.parametrize("advance_s", [1e300, -1e10, 1e10, float("inf")])
def test_the_clock_stays_in_the_years_that_it_knows(advance_s: float) -> None:
    clock = EmulatedClock(NOON)
    with pytest.raises(InvalidInput, match="the clock must stay from 2000 to 2099"):
        clock.change(advance_s=advance_s)


def test_times_are_in_utc_unless_they_say_otherwise() -> None:
    assert time_of("2026-01-31T12:00:00Z") == time_of("2026-01-31T12:00:00") == NOON
    assert time_of("2026-01-31T13:00:00+01:00") == NOON
    with pytest.raises(InvalidInput, match="write it as"):
        time_of("noon")


def test_bodies_that_may_have_passwords_in_them_are_not_kept() -> None:
    assert json_in("/v2/images", "application/json", b'{"name": "a"}') == {"name": "a"}
    assert json_in("/identity/v3/auth/tokens", "application/json", b'{"name": "a"}') is None
    assert json_in("/v2/images", "application/json", b"{") is None
    assert json_in("/v2/images", "application/octet-stream", b"{}") is None


def test_every_fault_can_be_read() -> None:
    assert set(READ) == set(Fault.__slots__)
