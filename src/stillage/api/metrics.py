"""Count requests, uploads and bytes as Prometheus metrics. Labels hold route patterns and error codes, never ids."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from stillage.api import deployment_metrics
from stillage.errors import InternalError, StillageError
from stillage.images.job import Job
from stillage.operations.status import StatusReports

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600)


def outcome_of(error: BaseException) -> str:
    """Return the label of an upload that ended with *error*: the error's code."""
    if isinstance(error, StillageError):
        return error.code
    if isinstance(error, asyncio.CancelledError | ConnectionError):
        return "cut_off"  # the client disconnected, or the server stopped
    return InternalError.code


class Metrics:
    """The counters of this process. With several workers they are in files that `exposition` adds up."""

    def __init__(self, shared: Path | None) -> None:
        """*shared*: the folder where several workers keep their counters; None for a single one."""
        self._shared = shared
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "stillage_requests", "Requests by outcome", ["method", "route", "status"], registry=self.registry
        )
        self.durations = Histogram(
            "stillage_request_seconds", "Durations", ["method", "route"], buckets=SECONDS, registry=self.registry
        )
        self._of_requests: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.received = Counter("stillage_received_bytes", "Bytes of uploads", registry=self.registry)
        self.sent = Counter("stillage_sent_bytes", "Bytes of downloads", registry=self.registry)
        self.uploads = Gauge(
            "stillage_uploads_in_flight", "Running uploads", registry=self.registry, multiprocess_mode="livesum"
        )
        self.unheard = Counter(
            "stillage_audit_dropped", "Events that a sink of the audit could not keep", ["sink"], registry=self.registry
        )
        self.jobs = Counter(
            "stillage_jobs", "Jobs by the state that they have reached", ["kind", "state"], registry=self.registry
        )
        self.running_jobs = Gauge(
            "stillage_jobs_running", "Jobs that run now", registry=self.registry, multiprocess_mode="livesum"
        )
        self.job_seconds = Histogram(
            "stillage_job_seconds", "From acceptance to the end", ["kind"], buckets=SECONDS, registry=self.registry
        )
        self.outcomes = Counter("stillage_uploads", "Ended uploads by outcome", ["outcome"], registry=self.registry)

    def dropped(self, sink: str) -> Callable[[int], None]:
        """Return what counts events that *sink* of the audit loses."""
        return self.unheard.labels(sink).inc

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. *route*: its pattern."""
        counters = self._of_requests.get((method, route, status))
        if counters is None:  # labels are looked up once for each of the few
            counters = self.requests.labels(method, route, status), self.durations.labels(method, route)
            self._of_requests[method, route, status] = counters
        counters[0].inc()
        counters[1].observe(seconds)

    def count_job(self, job: Job) -> None:
        """Count a job that was accepted, has begun, or has ended."""
        self.jobs.labels(job.kind, job.state).inc()
        if job.ended_at is not None:
            self.job_seconds.labels(job.kind).observe((job.ended_at - job.created_at).total_seconds())

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Count a running upload, and its outcome."""
        self.uploads.inc()
        try:
            yield
        except BaseException as error:
            self.outcomes.labels(outcome_of(error)).inc()
            raise
        else:
            self.outcomes.labels("stored").inc()
        finally:
            self.uploads.dec()

    @contextmanager
    def piece(self) -> Iterator[Callable[[str], None]]:
        """Count a running request that sends part of an upload. Yields a function that counts the upload's outcome."""
        self.uploads.inc()
        try:
            yield lambda outcome: self.outcomes.labels(outcome).inc()
        except BaseException as error:
            self.outcomes.labels(outcome_of(error)).inc()
            raise
        finally:
            self.uploads.dec()

    async def counted(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield *body*, and count its bytes as received."""
        async for piece in body:
            self.received.inc(len(piece))
            yield piece

    def exposition(self) -> bytes:
        registry = self.registry
        if self._shared is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(registry)


async def response(metrics: Metrics, status: StatusReports) -> web.Response:
    """Return the counters of this node, and how the deployment is."""
    body = metrics.exposition() + deployment_metrics.exposition(await status.measure())
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def alone(metrics: Metrics, status: StatusReports) -> web.Application:
    """Return an application that serves nothing but the metrics, to everybody."""

    async def show(_request: web.Request) -> web.Response:
        return await response(metrics, status)

    application = web.Application()
    application.router.add_get("/metrics", show)
    return application
