"""What operations do with a store that lacks an ability; a store that has it is in the other tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fakes import Clock, unheard
from stillage.db.session import Database
from stillage.errors import StorageFull
from stillage.images.access import Access
from stillage.images.creation import Defaults
from stillage.images.quota import Limits
from stillage.operations.images import Images
from stillage.operations.upkeep.sweep import Sweep
from stillage.operations.upload.acceptance import require_room
from stillage.stores.base import Store
from stillage.stores.memory import MemoryStore
from stores import KEY, SHARD, Bare, key_of, only, put, read_all
from upload_world import DATA, ME, a_world


async def test_who_cannot_say_how_much_room_is_left_refuses_no_size() -> None:
    store = MemoryStore(capacity=1000)
    await put(store, bytes(600))
    await require_room(store, 400, 0)
    with pytest.raises(StorageFull, match="this image of 401 bytes"):
        await require_room(store, 401, 0)
    await require_room(Bare(store), 1 << 60, 0)


async def test_who_cannot_list_keeps_what_no_row_names(database: Database, clock: Clock) -> None:
    store = MemoryStore()
    await put(store, b"orphan")
    assert await Sweep(database, only(Bare(store)), clock=clock).remove_orphans(SHARD, older_than_s=0) == 0
    assert await read_all(store, KEY) == b"orphan"
    assert await Sweep(database, only(store), clock=clock).remove_orphans(SHARD, older_than_s=0) == 1


@pytest.mark.parametrize(("kind", "is_kept"), [(Bare, True), (lambda store: store, False)], ids=["without", "with"])
async def test_who_cannot_keep_what_is_open_keeps_deleted_bytes_for_downloads(
    database: Database, clock: Clock, tmp_path: Path, kind: Callable[[Store], Store], is_kept: bool
) -> None:
    async with a_world(database, tmp_path, clock) as world:
        progress = await world.send(await world.open(), 0, len(DATA))
        assert progress.image is not None
        key = await key_of(database, progress.image)
        images = Images(
            database,
            only(kind(world.store)),
            access=Access({}),
            defaults=Defaults(),
            limits=Limits(),
            deleted_download_s=60,
            clock=clock,
            report=unheard,
        )
        await images.delete(ME, progress.image.id)
        for after_s, is_there in ((0, is_kept), (59, is_kept), (2, False)):
            clock.advance(after_s)
            await Sweep(database, only(world.store), clock=clock)()
            assert world.path_of(key).exists() == is_there
