"""Where nodes of a test keep the bytes of images: in a folder that all of them see, or in a bucket of an S3 server."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

import s3_server
from server import Server
from stillage.spans import Span
from stillage.stores.base import Store
from stillage.stores.files.blobs import FileStore
from stillage.stores.s3.blobs import PROBE, S3Store
from stillage.stores.s3.buffers import Blocks
from stillage.stores.s3.client import S3Client
from stillage.stores.s3.pieces import FOLDER, key_in
from stillage.stores.s3.settings import S3Settings
from stillage.stores.s3.transfers import read_whole

SETTINGS_FILE = "stillage.toml"


class NodeStore(Protocol):
    """One for all nodes of a test."""

    def prepare(self, node: Server) -> None:
        """Let *node*, which is not started, use it."""

    def open(self) -> Store:
        """Open it beside the nodes."""

    def names(self) -> AbstractSet[str]:
        """Return what is stored: keys of blobs, with ``.part`` those of partial ones, and whatever else is there."""

    def listing(self) -> Sequence[str]:
        """Return everything that is stored, by the names that it has there."""

    def replace_bytes(self, stored: bytes, damaged: bytes) -> None:
        """Let *stored*, which one blob is, become *damaged* behind everybody's back."""


class SharedFolder:
    """As on NFS or CephFS."""

    def __init__(self, folder: Path) -> None:
        self._blobs = folder / "blobs"

    def prepare(self, node: Server) -> None:
        self._blobs.mkdir(mode=0o700, exist_ok=True)
        node.data_folder.mkdir(mode=0o700, parents=True)
        (node.data_folder / "blobs").symlink_to(self._blobs)

    def open(self) -> FileStore:
        return FileStore(self._blobs)

    def names(self) -> AbstractSet[str]:
        return set(self.listing())

    def listing(self) -> Sequence[str]:
        return sorted(path.name for path in self._blobs.rglob("*") if path.is_file())

    def replace_bytes(self, stored: bytes, damaged: bytes) -> None:
        [path] = [path for path in self._blobs.rglob("*") if path.is_file() and path.read_bytes() == stored]
        path.write_bytes(damaged)


class SharedBucket:
    """A bucket, or with *settings* of `s3_server` a part of one."""

    def __init__(self, settings: S3Settings, folder: Path, *, cache_bytes: int = 0) -> None:
        """*folder*: for the settings file of the nodes."""
        self.settings = settings
        self._file = folder / SETTINGS_FILE
        self._file.write_text(f"{_table(settings)}cache_bytes = {cache_bytes}\n")
        self._client = S3Client(settings, s3_server.session())

    def prepare(self, node: Server) -> None:
        node.settings_file = self._file
        node.credentials = {"AWS_ACCESS_KEY_ID": s3_server.ACCESS, "AWS_SECRET_ACCESS_KEY": s3_server.SECRET}

    def open(self) -> S3Store:
        return S3Store(self.settings, s3_server.session(), timeout_s=60)

    def names(self) -> AbstractSet[str]:
        return names_in(self._client)

    def listing(self) -> Sequence[str]:
        return listing_of(self._client)

    def replace_bytes(self, stored: bytes, damaged: bytes) -> None:
        whole = Span(0, len(stored))
        objects = [each for each in self._client.objects("")[0] if each.size == len(stored)]
        [found] = [each for each in objects if read_whole(self._client, each.key, whole) == stored]
        self._client.put(found.key, Blocks([damaged]))


def names_in(client: S3Client) -> AbstractSet[str]:
    """As `NodeStore.names` of a bucket."""
    return {_name_of(name.partition(" ")[0]) for name in listing_of(client)}


def listing_of(client: S3Client) -> Sequence[str]:
    objects = [stored.key for stored in client.objects("")[0] if stored.key != PROBE]
    return sorted([*objects, *(f"{each.key}{FOLDER} open upload" for each in client.open_uploads(""))])


def _name_of(key: str) -> str:
    blob = key_in(key)
    return key if blob in (None, key) else f"{blob}.part"


def _table(settings: S3Settings) -> str:
    return f"""[[stores]]
id = "files"
type = "s3"
bucket = "{settings.bucket}"
prefix = "{settings.prefix}"
endpoint = "{settings.endpoint}"
region = "{settings.region}"
part_size = {settings.part_size}
timeout_s = {settings.timeout_s}
sign_payload = false
"""
