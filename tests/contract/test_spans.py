"""Which bytes of an upload are there: few rows are looked at, however many there are."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, insert

from stillage.db import spans
from stillage.db.tables import upload_spans
from stillage.errors import BytesDiffer, TooManySpans
from stillage.images.upload import Piece, Upload
from stillage.spans import Span
from stillage.stores.files.partial import FilePartialBlob
from upload_world import DATA, MIB, World, sliced

ROWS_OF_A_PIECE = 110


def odd_bytes(count: int) -> list[Span]:
    """One byte here and there, none of which meets another, and none the beginning."""
    return [Span(2 * number + 1, 2 * number + 2) for number in range(count)]


async def fill(world: World, upload: Upload, there: list[Span]) -> None:
    rows = [{"upload_id": upload.id, "first": span.first, "end": span.end} for span in there]
    await world.database.write(lambda connection: connection.execute(insert(upload_spans), rows) and None)


def stretches(bytes_there: set[int]) -> tuple[Span, ...]:
    """The slow and obvious way."""
    firsts = sorted(at for at in bytes_there if at - 1 not in bytes_there)
    ends = sorted(at + 1 for at in bytes_there if at + 1 not in bytes_there)
    return tuple(map(Span, firsts, ends))


async def test_spans_are_joined_and_found_as_by_looking_at_every_byte(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, dice = await world.open(size=99), random.Random(5)
    monkeypatch.setattr(spans, "READ", 3)
    bytes_there: set[int] = set()

    def check(connection: Any) -> None:
        for _ in range(60):
            first = dice.randrange(98)
            span = Span(first, min(99, first + dice.randrange(9)))
            spans.add(connection, upload.id, span)
            bytes_there.update(range(span.first, span.end))
            whole = spans.ranges(connection, upload.id, 99)
            assert (whole.spans, whole.received) == (stretches(bytes_there), len(bytes_there))
            within = Span(first, dice.randrange(first + 1, 100))
            inside = bytes_there & set(range(within.first, within.end))
            assert spans.missing(connection, upload.id, within) == within.length - len(inside)
            seen = spans.window(connection, upload.id, within)
            assert within.first < seen.until <= within.end
            assert seen.spans == stretches({at for at in inside if at < seen.until})
            if len(bytes_there) > 80:
                for row in whole.spans[::2]:
                    connection.execute(upload_spans.delete().where(upload_spans.c.first == row.first))
                    bytes_there.difference_update(range(row.first, row.end))

    await world.database.write(check)


async def test_an_upload_has_4096_spans_and_what_goes_on_where_bytes_end_is_still_taken(world: World) -> None:
    upload = await world.open()
    await fill(world, upload, odd_bytes(4095))
    await world.send(upload, 20_000, 20_001)
    with pytest.raises(TooManySpans, match=r"4096 separate ranges.* from byte 2 on"):
        await world.send(upload, 30_000, 30_001)
    await world.send(upload, 2, 3)  # what it was told; two spans become one
    await world.send(upload, 30_000, 30_001)
    with pytest.raises(TooManySpans):
        await world.send(upload, 40_000, 40_001)
    await world.send(upload, 0, 1)
    await world.send(upload, 30_001, 30_005)
    assert len((await world.uploads.ranges(upload, 9999)).spans) == 4096


async def test_pieces_that_began_when_there_was_room_cannot_make_any_number_of_spans(world: World) -> None:
    upload = await world.open()
    await fill(world, upload, odd_bytes(4096 + 64))
    with pytest.raises(TooManySpans):
        await world.database.write(spans.add, upload.id, Span(30_000, 30_001))


async def rows_read(world: World, upload: Upload, piece: Piece, data: bytes) -> int:
    """How many rows the database hands over for one piece."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            seen.append((statement.replace("FOR UPDATE", "").replace("FOR SHARE", ""), parameters))

    event.listen(world.database.engine, "before_cursor_execute", note)
    await world.uploads.receive(upload, piece, sliced(data))
    event.remove(world.database.engine, "before_cursor_execute", note)

    def count(connection: Any) -> int:
        return sum(len(connection.exec_driver_sql(*query).all()) for query in seen)

    return await world.database.read(count)


@pytest.mark.parametrize("place", [0, 4000, 8193])
@pytest.mark.parametrize("length", [None, 1])
async def test_the_work_of_a_piece_does_not_grow_with_the_number_of_spans(
    world: World, place: int, length: int | None
) -> None:
    upload = await world.open()
    await fill(world, upload, [Span(span.first, span.end) for span in odd_bytes(4095)])
    await world.uploads.verifier.close()
    there = DATA[place : place + 1]
    assert await rows_read(world, upload, Piece(place, length), there) <= ROWS_OF_A_PIECE


async def test_a_piece_over_many_spans_and_gaps_is_compared_and_written_at_each(world: World) -> None:
    upload = await world.open()
    await fill(world, upload, [Span(first, first + 3) for first in range(100, 5000, 9)])
    async with world.store.partial(upload.blob.key) as partial:
        await partial.write(0, DATA[:5000])
        await partial.flush()
    with pytest.raises(BytesDiffer, match="from byte 4996 on"):
        await world.send(upload, 0, 5000, DATA[:4996] + bytes(4) + DATA[5000:])
    assert (await world.send(upload, 0, len(DATA))).image is not None


async def test_zeros_over_a_hole_are_compared_without_reading_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    size = 32 * MIB
    upload = await world.open(size=size + 1)
    read: list[int] = []
    real = FilePartialBlob.read

    async def counted(self: FilePartialBlob, offset: int, length: int) -> bytes:
        read.append(length)
        return await real(self, offset, length)

    await world.uploads.receive(upload, Piece(0, size, zeros=True), sliced(b""))
    await world.uploads.verifier.close()
    monkeypatch.setattr(FilePartialBlob, "read", counted)
    monkeypatch.setattr(world.uploads.verifier, "follow", lambda _: None)
    await world.uploads.receive(upload, Piece(0, size, zeros=True), sliced(b""))
    assert sum(read) == 0


async def test_zeros_over_other_bytes_are_refused(world: World) -> None:
    upload = await world.open(size=32 * MIB)
    await world.send(upload, 0, MIB)
    with pytest.raises(BytesDiffer):
        await world.uploads.receive(upload, Piece(0, 32 * MIB, zeros=True), sliced(b""))


class Counted(bytes):
    """Bytes that count how often somebody asks for their length."""

    asked = 0

    def __len__(self) -> int:
        Counted.asked += 1
        return super().__len__()


async def test_a_piece_in_very_small_parts_is_gathered_in_linear_time(world: World) -> None:
    parts = [Counted(DATA[at : at + 64]) for at in range(0, MIB, 64)]

    async def body() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    upload = await world.open()
    Counted.asked = 0
    assert (await world.uploads.receive(upload, Piece(0, MIB), body())).upload.offset == MIB
    assert Counted.asked <= 3 * len(parts)
