"""Where a store keeps the bytes of a resumable upload: names count with their bytes, and never change what counts."""

from datetime import timedelta

import pytest

from stillage.db import parts, uploads
from stillage.db.parts import CountedElsewhere
from stillage.images.upload import Kept, Upload
from stillage.spans import Span
from upload_world import World

WHOLE = Span(0, 1000)


async def count(world: World, upload: Upload, span: Span, *kept: Kept, compared: tuple[Span, ...] = ()) -> None:
    expires_at = world.clock() + timedelta(hours=1)
    assert await world.database.write(uploads.count, upload.id, span, expires_at, kept, compared) is not None


async def kept(world: World, upload: Upload, span: Span = WHOLE) -> list[tuple[int, int, str]]:
    found = await world.database.read(parts.within, upload.id, span)
    return [(*part.span, part.name) for part in found]


async def test_what_is_kept_is_recalled_cut_to_what_was_asked_for(world: World) -> None:
    upload = await world.open(1000)
    await count(world, upload, Span(0, 20), Kept(Span(0, 10), "a"), Kept(Span(10, 20), "b"))
    await count(world, upload, Span(30, 40), Kept(Span(30, 40), "c"))
    assert await kept(world, upload) == [(0, 10, "a"), (10, 20, "b"), (30, 40, "c")]
    assert await kept(world, upload, Span(5, 32)) == [(5, 10, "a"), (10, 20, "b"), (30, 32, "c")]
    assert await kept(world, upload, Span(20, 30)) == []


async def test_of_two_requests_that_kept_the_same_bytes_the_first_to_count_wins(world: World) -> None:
    upload = await world.open(1000)
    await count(world, upload, Span(10, 20), Kept(Span(10, 20), "first"))
    late = Kept(Span(0, 30), "late")
    with pytest.raises(CountedElsewhere) as elsewhere:
        await count(world, upload, Span(0, 30), late)
    assert (elsewhere.value.part, list(elsewhere.value.spans)) == (late, [(10, 20)])
    assert await kept(world, upload) == [(10, 20, "first")]
    await count(world, upload, Span(0, 30), late, compared=(Span(10, 20),))
    assert await kept(world, upload) == [(0, 10, "late"), (10, 20, "first"), (20, 30, "late")]


async def test_zeros_that_count_without_a_name_stay_zeros(world: World) -> None:
    upload = await world.open(1000)
    await count(world, upload, Span(10, 20))
    await count(world, upload, Span(0, 30), Kept(Span(0, 30), "late"), compared=(Span(10, 20),))
    assert await kept(world, upload) == [(0, 10, "late"), (20, 30, "late")]


async def test_only_what_counts_is_kept_and_the_rest_when_it_does(world: World) -> None:
    upload = await world.open(1000)
    await count(world, upload, Span(0, 6), Kept(Span(0, 10), "a"))
    assert await kept(world, upload) == [(0, 6, "a")]
    await count(world, upload, Span(0, 10), Kept(Span(0, 10), "a"))
    assert await kept(world, upload) == [(0, 6, "a"), (6, 10, "a")]


async def test_bytes_that_are_kept_again_get_the_new_name_where_they_had_the_old_one(world: World) -> None:
    upload = await world.open(1000)
    await count(world, upload, Span(4, 6), Kept(Span(4, 6), "other"))
    await count(world, upload, Span(0, 8), Kept(Span(0, 8), "small"), compared=(Span(4, 6),))
    whole = Kept(Span(0, 16), "whole", frozenset({"small", "never counted"}))
    await count(world, upload, Span(0, 16), whole, compared=(Span(4, 6),))
    assert await kept(world, upload) == [(0, 4, "whole"), (4, 6, "other"), (6, 16, "whole")]


async def test_what_is_replaced_before_it_counts_leaves_no_trace(world: World) -> None:
    upload = await world.open(1000)
    both = (Kept(Span(0, 4), "small"), Kept(Span(0, 8), "whole", frozenset({"small"})))
    await count(world, upload, Span(0, 8), *both)
    assert await kept(world, upload) == [(0, 8, "whole")]


async def test_names_are_forgotten_with_their_upload(world: World) -> None:
    upload = await world.open(1000)
    await count(world, upload, Span(0, 8), Kept(Span(0, 8), "a"))
    await world.database.write(lambda connection: connection.exec_driver_sql("DELETE FROM uploads") and None)
    assert await kept(world, upload) == []
