"""Builds one worker process from the settings: the root where every object is made and given what it needs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from stillage import __version__
from stillage.api.http.addresses import Addresses
from stillage.api.http.allowance import Allowance
from stillage.api.http.descriptors import Descriptors
from stillage.api.http.stopping import Running
from stillage.api.metrics import Metrics
from stillage.api.profiles import PROFILES
from stillage.api.services import Services
from stillage.audit.trail import Trail
from stillage.auditing import audit_of, trail_of
from stillage.authentication import Authentication, authentication_of
from stillage.config import Settings
from stillage.db import blobs
from stillage.db.clock import Clock, clock_of
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
from stillage.operations.audit import Audit
from stillage.operations.cache import ImageCache
from stillage.operations.copies import Copies
from stillage.operations.disks.contents import Contents
from stillage.operations.disks.opening import Disks
from stillage.operations.disks.packed import PackedDownloads
from stillage.operations.disks.view import Views
from stillage.operations.download import Download
from stillage.operations.events.hub import Events
from stillage.operations.exports import Exports
from stillage.operations.families import Families
from stillage.operations.images import Images
from stillage.operations.imports.service import ImportService, import_service
from stillage.operations.imports.sources import Sources
from stillage.operations.info import Info
from stillage.operations.inspection import Inspect
from stillage.operations.jobs import Jobs, Queue, Report
from stillage.operations.lifecycle import Lifecycle
from stillage.operations.links import Links
from stillage.operations.locations import Locations
from stillage.operations.members import Members
from stillage.operations.metadefs import Metadefs
from stillage.operations.quotas import ProjectQuotas
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.retention import Retention
from stillage.operations.running import Kinds
from stillage.operations.shares import Shares
from stillage.operations.status import StatusReports
from stillage.operations.tags import Tags
from stillage.operations.tasks import Tasks
from stillage.operations.trash import Trash
from stillage.operations.upkeep.lifecycle import DatesOfImages
from stillage.operations.upkeep.retention import OldImages
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.acceptance import UploadRules
from stillage.operations.upload.ingest import Ingest
from stillage.operations.verdicts import Verdicts
from stillage.sources import import_rules_of, sources_of
from stillage.storage import buckets_of, stores_of
from stillage.stores.catalog import Stores

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
    lifecycle: Callable[[], Awaitable[None]]
    forget_old: Callable[[], Awaitable[int]]


@asynccontextmanager
async def build_worker(
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
        database = Database(settings.database, connections=settings.database_connections)
        closing.callback(database.close)
        clock = clock or await clock_of(database)
        stores = stores or stores_of(settings, lambda store_id: database.read(blobs.held_by, store_id))
        closing.callback(stores.close)
        ground = _ground(settings, database, stores, clock, owner, passwords, closing)
        data = _image_data(ground)
        background = _background(ground, data, sources or sources_of(settings))
        services = _services(ground, data, background)
        sweep, scrub = Sweep(database, stores, clock=clock), Scrub(database, stores, clock=clock)
        engine, lifecycle = _engine(ground, background), _lifecycle(ground, background)
        yield Worker(services, sweep, scrub, engine, clock, lifecycle, ground.known.forget_old)


class _Closes(Protocol):
    async def close(self) -> None: ...


Made = TypeVar("Made", bound=_Closes)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the parts of a worker are made with. *closing*: closes what is made."""

    settings: Settings
    database: Database
    stores: Stores
    clock: Clock
    owner: LeaseOwner
    access: Access
    rules: UploadRules
    known: Authentication
    metrics: Metrics
    audit: Audit
    trail: Trail
    vault: Vault
    closing: AsyncExitStack

    def closed(self, made: Made) -> Made:
        """Return *made*, which is closed at the end."""
        self.closing.push_async_callback(made.close)
        return made


def _ground(
    settings: Settings,
    database: Database,
    stores: Stores,
    clock: Clock,
    owner: LeaseOwner,
    passwords: Passwords | None,
    closing: AsyncExitStack,
) -> _Ground:
    access = Access(settings.policy)
    known = authentication_of(settings, database, clock, passwords)
    closing.push_async_callback(known.close)
    counters = Metrics(shared_folder(settings))
    audit = audit_of(settings, database, access, clock)
    trail = trail_of(settings, audit, counters.dropped, owner, clock)
    closing.push_async_callback(trail.close)
    rules, vault = upload_rules_of(settings), Vault(settings.secret)
    return _Ground(
        settings, database, stores, clock, owner, access, rules, known, counters, audit, trail, vault, closing
    )


def shared_folder(settings: Settings) -> Path | None:
    """Return the folder where workers share their counters; None for a single worker."""
    return settings.data / "metrics" if settings.workers > 1 else None


def upload_rules_of(settings: Settings) -> UploadRules:
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


@dataclass(frozen=True, slots=True)
class _ImageData:
    """What moves the bytes of images."""

    ingest: Ingest
    uploads: Uploads
    download: Download
    disks: Disks
    inspect: Inspect
    cache: ImageCache


def _image_data(ground: _Ground) -> _ImageData:
    settings, database, stores = ground.settings, ground.database, ground.stores
    access, rules, owner, clock = ground.access, ground.rules, ground.owner, ground.clock
    ingest = ground.closed(Ingest(database, stores, access=access, rules=rules, owner=owner, clock=clock))
    uploads = ground.closed(
        Uploads(
            database,
            stores,
            access=access,
            rights=ground.known.rights,
            rules=rules,
            secret=settings.secret,
            owner=owner,
            max_age_s=settings.upload_age_s,
            clock=clock,
        )
    )
    download = Download(database, stores, access=access, deleted_s=settings.deleted_download_s)
    disks = ground.closed(Disks(database, download, slots=settings.convert_slots))
    inspect = ground.closed(Inspect(database, access=access, rules=rules, owner=owner, clock=clock))
    cache = ground.closed(ImageCache(database, stores, access=access))
    return _ImageData(ingest, uploads, download, disks, inspect, cache)


