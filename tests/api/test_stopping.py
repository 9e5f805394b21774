"""`api.http.stopping.Running`: what a server that ends says of itself."""

import pytest

from stillage.api.http.stopping import Running, Stop, kind_of


async def test_a_process_that_is_replaced_drains_and_the_service_is_not_stopping() -> None:
    running, stop = Running(), Stop()
    assert (running.draining, running.stopping) == (False, False)
    stop.ask(0, replaced=True)
    await running.drain(stop)
    assert (running.draining, running.stopping) == (True, False)
    stop.ask(0)
    assert (running.draining, running.stopping) == (True, True)
    stop.ask(0, replaced=True)  # too late: the whole stops already
    assert running.stopping


async def test_what_a_stop_waits_for_is_counted_by_its_kind() -> None:
    running = Running()
    with running.request("PUT", "/v2/images/1/file"), running.request("GET", "/v2/images/1/file"):
        with running.request("GET", "/v2/images"):
            assert running.counts == {"uploads": 1, "downloads": 1, "others": 1}
        assert running.counts["others"] == 0
    stop = Stop()
    stop.ask(0)
    assert await running.drain(stop) == 0


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("PATCH", "/v2/images/1/uploads/2", "uploads"),
        ("HEAD", "/v2/images/1/uploads/2", "others"),
        ("PUT", "/v2/images/1/stage", "uploads"),
        ("GET", "/v2/images/1/disk", "downloads"),
        ("PUT", "/v2/images/1/tags/file", "others"),
    ],
)
def test_requests_that_move_data_have_a_kind(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


async def test_who_interrupts_twice_waits_no_more() -> None:
    stop = Stop()
    stop.interrupt(3600)
    assert stop.grace_s > 3000
    stop.interrupt(3600)
    assert stop.grace_s == 0
