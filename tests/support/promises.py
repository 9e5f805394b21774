"""The promises of docs/design.md, checked by reading the database and what is stored.

`broken` says what is wrong at any moment, whatever runs; `unsettled` what is wrong when nothing runs any more and a
sweep has been. Both return sentences, and none when all is well.
"""

import hashlib
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from stillage.db.tables import blobs, images, placements, upload_pieces, uploads, usage
from stillage.ids import BlobKey
from stillage.images.quota import scope_of_node
from stillage.stores.base import Store

Rows = Mapping[str, Row[Any]]
WITH_DATA = ("active", "deactivated")
# An import that has given its image some bytes, and not all copies of them yet, may fail.
MAY_HAVE_DATA = (*WITH_DATA, "importing")
HELD = ("saving", "uploading")
"""By an upload, always. An import has one only while it writes."""
STUCK = (*HELD, "importing")
CONTENT = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")


class InStore(Mapping[str, bytes]):
    """What is in a store, of whatever kind. Blobs are read when they are looked at: there may be many.

    Of partial ones, which are named with ``.part``, and of whatever else is there, only the names are known.
    """

    def __init__(self, store: Store, names: AbstractSet[str], run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        """*run*: lets the event loop that the store lives in do something."""
        self._store = store
        self._names = names
        self._run = run

    async def _read(self, key: BlobKey) -> bytes:
        async with self._store.reader(key) as reader:
            return bytes(await reader.read(0, reader.size))

    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        return b"" if name.endswith(".part") else bytes(self._run(self._read(BlobKey(name))))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def read_folder(root: Path) -> dict[str, bytes]:
    """Every named file in a `FileStore`, by its name."""
    return {path.name: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class State:
    """All there is at one moment.

    Attributes:
        files: What is stored, by name: a key, or a key and ``.part``.
    """

    images: Rows
    blobs: Rows
    placements: Sequence[Row[Any]]
    uploads: Rows
    pieces: Rows
    usage: Rows
    files: Mapping[str, bytes]

    @classmethod
    def read(cls, connection: Connection, files: Mapping[str, bytes]) -> "State":
        """*connection* is in a transaction of its own."""

        def rows(table: Table) -> Rows:
            key = next(iter(table.primary_key)).name
            return {getattr(row, key): row for row in connection.execute(select(table))}

        placed = connection.execute(select(placements)).all()
        return cls(rows(images), rows(blobs), placed, rows(uploads), rows(upload_pieces), rows(usage), files)

    def published_of(self, image_id: str) -> list[Row[Any]]:
        """The published blobs of an image, in the order of its placements."""
        placed = sorted((row for row in self.placements if row.image_id == image_id), key=lambda row: row.position)
        named = [self.blobs[row.blob_key] for row in placed]
        return [row for row in named if row.state == "published"]

    def owner_of(self, blob_key: str) -> str:
        """The project that the only placement of a blob counts against."""
        (row,) = (row for row in self.placements if row.blob_key == blob_key)
        return str(row.owner or "")


def broken(state: State) -> list[str]:
    """What breaks a promise that holds at every moment: 1 (the verified bytes), 3 (no file without a row)."""
    return [
        *(f"image {row.id} ({row.status}): {what}" for row in state.images.values() for what in _of_image(state, row)),
        *(f"file {name} has no row" for name in state.files if name.removesuffix(".part") not in state.blobs),
        *(f"upload {row.id} has no blob that is written" for row in state.uploads.values() if _is_lost(state, row)),
        *(
            f"blob {key} is published for no image"
            for key in _published(state) - {p.blob_key for p in state.placements}
        ),
        *_miscounted(state),
    ]


def unsettled(state: State) -> list[str]:
    """What is left over, besides what is `broken`, when nothing runs and a sweep has been: promise 3."""
    published = _published(state)
    return [
        *broken(state),
        *(f"image {row.id} is stuck in {row.status}" for row in state.images.values() if row.status in STUCK),
        *(f"upload {upload_id} is still there" for upload_id in state.uploads),
        *(f"piece {piece_id} is still there" for piece_id in state.pieces),
        *(f"blob {key} is still {row.state}" for key, row in state.blobs.items() if key not in published),
        *(f"file {name} is left over" for name in state.files if name not in published),
        *(f"{scope} still counts {row.uploads} uploads" for scope, row in state.usage.items() if row.uploads),
    ]


def _published(state: State) -> set[str]:
    return {key for key, row in state.blobs.items() if row.state == "published"}


def _of_image(state: State, image: Row[Any]) -> Iterator[str]:
    yield from _of_placements(state, image)
    if image.import_task is None and (image.status in HELD) != (image.upload_id is not None):
        yield f"its upload is {image.upload_id}"
    if image.status in HELD and image.upload_id not in state.uploads:
        yield "nobody uploads to it"
    if (image.status == "importing") and image.import_task is None:
        yield "nobody imports it"
    if image.status in ("queued", "saving") and any(getattr(image, name) is not None for name in CONTENT):
        yield f"it says {[getattr(image, name) for name in CONTENT]} of bytes that it does not have"
    if image.status == "active" and image.reason is not None:
        yield f"it has the reason {image.reason!r}"
    if (image.status == "deleted") != (image.deleted_at is not None):
        yield f"it was deleted at {image.deleted_at}"


def _of_placements(state: State, image: Row[Any]) -> Iterator[str]:
    published = state.published_of(image.id)
    if image.stores != tuple(row.store for row in published):
        yield f"its stores are {image.stores}, and published are {[(row.store, row.key) for row in published]}"
    if len(set(image.stores)) < len(image.stores):
        yield f"it is twice in one of {image.stores}"
    if image.status in WITH_DATA and not published:
        yield "it has no bytes"
    if image.status not in MAY_HAVE_DATA and published:
        yield f"blob {published[0].key} is published"
    for row in published:
        yield from _of_bytes(image, row, state.files.get(row.key))


def _of_bytes(image: Row[Any], blob: Row[Any], data: bytes | None) -> Iterator[str]:
    if data is None:
        yield f"blob {blob.key} is gone"
        return
    found = (len(data), _digest("md5", data), _digest(image.os_hash_algo, data))
    for row, of in ((image, "its record"), (blob, "its blob")):
        said = (row.size, row.checksum, row.os_hash_value)
        if said != found:
            yield f"{of} says {said}, and the bytes are {found}"


_digests: dict[tuple[str, bytes], str] = {}


def _digest(algorithm: str, data: bytes) -> str:
    # The same bytes are looked at after every step.
    if (algorithm, data) not in _digests:
        if len(_digests) > 100:
            _digests.clear()
        _digests[algorithm, data] = hashlib.new(algorithm, data).hexdigest()
    return _digests[algorithm, data]


def _is_lost(state: State, upload: Row[Any]) -> bool:
    blob = state.blobs.get(upload.blob_key)
    return blob is None or blob.state != "writing"


def _miscounted(state: State) -> Iterator[str]:
    counted: dict[str, list[int]] = {scope: [0, 0, 0] for scope in state.usage}

    def count(scope: str, what: int, by: int) -> None:
        counted.setdefault(scope, [0, 0, 0])[what] += by

    for row in state.placements:
        count(f"project:{row.owner or ''}", 0, row.reserved)
    for row in state.images.values():
        if row.deleted_at is None:
            count(f"project:{row.owner or ''}", 1, 1)
    for row in state.uploads.values():
        count(f"project:{state.owner_of(row.blob_key)}", 2, 1)
        if row.lease_owner is not None:
            count(scope_of_node(row.lease_owner.node), 2, 1)
    for row in state.pieces.values():
        count(scope_of_node(row.lease_owner.node), 2, 1)
    for scope, (size, number, running) in counted.items():
        known = state.usage.get(scope)
        said = (0, 0, 0) if known is None else (known.bytes, known.images, known.uploads)
        if said != (size, number, running):
            yield f"{scope} is said to use {said} (bytes, images, uploads), and uses {(size, number, running)}"
