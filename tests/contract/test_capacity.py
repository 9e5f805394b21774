"""What a store has is counted in the database: what is stored, what is reserved, and what is not removed yet."""

import builders
from fakes import Clock
from stillage.db import images, placements
from stillage.db.blobs import forget_blob, held_by
from stillage.db.session import Database
from stillage.ids import BlobKey, BlobRef, StoreId
from stillage.images.image import Image

HERE, ELSEWHERE = StoreId("here"), StoreId("elsewhere")


async def test_a_store_has_what_is_stored_reserved_or_not_yet_removed(database: Database, clock: Clock) -> None:
    image = builders.image(owner="lab")
    await database.write(images.add, image)
    assert await database.read(held_by, HERE) == (0, 0)
    await begin(database, image, BlobRef(ELSEWHERE, BlobKey("e" * 32)), 1, clock)
    stored, running = (BlobRef(HERE, BlobKey(digit * 32)) for digit in "ab")
    await begin(database, image, stored, 64, clock)
    await begin(database, image, running, 128, clock)
    await database.write(placements.publish, image.id, stored, clock(), {"size": 10})
    assert await database.read(held_by, HERE) == (138, 2)
    await database.write(lambda c: placements.remove(c, image.id, [HERE], keep_until={HERE: clock()}))
    assert await database.read(held_by, HERE) == (138, 2)
    await database.write(forget_blob, stored.key)
    assert await database.read(held_by, HERE) == (128, 1)


async def begin(database: Database, image: Image, blob: BlobRef, reserve: int, clock: Clock) -> None:
    await database.write(placements.begin, image.id, blob, image.owner, reserve, clock())
