"""Requests for one image at the same time: changes, creations, uploads and members that race."""

import asyncio

from image_api import Person


async def test_twenty_patches_at_once_lose_nothing(erin: Person) -> None:
    image_id = (await erin.create())["id"]

    async def add(number: int) -> int:
        return (await erin.patch(image_id, {"op": "add", "path": f"/p{number}", "value": str(number)})).status

    async def tag(number: int) -> int:
        return (await erin("PUT", f"/v2/images/{image_id}/tags/t{number}")).status

    answers = await asyncio.gather(*map(add, range(20)), *map(tag, range(10)))
    assert answers == [200] * 20 + [204] * 10
    image = await erin.show(image_id)
    assert {name: image.get(name) for name in image if name.startswith("p") and name != "protected"} == {
        f"p{number}": str(number) for number in range(20)
    }
    assert set(image["tags"]) == {f"t{number}" for number in range(10)}
    assert await erin.names("?p7=7&tag=t3") == [None]


async def test_of_two_patches_that_contradict_one_another_one_fails(erin: Person) -> None:
    image_id = (await erin.create(a="1"))["id"]
    remove = {"op": "remove", "path": "/a"}
    answers = await asyncio.gather(erin.patch(image_id, remove), erin.patch(image_id, remove))
    assert sorted(answer.status for answer in answers) == [200, 409]


async def test_a_patch_during_an_upload_is_kept(erin: Person) -> None:
    image_id = (await erin.create(name="before", disk_format="raw", a="1"))["id"]
    async with erin.uploading(image_id, b"x" * 1000) as upload:
        changed = await erin.set(image_id, name="during", a="2", min_disk=3)
        assert changed["status"] == "saving"
        await erin("PUT", f"/v2/images/{image_id}/tags/t")
        assert (await upload.finish()).status == 204
    image = await erin.show(image_id)
    assert (image["name"], image["a"], image["min_disk"], image["tags"]) == ("during", "2", 3, ["t"])
    assert (image["status"], image["size"]) == ("active", 1000)


async def test_of_many_creations_with_one_id_one_succeeds(erin: Person) -> None:
    image_id = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
    answers = await asyncio.gather(*(erin("POST", "/v2/images", {"id": image_id}) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9


async def test_of_many_uploads_at_once_one_succeeds(erin: Person) -> None:
    image_id = (await erin.create(disk_format="raw"))["id"]
    answers = await asyncio.gather(*(erin.upload(image_id, bytes([n]) * 600) for n in range(8)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [204] + [409] * 7
    winner = next(n for n, answer in enumerate(answers) if answer.status == 204)
    assert (await erin("GET", f"/v2/images/{image_id}/file")).body == bytes([winner]) * 600


async def test_members_at_once(erin: Person) -> None:
    image_id = (await erin.create())["id"]
    path = f"/v2/images/{image_id}/members"
    answers = await asyncio.gather(*(erin("POST", path, {"member": "works"}) for _ in range(10)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 9
