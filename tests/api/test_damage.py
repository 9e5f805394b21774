"""Downloads of images whose bytes are damaged or gone."""

import pytest

from deployments import Deploy


@pytest.mark.parametrize("profile", ["openstack", "ims"])
async def test_a_damaged_image_answers_500_with_the_reason(deploy: Deploy, profile: str) -> None:
    async with deploy(profile=profile) as deployment:
        image_id = await deployment.stored(b"some image")
        well = await deployment.stored(b"another")
        blob = next(
            p for p in (deployment.data_folder / "blobs").rglob("*") if p.is_file() and p.read_bytes() == b"some image"
        )
        blob.write_bytes(b"some imaxe")
        found = [one async for one in deployment.worker.scrub(older_than_s=0)]
        assert [one.image_ids for one in found if one.damage] == [[image_id]]
        for method, headers in [("GET", {}), ("GET", {"Range": "bytes=0-3"}), ("HEAD", {})]:
            path = f"/v2/images/{image_id}/file"
            async with deployment.session.request(method, path, headers={"X-Auth-Token": "lab"} | headers) as answer:
                assert answer.status == 500
                if method == "GET":
                    message = (await answer.json())["error"]["message"]
                    assert f"image {image_id} is damaged at rest: their sha512 is" in message
        status, image = await deployment.get(f"/v2/images/{image_id}")
        assert status == 200
        assert image["os_stillage_damage"].startswith("their sha512 is")
        async with deployment.session.get(f"/v2/images/{well}/file", headers={"X-Auth-Token": "lab"}) as answer:
            assert await answer.read() == b"another"
        change = [{"op": "add", "path": "/os_stillage_damage", "value": "none"}]
        async with deployment.session.patch(
            f"/v2/images/{image_id}",
            json=change,
            headers={"X-Auth-Token": "lab", "Content-Type": "application/openstack-images-v2.1-json-patch"},
        ) as answer:
            assert answer.status == 403
        blob.write_bytes(b"some image")
        assert not [one async for one in deployment.worker.scrub(older_than_s=0) if one.damage]
        async with deployment.session.get(f"/v2/images/{image_id}/file", headers={"X-Auth-Token": "lab"}) as answer:
            assert await answer.read() == b"some image"


async def test_an_image_whose_file_is_gone_answers_500_before_any_scrub(deploy: Deploy) -> None:
    async with deploy() as deployment:
        image_id = await deployment.stored(b"some image")
        next(p for p in (deployment.data_folder / "blobs").rglob("*") if p.is_file()).unlink()
        status, answer = await deployment.get(f"/v2/images/{image_id}/file")
        assert status == 500
        assert "its bytes are gone" in answer["error"]["message"]