@dataclass(frozen=True, slots=True)
class _Background:
    """What outlives a request, and what it works with."""

    images: Images
    trash: Trash
    queue: Queue
    importing: ImportService
    exports: Exports
    kinds: Kinds
    report: Report


def _background(ground: _Ground, data: _ImageData, sources: Sources) -> _Background:
    settings, database, clock = ground.settings, ground.database, ground.clock
    ground.closed(sources)
    report = report_to(ground.trail, ground.metrics.count_job)
    queue = Queue(database, clock=clock, report=report)
    images = _images(ground, report)
    buckets = buckets_of(settings)
    ground.closing.callback(buckets.close)
    rules = import_rules_of(settings, ground.rules)
    importing = import_service(data.uploads, queue, sources, buckets, images, data.disks, rules, ground.vault)
    ground.closing.push_async_callback(importing.close)
    exports = Exports(database, queue, data.download, importing.converting, buckets, access=ground.access, clock=clock)
    trash = Trash(database, images, access=ground.access, clock=clock)
    return _Background(images, trash, queue, importing, exports, kinds_of(importing.kinds, exports.kinds()), report)


def _images(ground: _Ground, report: Report) -> Images:
    settings, profile = ground.settings, profile_of(ground.settings)
    return Images(
        ground.database,
        ground.stores,
        access=ground.access,
        defaults=profile.defaults,
        limits=ground.rules.quotas.project,
        max_tags=profile.max_tags,
        max_record_bytes=settings.max_record_bytes,
        deleted_download_s=settings.deleted_download_s,
        clock=ground.clock,
        report=report,
        trash=timedelta(days=settings.trash_days),
    )


def _lifecycle(ground: _Ground, background: _Background) -> Callable[[], Awaitable[None]]:
    """Return what upkeep does to images by their dates and by the rules of their families."""
    database, images, trail, clock = ground.database, background.images, ground.trail, ground.clock
    dates = DatesOfImages(database, images, trail, clock=clock)
    old = OldImages(database, images, background.trash, trail, clock=clock)

    async def work() -> None:
        await dates()
        await old.delete()
        await old.purge()

    return work


def _engine(ground: _Ground, background: _Background) -> Engine:
    return Engine(
        ground.database,
        background.queue,
        background.kinds,
        owner=ground.owner,
        clock=ground.clock,
        limits=JobLimits(ground.settings.job_slots, ground.settings.max_project_jobs),
        report=background.report,
        gauge=ground.metrics.running_jobs.set,
    )


def _services(ground: _Ground, data: _ImageData, background: _Background) -> Services:
    settings, profile, known = ground.settings, profile_of(ground.settings), ground.known
    database, stores, access, clock = ground.database, ground.stores, ground.access, ground.clock
    limits = ground.rules.quotas.project
    return Services(
        identity=known.identity,
        embedded=known.embedded,
        sessions=known.sessions if settings.console else None,
        keystone_url=settings.keystone_public_url or settings.keystone_url,
        cache=data.cache,
        links=Links(database, data.download, data.uploads.rights, ground.vault, clock=clock),
        locations=Locations(database, stores, access=access, shown=shown_of(settings)),
        copies=Copies(database, stores, access=access),
        metadefs=Metadefs(database, access=access, clock=clock),
        images=background.images,
        families=Families(database, access=access),
        lifecycle=Lifecycle(background.images, clock=clock),
        trash=background.trash,
        retention=Retention(database, access=access, clock=clock),
        tags=Tags(database, access=access),
        shares=Shares(database, access=access, rules=profile.sharing, clock=clock),
        members=Members(database, access=access, rules=profile.sharing, clock=clock),
        audit=ground.audit,
        # Later: to read them out of their model takes it 5 MiB of validators, and few workers are asked.
        settings=partial(shown_settings_of, settings),
        status=_status(ground),
        info=Info(database, access=access, limits=limits),
        quotas=ProjectQuotas(database, access=access, default=limits, knows_projects=known.embedded is not None),
        ingest=data.ingest,
        uploads=data.uploads,
        imports=background.importing.accept,
        creations=background.importing.create,
        exports=background.exports,
        inspect=data.inspect,
        events=Events(database, access=access, clock=clock),
        verdicts=Verdicts(database, access=access, allowed=ground.rules.policy.allowed),
        queue=background.queue,
        tasks=Tasks(database, access=access, keep_s=settings.job_keep_s),
        jobs=Jobs(
            database,
            background.kinds,
            access=access,
            clock=clock,
            report=background.report,
            keep_s=settings.job_keep_s,
        ),
        download=data.download,
        views=Views(data.disks),
        packed_downloads=PackedDownloads(data.disks),
        contents=Contents(data.disks),
        database=database,
        stores=stores,
        profile=PROFILES[settings.profile],
        metrics=ground.metrics,
        trail=ground.trail,
        running=Running(),
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


def _status(ground: _Ground) -> StatusReports:
    return StatusReports(
        ground.database,
        ground.stores,
        access=ground.access,
        limits=ground.rules.quotas.project,
        owner=ground.owner,
        version=__version__,
        scrub_every_s=ground.settings.scrub_every_s,
        clock=ground.clock,
    )
