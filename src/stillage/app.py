"""Runs one worker process: serves requests, or only jobs, until it is told to stop."""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import structlog
from aiohttp import web

from stillage.api import metrics
from stillage.api.application import make_web
from stillage.api.http import stopping
from stillage.api.http.connection import Runner
from stillage.api.http.listening import listen
from stillage.api.services import Services
from stillage.config import Settings
from stillage.db.clock import set_by
from stillage.db.leases import LeaseOwner
from stillage.jobs.upkeep import Schedule, Upkeep, Work
from stillage.operations.upkeep.digesting import Digesting
from stillage.operations.upkeep.exclusive import Exclusive
from stillage.operations.upkeep.look import Look
from stillage.operations.upkeep.reachable import report_unreachable
from stillage.worker import Worker, build_worker

log = structlog.get_logger()


async def serve(
    settings: Settings,
    sockets: Sequence[socket.socket],
    *,
    tls: ssl.SSLContext | None,
    metrics_sockets: Sequence[socket.socket],
    owner: LeaseOwner,
    ready: Callable[[], None],
    stop: stopping.Stop,
    over: Callable[[], None],
    build: Callable[..., AbstractAsyncContextManager[Worker]] = build_worker,
    make_web: Callable[[Services], web.Application] = make_web,
) -> None:
    """Serve until *stop* is asked for, then let running requests finish within the time it allows.

    *over* is called when they have, or are cut off: what follows takes long only if the disk or the database hangs.
    *build* and *make_web* are others for an ephemeral server, which emulates faults.
    """
    async with build(settings, owner=owner) as worker:
        make_runner = partial(
            Runner, header_timeout_s=settings.header_timeout_s, idle_timeout_s=settings.idle_timeout_s
        )
        runner = make_runner(make_web(worker.services), prefix=worker.services.addresses.prefix)
        metrics_runner = make_runner(metrics.alone(worker.services.metrics, worker.services.status))
        await runner.setup()
        await metrics_runner.setup()
        await listen(metrics_runner, metrics_sockets, None, worker.services.descriptors)
        await listen(runner, sockets, tls, worker.services.descriptors)
        async with _upkeep(worker, settings, owner).running():
            async with worker.engine.running() if settings.run_jobs else nullcontext():
                ready()
                # The server starts nevertheless: it may have other stores, and this one may come back.
                reporting = asyncio.create_task(report_unreachable(worker.services.stores))
                await stop.wait()
                reporting.cancel()
                counts = worker.services.running.counts
                log.info("stopping", **counts, at_most_s=round(stop.grace_s), again="Ctrl-C again ends it at once")
            worker.services.events.close()
            cut_off = await stopping.stop(runner, worker.services.running, stop)
            over()
        await metrics_runner.cleanup()
        log.info("stopped", cut_off=cut_off)


async def work(
    settings: Settings,
    *,
    owner: LeaseOwner,
    metrics_sockets: Sequence[socket.socket],
    ready: Callable[[], None],
    stop: asyncio.Event,
    over: Callable[[], None],
) -> None:
    """Run jobs until *stop* is set, and serve nothing but metrics. *over*: as in `serve`."""
    async with build_worker(settings, owner=owner) as worker:
        await worker.sweep.end_dead_uploads(dead=owner.node)  # of the process that had its name before
        runner = Runner(
            metrics.alone(worker.services.metrics, worker.services.status),
            header_timeout_s=settings.header_timeout_s,
            idle_timeout_s=settings.idle_timeout_s,
        )
        await runner.setup()
        await listen(runner, metrics_sockets, None, worker.services.descriptors)
        async with _upkeep(worker, settings, owner).running(), worker.engine.running():
            ready()
            await stop.wait()
            log.info("stopping")
        over()
        await runner.cleanup()


def _upkeep(worker: Worker, settings: Settings, owner: LeaseOwner) -> Upkeep:
    schedule = Schedule(
        sweep_s=settings.sweep_interval_s,
        orphan_age_s=settings.orphan_age_s,
        scrub_every_s=settings.scrub_every_s or None,
        scrub_bytes_per_s=settings.scrub_bytes_per_s,
    )
    also = [worker.services.uploads.upkeep, worker.services.jobs.forget_old, worker.forget_old]
    also += [worker.services.audit.forget_old, worker.services.status.report]
    database = worker.services.database
    exclusive = Exclusive(database, owner=owner, clock=worker.clock)
    set_clock = partial(set_by, database, worker.clock)
    look = Look(database, worker.services.stores, clock=worker.clock)
    alone: Mapping[str, Work] = {
        "digesting": Digesting(database, worker.services.stores),
        "lifecycle": worker.lifecycle,
    }
    return Upkeep(
        worker.sweep, worker.scrub, look, exclusive, schedule=schedule, first=set_clock, also=also, alone=alone
    )
