"""An upload in very many spans: each protocol says what to do, and what it answers stays small."""

from sqlalchemy import insert

from image_api import OCTETS, Person, Town
from protocols import OFFSET_OCTETS, PARTIAL, TUS, document, queued
from stillage.api.services import SERVICES
from stillage.db.tables import upload_spans

SIZE = 1 << 20


async def opened(town: Town, erin: Person, spans: int) -> str:
    """Return the address of an upload with one byte here and there."""
    image_id = await queued(erin)
    upload = (await erin("POST", f"/v2/images/{image_id}/uploads", {"size": SIZE})).json
    rows = [{"upload_id": upload["id"], "first": 2 * n + 1, "end": 2 * n + 2} for n in range(spans)]
    database = town.application[SERVICES].database
    await database.write(lambda connection: connection.execute(insert(upload_spans), rows) and None)
    return str(upload["url"])


async def test_one_piece_too_many_is_refused_with_the_way_out(town: Town, erin: Person) -> None:
    url = await opened(town, erin, 4096)
    answer = await erin("PUT", url, b"x", content_range=f"bytes 20000-20000/{SIZE}")
    assert answer.status == 409
    assert "4096" in answer.message
    assert "fill the gaps first, for instance from byte 2 on" in answer.message
    zeros = {"content_range": f"bytes 20000-29999/{SIZE}", "upload_zeros": "?1", "content_type": OCTETS}
    assert (await erin("PUT", url, b"", **zeros)).status == 409
    image_id = url.split("/")[3]
    assert (
        await erin("PUT", f"/v2/images/{image_id}/file", b"x", content_range=f"bytes 20000-20000/{SIZE}")
    ).status == 409
    assert (await erin("PUT", url, b"x", content_range=f"bytes 2-2/{SIZE}")).status == 202
    assert (await erin("PUT", url, b"x", content_range=f"bytes 20000-20000/{SIZE}")).status == 202


async def test_clients_that_send_in_order_are_never_stopped(town: Town, erin: Person) -> None:
    url = await opened(town, erin, 4096)
    sent = {**TUS, "upload_offset": "0", "content_type": OFFSET_OCTETS}
    assert (await erin("PATCH", url, b"x", **sent)).headers["upload-offset"] == "2"
    sent = {"upload_complete": "?0", "upload_offset": "2", "content_type": PARTIAL}
    assert (await erin("PATCH", url, b"x", **sent)).headers["upload-offset"] == "4"
    head = await erin("HEAD", url, **TUS)
    assert head.headers["upload-offset"] == "4"
    assert len((await document(erin, url))["ranges"]) == 4095


async def test_the_answer_to_a_piece_shows_the_first_ranges_and_counts_all(town: Town, erin: Person) -> None:
    url = await opened(town, erin, 4000)
    answer = await erin("PUT", url, b"x", content_range=f"bytes 20000-20000/{SIZE}")
    assert len(answer.json["ranges"]) == 256
    assert answer.json["received"] == 4001
    whole = await document(erin, url)
    assert (len(whole["ranges"]), whole["received"]) == (4001, 4001)
