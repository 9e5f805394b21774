"""The composition root: settings in, one worker process out."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from stillage import __version__
from stillage.api import audit, cors, metrics, middleware, root
from stillage.api.console import dialect as console
from stillage.api.console import page_headers
from stillage.api.dialects import ROUTES, Dialect, KnownRoutes
from stillage.api.http import stopping, time_limits
from stillage.api.http.addresses import Addresses
from stillage.api.http.allowance import Allowance
from stillage.api.http.connection import Runner
from stillage.api.http.descriptors import Descriptors
from stillage.api.http.listening import listen
from stillage.api.identity_v3 import dialect as identity_v3
from stillage.api.image_v2 import dialect as image_v2
from stillage.api.image_v2.uploads import tus
from stillage.api.ims.dialect import IMS
from stillage.api.metrics import Metrics
from stillage.api.profiles import PROFILES
from stillage.api.routing import ShallowRouter
from stillage.api.services import SERVICES, Services
from stillage.auditing import audit_of, trail_of
from stillage.authentication import authentication_of
from stillage.config import Settings
from stillage.db import blobs
from stillage.db.clock import Clock, clock_of, set_by
from stillage.db.job_runs import JobLimits
from stillage.db.leases import LeaseOwner, NodeId
from stillage.db.session import Database
from stillage.deployment import authority_of, policy_of, profile_of, quotas_of, shown_of, shown_settings_of
from stillage.identity.passwords import Passwords
from stillage.identity.vault import Vault
from stillage.images.access import Access
from stillage.jobs.engine import Engine
from stillage.jobs.kinds import kinds_of
from stillage.jobs.reporting import report_to
from stillage.jobs.upkeep import Schedule, Upkeep
from stillage.operations.cache import ImageCache
from stillage.operations.disks.contents import Contents
from stillage.operations.disks.opening import Disks
from stillage.operations.disks.packed import PackedDownloads
from stillage.operations.disks.view import Views
from stillage.operations.download import Download
from stillage.operations.events.hub import Events
from stillage.operations.exports import Exports
from stillage.operations.images import Images
from stillage.operations.imports.service import import_service
from stillage.operations.imports.sources import Sources
from stillage.operations.info import Info
from stillage.operations.inspection import Inspect
from stillage.operations.jobs import Jobs, Queue
from stillage.operations.links import Links
from stillage.operations.locations import Locations
from stillage.operations.members import Members
from stillage.operations.metadefs import Metadefs
from stillage.operations.quotas import ProjectQuotas
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.shares import Shares
from stillage.operations.status import StatusReports
from stillage.operations.tags import Tags
from stillage.operations.tasks import Tasks
from stillage.operations.upkeep.exclusive import Exclusive
from stillage.operations.upkeep.look import Look
from stillage.operations.upkeep.reachable import report_unreachable
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.acceptance import UploadRules
from stillage.operations.upload.ingest import Ingest
from stillage.operations.verdicts import Verdicts
from stillage.sources import import_rules_of, sources_of
from stillage.storage import buckets_of, stores_of
from stillage.stores.catalog import Stores

log = structlog.get_logger()

NO_LEASES = LeaseOwner(NodeId(""), "")
"""A process that sweeps or scrubs, and takes no lease."""
# For signed bodies whose digest is not in the head: 20 of the largest size.
BUFFERED_BYTES = 240 << 20


@dataclass(frozen=True, slots=True)
class Worker:
    """Everything that one server process runs."""

    services: Services
    sweep: Sweep
    scrub: Scrub
    engine: Engine
    clock: Clock
    forget_old: Callable[[], Awaitable[int]]


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    owner: LeaseOwner = NO_LEASES,
    clock: Clock | None = None,
    sources: Sources | None = None,
    stores: Stores | None = None,
    passwords: Passwords | None = None,
) -> AsyncIterator[Worker]:
    """Build a worker, and close it at the end; also what was built of it, if the rest cannot be.

    Args:
        settings: Of the deployment.
        owner: This process, in the leases that it takes.
        clock: That of the database, if None.
        sources: Where imports get bytes from; the settings say it, if None.
        stores: The settings say it, if None. Closed at the end.
        passwords: Hashes them as OWASP recommends, if None.
    """
    # Closed in reverse: so nothing outlives what it needs.
    async with AsyncExitStack() as closing:
        profile = profile_of(settings)
        database = Database(settings.database, connections=settings.database_connections)
        closing.callback(database.close)
        clock = clock or await clock_of(database)
        stores = stores or stores_of(settings, lambda store_id: database.read(blobs.held_by, store_id))
        closing.callback(stores.close)
        quotas = quotas_of(settings)
        rules = _upload_rules(settings)
        access = Access(settings.policy)
        known = authentication_of(settings, database, clock, passwords)
        closing.push_async_callback(known.close)
        counters = Metrics(shared_folder(settings))
        audit_events = audit_of(settings, database, access, clock)
        trail = trail_of(settings, audit_events, counters.dropped, owner, clock)
        closing.push_async_callback(trail.close)
        ingest = Ingest(database, stores, access=access, rules=rules, owner=owner, clock=clock)
        closing.push_async_callback(ingest.close)
        uploads = Uploads(
            database,
            stores,
            access=access,
            rights=known.rights,
            rules=rules,
            secret=settings.secret,
            owner=owner,
            max_age_s=settings.upload_age_s,
            clock=clock,
        )
        closing.push_async_callback(uploads.close)
        download = Download(database, stores, access=access, deleted_s=settings.deleted_download_s)
        disks = Disks(database, download, slots=settings.convert_slots)
        closing.push_async_callback(disks.close)
        inspect = Inspect(database, access=access, rules=rules, owner=owner, clock=clock)
        closing.push_async_callback(inspect.close)
        report = report_to(trail, counters.count_job)
        queue = Queue(database, clock=clock, report=report)
        sources = sources or sources_of(settings)
        closing.push_async_callback(sources.close)
        vault = Vault(settings.secret)
        images = Images(
            database,
            stores,
            access=access,
            defaults=profile.defaults,
            limits=quotas.project,
            max_tags=profile.max_tags,
            max_record_bytes=settings.max_record_bytes,
            deleted_download_s=settings.deleted_download_s,
            clock=clock,
            report=report,
        )
        buckets = buckets_of(settings)
        closing.callback(buckets.close)
        import_rules = import_rules_of(settings, rules)
        importing = import_service(uploads, queue, sources, buckets, images, disks, import_rules, vault)
        closing.push_async_callback(importing.close)
        exports = Exports(database, queue, download, importing.converting, buckets, access=access, clock=clock)
        kinds = kinds_of(importing.kinds, exports.kinds())
        cache = ImageCache(database, stores, access=access)
        closing.push_async_callback(cache.close)
        services = Services(
            identity=known.identity,
            embedded=known.embedded,
            sessions=known.sessions if settings.console else None,
            keystone_url=settings.keystone_public_url or settings.keystone_url,
            cache=cache,
            links=Links(database, download, uploads.rights, vault, clock=clock),
            locations=Locations(database, stores, access=access, shown=shown_of(settings)),
            metadefs=Metadefs(database, access=access, clock=clock),
            images=images,
            tags=Tags(database, access=access),
            shares=Shares(database, access=access, rules=profile.sharing, clock=clock),
            members=Members(database, access=access, rules=profile.sharing, clock=clock),
            audit=audit_events,
            settings=shown_settings_of(settings),
            status=StatusReports(
                database,
                stores,
                access=access,
                limits=quotas.project,
                owner=owner,
                version=__version__,
                scrub_every_s=settings.scrub_every_s,
                clock=clock,
            ),
            info=Info(database, access=access, limits=quotas.project),
            quotas=ProjectQuotas(
                database, access=access, default=quotas.project, knows_projects=known.embedded is not None
            ),
            ingest=ingest,
            uploads=uploads,
            imports=importing.accept,
            creations=importing.create,
            exports=exports,
            inspect=inspect,
            events=Events(database, access=access, clock=clock),
            verdicts=Verdicts(database, access=access, allowed=rules.policy.allowed),
            queue=queue,
            tasks=Tasks(database, access=access, keep_s=settings.job_keep_s),
            jobs=Jobs(database, kinds, clock=clock, report=report, keep_s=settings.job_keep_s),
            download=download,
            views=Views(disks),
            packed_downloads=PackedDownloads(disks),
            contents=Contents(disks),
            database=database,
            stores=stores,
            profile=PROFILES[settings.profile],
            metrics=counters,
            trail=trail,
            running=stopping.Running(),
            addresses=Addresses(settings.public_url, settings.trusted_proxies, settings.proxy_headers),
            region=settings.region,
            authority=authority_of(settings),
            cors_origins=settings.cors_origins,
            os_versions=tuple(settings.os_versions) if settings.strict_os_version else None,
            idle_s=settings.idle_timeout_s,
            least_bytes_per_s=settings.min_upload_bytes_per_s,
            request_s=settings.request_timeout_s,
            buffers=Allowance(BUFFERED_BYTES),
            descriptors=Descriptors(),
        )
        sweep, scrub = Sweep(database, stores, clock=clock), Scrub(database, stores, clock=clock)
        engine = Engine(
            database,
            queue,
            kinds,
            owner=owner,
            clock=clock,
            limits=JobLimits(settings.job_slots, settings.max_project_jobs),
            report=report,
            gauge=counters.running_jobs.set,
        )
        yield Worker(services, sweep, scrub, engine, clock, known.forget_old)


def _upload_rules(settings: Settings) -> UploadRules:
    profile = profile_of(settings)
    return UploadRules(
        max_image_bytes=settings.max_image_bytes or profile.max_image_bytes,
        hash_algorithm=settings.hash_algorithm,
        may_be_empty=profile.may_be_empty,
        recordable_formats=profile.recordable_formats,
        format_property=profile.format_property,
        lease_s=settings.lease_s,
        policy=policy_of(settings),
        quotas=quotas_of(settings),
        spare_bytes=settings.spare_bytes,
    )


def make_web(services: Services, *, also: Sequence[Dialect] = ()) -> web.Application:
    """Return the web application: every route and middleware. *also*: APIs beside those of every deployment."""
    application = web.Application(
        middlewares=[
            middleware.observe,
            audit.audit,
            middleware.translate_errors,
            cors.answer_preflights,
            time_limits.limit_time,
            middleware.authenticate,
        ]
    )
    application._router = ShallowRouter()  # noqa: SLF001 - its argument is deprecated, and there is no other way
    application[SERVICES] = services
    application[ROUTES] = routes = KnownRoutes([*dialects_of(services), *also])
    application.on_response_prepare.append(middleware.add_headers)
    application.on_response_prepare.append(tus.mark)
    application.on_response_prepare.append(identity_v3.mark)
    application.on_response_prepare.append(page_headers.mark)
    application.on_response_prepare.append(cors.mark)
    for dialect in routes.dialects:
        dialect.add_routes(application.router)
    return application


def dialects_of(services: Services) -> Sequence[Dialect]:
    """Return the APIs of a deployment. Paths outside of them are 404."""
    wording = services.profile.wording
    identity = identity_v3.IDENTITY_V3 if services.embedded is not None else identity_v3.ELSEWHERE
    apis = root.dialect(wording), identity, IMS, image_v2.dialect(wording)
    return apis if services.sessions is None else (*apis, console.dialect(wording))


def shared_folder(settings: Settings) -> Path | None:
    """Return the folder where workers share their counters; None for a single worker."""
    return settings.data / "metrics" if settings.workers > 1 else None


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
    build: Callable[..., AbstractAsyncContextManager[Worker]] = build,
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
    async with build(settings, owner=owner) as worker:
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
    return Upkeep(worker.sweep, worker.scrub, look, exclusive, schedule=schedule, first=set_clock, also=also)
