"""The copies of an image: which stores have them, and how much of a disk each takes."""

from pathlib import Path
from typing import Any

from image_api import Person

MIB = 1 << 20
SPARSE = bytes(8 * MIB) + b"data" * 16384


async def copies(person: Person, image_id: str) -> list[dict[str, Any]]:
    answer = await person("GET", f"/v2/images/{image_id}/copies")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["copies"]
    return found


async def test_holes_are_not_stored(erin: Person) -> None:
    image_id = (await erin.stored(SPARSE))["id"]
    (copy,) = await copies(erin, image_id)
    assert (copy["size"], copy["damage"]) == (len(SPARSE), None)
    assert 65536 <= copy["allocated"] <= MIB


async def test_a_record_without_bytes_has_no_copy_and_a_lost_file_no_room(erin: Person, tmp_path: Path) -> None:
    assert await copies(erin, (await erin.create())["id"]) == []
    image_id = (await erin.stored(b"x" * 4096))["id"]
    (copy,) = await copies(erin, image_id)
    assert copy["allocated"] >= 4096
    (blob,) = (path for path in (tmp_path / "blobs").rglob("*") if path.is_file())
    blob.unlink()
    assert (await copies(erin, image_id))[0]["allocated"] is None


async def test_who_does_not_see_the_image_sees_no_copies(erin: Person, olga: Person, rita: Person) -> None:
    private = (await erin.stored(visibility="private"))["id"]
    assert len(await copies(rita, private)) == 1
    assert (await olga("GET", f"/v2/images/{private}/copies")).status == 404
    assert (await erin("GET", "/v2/images/no-such-image/copies")).status == 404
