"""``python -m bench.catching_up``: verifying an upload again from its stored bytes, as after a restart.

The floor reads the same bytes from the same file and hashes them, MD5 and SHA-512 in a thread each, and nothing else.
The page cache has the bytes in both, as it has after a restart of the server.
"""

import argparse
import asyncio
import hashlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import structlog

from bench.stores import only
from stillage.accounts.principal import Principal
from stillage.db import images as db
from stillage.db import schema
from stillage.db.clock import now
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.formats.safety import Policy
from stillage.ids import ImageId, ProjectId, UserId
from stillage.images.access import Access
from stillage.images.image import Image
from stillage.images.quota import Quotas
from stillage.images.upload import Expected, Grant, Piece
from stillage.lanes import Lane
from stillage.operations.resumable.rights import Look
from stillage.operations.resumable.uploads import Uploads
from stillage.operations.upload.acceptance import UploadRules
from stillage.spans import Span
from stillage.stores.files.blobs import FileStore

MIB = 1 << 20
BAR = 0.9
ME = Principal(UserId("bench"), ProjectId("bench"), frozenset({"member", "reader"}))
RULES = UploadRules(
    max_image_bytes=1 << 40,
    hash_algorithm="sha512",
    may_be_empty=frozenset({"raw"}),
    recordable_formats=frozenset(),
    format_property=None,
    lease_s=60,
    policy=Policy(),
    quotas=Quotas(),
    spare_bytes=0,
)


async def floor(path: Path) -> float:
    begun = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        digests = [hashlib.md5(usedforsecurity=False), hashlib.sha512(usedforsecurity=False)]
        async with Lane("md5") as md5, Lane("sha512") as sha512:
            while block := file.read(MIB):
                await md5.submit(digests[0].update, block)
                await sha512.submit(digests[1].update, block)
            await md5.call(digests[0].hexdigest)
            await sha512.call(digests[1].hexdigest)
    return time.perf_counter() - begun


class Always:
    """The rights of the only principal there is."""

    def keep(self, _principal: Principal) -> None:
        return None

    async def look(self, _grant: Grant, *, hold: bool) -> Look:  # noqa: ARG002 - the Protocol names it
        return lambda _: ME


async def stillage(database: Database, store: FileStore, data: bytes) -> tuple[float, Path]:
    """Return how long a new process takes to verify what one that is gone has received."""

    def uploads(owner: LeaseOwner) -> Uploads:
        return Uploads(
            database,
            only(store),
            access=Access(),
            rights=Always(),
            rules=RULES,
            secret=b"-",
            owner=owner,
            max_age_s=3600,
            clock=now,
        )

    image = Image(ImageId(str(uuid4())), ProjectId("bench"), now(), now(), disk_format="raw", container_format="bare")
    await database.write(db.add, image)
    first = uploads(LeaseOwner.parse("node/1"))
    upload = await first.open(ME, image.id, Expected(len(data)))

    async def body() -> AsyncIterator[bytes]:
        for start in range(0, len(data), MIB):
            yield data[start : start + MIB]

    await first._pieces.receive(upload, Piece(0, len(data)), Span(0, len(data)), body())  # noqa: SLF001 - stops before the verdict
    await first.close()
    path = next(path for path in store.root.rglob(f"{upload.blob.key}*"))
    second = uploads(LeaseOwner.parse("node/2"))
    begun = time.perf_counter()
    await second.verifier.verdict(await second.find(ME, image.id, upload.id))
    seconds = time.perf_counter() - begun
    await second.close()
    return seconds, path.with_name(upload.blob.key)


async def measure(size: int, rounds: int) -> float:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory(prefix="stillage-bench-") as folder:
        database = Database(f"sqlite:///{folder}/stillage.sqlite")
        schema.upgrade(database.engine)
        store = FileStore(Path(folder) / "blobs")
        ratios = []
        for _ in range(rounds):
            seconds, path = await stillage(database, store, os.urandom(size))
            bare = await floor(path)
            path.unlink()
            ratios.append(bare / seconds)
            print(f"verified again {size / seconds / 1e6:6.0f} MB/s, bare hash {size / bare / 1e6:6.0f} MB/s")
        store.close()
        database.close()
    return statistics.median(ratios)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="MiB")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ratio = asyncio.run(measure(arguments.size * MIB, arguments.rounds))
    print(f"catching up: {ratio:.2f} of the bare hash (median; bar {BAR})")
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
