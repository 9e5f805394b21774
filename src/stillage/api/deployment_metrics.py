"""Show how the deployment is as Prometheus metrics: stores, images, projects, scrub, leases, jobs, database, process.

They are made anew for each answer, and are the same on every node, except those of the process that answers.
"""

import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stillage.operations.status import Counts, Measured

Values = Mapping[Any, float]
"""The values of a metric by the values of its labels, a tuple."""


def exposition(measured: Measured) -> bytes:
    """Return *measured*, and the process that answers, as Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(_Deployment(measured))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _Deployment(Collector):
    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterable[Metric]:
        measured = self._measured
        yield _gauge("build_info", "Version", ["version", "python"], {(measured.version, platform.python_version()): 1})
        yield _gauge("database_up", "Whether the database answers", [], {(): measured.database_s is not None})
        if measured.database_s is not None:
            yield _gauge("database_seconds", "How long it took to answer", [], {(): measured.database_s})
        yield from _free(measured)
        if measured.counts is not None:
            yield from _stored(measured.counts)
            yield from _projects(measured, measured.counts)
            yield from _running(measured.counts)
            yield from _scrub(measured.counts)


def _free(measured: Measured) -> Iterator[Metric]:
    up = {(store,): not isinstance(free, str) for store, free in measured.free.items()}
    free = {(store,): free for store, free in measured.free.items() if isinstance(free, int)}
    yield _gauge("store_up", "Whether a store answers", ["store"], up)
    yield _gauge("store_free_bytes", "Bytes that a store has left", ["store"], free)


def _stored(counts: Counts) -> Iterator[Metric]:
    stores = counts.stored.stores
    for at, (name, text) in enumerate(
        (("blobs", "Blobs in a store"), ("used_bytes", "Their bytes"), ("damaged_blobs", "How many are damaged"))
    ):
        yield _gauge(f"store_{name}", text, ["store"], {(store,): values[at] for store, values in stores.items()})
    yield _gauge("damaged_images", "Images of which no copy is good", [], {(): counts.stored.damaged_images})
    yield _gauge("images", "Images by status", ["status"], {(one,): n for one, n in counts.used.images.items()})


def _projects(measured: Measured, counts: Counts) -> Iterator[Metric]:
    usual = (0, 0, measured.limits.bytes, measured.limits.images)
    for at, name in enumerate(("bytes", "images", "limit_bytes", "limit_images")):
        found = {
            project: usual[at] if values[at] is None else values[at] for project, values in counts.used.projects.items()
        }
        # Without a limit there is no line: a comparison with it is never true.
        known = {(project,): value for project, value in found.items() if value is not None and value >= 0}
        yield _gauge(f"project_{name}", "Of the projects that use most", ["project"], known)


def _running(counts: Counts) -> Iterator[Metric]:
    running = counts.running
    yield _gauge("open_uploads", "Uploads, resumable ones that wait included", [], {(): running.uploads})
    yield _gauge("inspections", "Running inspections", [], {(): running.inspections})
    yield _gauge("unfinished_jobs", "Jobs by state", ["state"], {(one,): n for one, n in running.jobs.items()})
    yield _gauge("leases", "Leases by node", ["node"], {(node,): n for node, n in running.leases.items()})
    last = {(one.owner.node, one.owner.process): _seconds(one.seen_at) for one in counts.processes}
    yield _gauge("last_sweep_timestamp_seconds", "When a process swept last", ["node", "process"], last)


def _scrub(counts: Counts) -> Iterator[Metric]:
    owner, total, done, oldest, _ = counts.running.scrub
    yield _gauge("scrub_running", "Whether a process reads images again", [], {(): owner is not None})
    yield _gauge("scrub_blobs", "Blobs to read", [], {(): total})
    yield _gauge("scrub_read_blobs", "Blobs that were read within scrub_every_s", [], {(): done})
    if oldest is not None:
        yield _gauge("scrub_oldest_timestamp_seconds", "When the one read longest ago was", [], {(): _seconds(oldest)})


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


def _gauge(name: str, text: str, labels: list[str], values: Values) -> Metric:
    family = GaugeMetricFamily(f"stillage_{name}", text, labels=labels)
    for of, value in values.items():
        family.add_metric(list(of), float(value))
    return family
