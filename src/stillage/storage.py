"""Builds the stores that the settings name: one function for each type of store."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from stillage.bucket_settings import AnyBucket, FolderBucketSettings, S3BucketSettings
from stillage.config import Settings
from stillage.errors import BadSettings, StillageError
from stillage.ids import StoreId
from stillage.store_settings import AnyStore, BucketSettings, FilesSettings, default_of
from stillage.stores.base import Store
from stillage.stores.buckets.base import Bucket
from stillage.stores.buckets.catalog import Bound, Buckets
from stillage.stores.buckets.folder import FolderBucket
from stillage.stores.capacity import Capacity
from stillage.stores.catalog import NamedStore, Stores
from stillage.stores.files.blobs import FileStore
from stillage.stores.files.glance import GlanceFolder
from stillage.stores.threads import Threads

HeldBy = Callable[[StoreId], Awaitable[tuple[int, int]]]

CACHES = "cache"
"""Folder in the data folder: of each store that has a cache, a folder."""
BUCKETS = "buckets"
"""Folder in the data folder: of each project a folder, with its buckets."""
BUCKET_THREADS = 4
BUCKET_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class _Built:
    """A store, with the type and the properties that the API shows."""

    store: Store
    kind: str
    properties: Mapping[str, Any] = field(default_factory=dict)


def stores_of(settings: Settings, held_by: HeldBy) -> Stores:
    """Return the stores of a deployment. *held_by*: counts the bytes that a store has, and its blobs.

    Raises:
        BadSettings: If one of them cannot be used as it is set.
    """
    named = [_named(one, settings.data, held_by) for one in settings.stores]
    return Stores(named, default=StoreId(default_of(settings.stores).id))


def _named(one: AnyStore, data: Path, held_by: HeldBy) -> NamedStore:
    built = BUILDERS[one.type](one, data, held_by)
    return NamedStore(
        StoreId(one.id),
        built.store,
        built.kind,
        one.description,
        read_only=one.read_only,
        weight=one.weight,
        properties=built.properties,
    )


def _files(one: FilesSettings, data: Path, _held_by: HeldBy) -> _Built:
    folder = data / one.path
    if not folder.is_dir() and not folder.resolve().is_relative_to(data.resolve()):
        # Made here it would lie under the place where the missing disk belongs, and every image would seem to be gone.
        raise BadSettings(f"stores: the folder {folder} of {one.id!r} does not exist; create it, or mount its disk")
    store = FileStore(folder) if one.layout == "stillage" else GlanceFolder(folder)
    return _Built(store, "file", {"data_dir": str(folder), "thin_provisioning": True})


def _bucket(one: BucketSettings, data: Path, held_by: HeldBy) -> _Built:
    try:
        from stillage.stores.s3.blobs import S3Store  # noqa: PLC0415 - it needs what only some install
        from stillage.stores.s3.cache import SliceCache  # noqa: PLC0415
        from stillage.stores.s3.rationed import RationedS3Store  # noqa: PLC0415
        from stillage.stores.s3.settings import S3Settings  # noqa: PLC0415
    except ImportError as error:
        raise BadSettings(
            f"stores: {one.id!r} has the type s3, and {error.name} is missing; run: pip install 'stillage[s3]'"
        ) from error
    names = [each.name for each in fields(S3Settings)]
    settings = S3Settings(**{name: getattr(one, name) for name in names})
    try:
        cache = SliceCache(data / CACHES / one.id, one.cache_bytes) if one.cache_bytes else None
        if one.capacity is None:
            store = S3Store(settings, cache=cache)
        else:
            capacity = Capacity(one.capacity, partial(held_by, StoreId(one.id)))
            store = RationedS3Store(settings, capacity, cache=cache)
    except StillageError as error:
        raise BadSettings(f"stores: {one.id!r}: {error}") from error
    properties = {"s3_store_host": one.endpoint or "", "s3_store_bucket": one.bucket, "thin_provisioning": False}
    properties |= {} if one.capacity is None else {"capacity": one.capacity}
    return _Built(store, "s3", properties)


BUILDERS: Mapping[str, Callable[[Any, Path, HeldBy], _Built]] = {"files": _files, "s3": _bucket}


def buckets_of(settings: Settings) -> Buckets:
    """Return the buckets of a deployment, in which users keep files."""
    threads = Threads("bucket", BUCKET_THREADS, timeout_s=BUCKET_TIMEOUT_S)
    bound = [_bound(one, settings.data, threads) for one in settings.buckets]
    return Buckets(bound, settings.data / BUCKETS, threads)


def _bound(one: AnyBucket, data: Path, threads: Threads) -> Bound:
    bucket: Bucket
    if isinstance(one, FolderBucketSettings):
        bucket = FolderBucket(one.name, data / one.path, (), threads)
    else:
        bucket = _users_bucket(one, threads)
    return Bound(one.name, bucket, one.projects, one.read, one.write)


def _users_bucket(one: S3BucketSettings, threads: Threads) -> Bucket:
    try:
        from stillage.stores.s3.bucket import S3Bucket  # noqa: PLC0415 - it needs what only some install
        from stillage.stores.s3.client import S3Client  # noqa: PLC0415
        from stillage.stores.s3.settings import S3Settings  # noqa: PLC0415
    except ImportError as error:
        raise BadSettings(
            f"buckets: {one.name!r} has the type s3, and {error.name} is missing; run: pip install 'stillage[s3]'"
        ) from error
    shared = ("prefix", "endpoint", "region", "addressing", "ca", "timeout_s")
    settings = S3Settings(one.bucket or one.name, **{name: getattr(one, name) for name in shared})
    return S3Bucket(one.name, S3Client(settings), threads)
