"""`api.http.stopping.Running`: what a server that ends says of itself."""

from stillage.api.http.stopping import Running, Stop


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
