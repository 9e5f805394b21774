"""``python store_work.py WHAT FOLDER``: use a file store, to be recorded, and say on standard output what is done.

Each line is written when the store has answered, as a client would be answered then: ``stored KEY``, ``deleted KEY``,
``begun KEY`` and ``counts KEY FIRST END`` of a partial blob.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from stillage.ids import BlobKey
from stillage.spans import Span
from stillage.stores.files.blobs import FileStore
from stillage.stores.files.disk import write_whole

KEYS = [BlobKey(f"{shard:02x}{number:030x}") for number, shard in enumerate((0x0F, 0x0F, 0x1E, 0x2D))]
SMALL = (b"first", b"second")
HOLE = 64 << 10
Data = dict[BlobKey, bytes]


def _content(seed: int) -> bytes:
    # With holes, the last one at the end, where no write makes the file longer.
    dice = random.Random(seed)
    return dice.randbytes(HOLE) + bytes(HOLE) + dice.randbytes(5000 + seed) + bytes(HOLE)


DATA: Data = {key: _content(number) for number, key in enumerate(KEYS)}
"""What each blob has: other bytes each."""


def say(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


async def put(store: FileStore, key: BlobKey, content: bytes) -> None:
    async with store.writer(key) as writer:
        for start in range(0, len(content), HOLE):
            await writer.write(content[start : start + HOLE])
        await writer.commit()
    say("stored", key)


async def delete(store: FileStore, key: BlobKey) -> None:
    await store.delete(key)
    say("deleted", key)


async def blobs(store: FileStore, data: Data) -> None:
    for key in KEYS[:3]:
        await put(store, key, data[key])
    await delete(store, KEYS[0])
    await put(store, KEYS[3], data[KEYS[3]])
    await delete(store, KEYS[3])


async def blobs_in_named_files(store: FileStore, data: Data) -> None:
    """As on a file system that has no nameless ones."""
    os.O_TMPFILE = os.O_DIRECTORY | os.O_WRONLY  # type: ignore[misc]
    await blobs(store, data)


async def blobs_beside_another_process(store: FileStore, data: Data) -> None:
    """It has made their folders and not synced them."""
    for key in KEYS:
        (store.root / key[:2]).mkdir(exist_ok=True)
    await blobs(store, data)


async def partial_blobs(store: FileStore, data: Data) -> None:
    whole, given_up = KEYS[0], KEYS[2]
    for key in (whole, given_up):
        await store.begin(key)
        say("begun", key)
        async with store.partial(key) as partial:
            for first, end in ((0, 20_000), (20_000, 2 * HOLE), (2 * HOLE, len(data[key]))):
                await partial.hold(Span(first, end))
                await partial.clear(Span(first, end))
                await partial.write(first, data[key][first:end])
                await partial.flush()
                say("counts", key, first, end)
    async with store.partial(whole) as partial:
        await partial.publish(len(data[whole]))
    say("stored", whole)
    await delete(store, given_up)


async def small_files(store: FileStore, _data: Data) -> None:
    """What a data folder has beside its blobs, such as its secret."""
    path = store.root.with_name("small")
    for content in SMALL:
        write_whole(path, content)
        say("written", content.decode())


WORK = {work.__name__: work for work in (blobs, blobs_in_named_files, blobs_beside_another_process, partial_blobs)}

if __name__ == "__main__":
    asyncio.run({**WORK, "small_files": small_files}[sys.argv[1]](FileStore(Path(sys.argv[2]) / "blobs"), DATA))
