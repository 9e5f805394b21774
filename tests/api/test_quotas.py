"""The quotas of a project for images, bytes and uploads that run at once, and what it has in use."""

import pytest

from deployments import KIB, MIB, Deploy, refused_unread
from stillage.operations.upload import acceptance, ingest, reception


async def test_bytes_beyond_the_quota_are_refused_before_the_first(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=10 * KIB) as deployment:
        await deployment.stored(bytes(6 * KIB))
        await refused_unread(deployment, 4 * KIB + 1, 413, "may have 10240 bytes; 6144 are in use and 4097 more")
        await deployment.stored(bytes(4 * KIB))
        await deployment.stored(bytes(10 * KIB), project="another")


async def test_a_record_beyond_the_quota_is_refused(deploy: Deploy) -> None:
    async with deploy(max_project_images=2) as deployment:
        first = await deployment.created()
        await deployment.created()
        status, answer = await deployment.create()
        assert status == 413
        assert "may have 2 images; 2 are in use" in answer["error"]["message"]
        async with deployment.session.delete(f"/v2/images/{first}", headers={"X-Auth-Token": "lab"}) as deleted:
            assert deleted.status == 204
        await deployment.created()


async def test_the_quota_of_an_upload_of_unknown_size_grows_with_it_and_ends_it(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (ingest, reception):
        monkeypatch.setattr(module, "STEP", 64 * KIB)
    async with deploy(max_project_bytes=256 * KIB) as deployment:
        await deployment.stored(bytes(100 * KIB))
        image_id = await deployment.created()
        async with deployment.uploading(image_id, None) as upload:
            await upload.send(bytes(130 * KIB), last=False)
            answer = await upload.answer()
        assert answer.status == 413
        assert "may have 262144 bytes; 233472 are in use and 65536 more" in answer.body
        await deployment.worker.services.ingest.close()
        _, image = await deployment.get(f"/v2/images/{image_id}")
        assert image["status"] == "queued"
        assert "are in use" in image["os_stillage_reason"]
        assert await deployment.usage() == {
            "size_total": (0, 1),  # 256 KiB in whole MiB, and 100 KiB
            "count_total": (-1, 2),
            "count_uploading": (-1, 0),
            "stage_total": (-1, 0),
        }
        async with deployment.uploading(image_id, None) as upload:
            await upload.send(bytes(128 * KIB))
            assert (await upload.answer()).status == 204
        await deployment.stored(bytes(28 * KIB))


async def test_an_upload_of_unknown_size_needs_room_for_its_first_step(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=acceptance.STEP - 1) as deployment:
        await refused_unread(deployment, None, 413, f"{acceptance.STEP} more are asked for")


@pytest.mark.parametrize(
    ("limit", "whose", "others"), [("max_project_uploads", "project", True), ("max_node_uploads", "node", False)]
)
async def test_no_more_uploads_than_may_run_at_once(deploy: Deploy, limit: str, whose: str, others: bool) -> None:
    async with deploy(**{limit: 1}) as deployment:
        image_id = await deployment.created()
        async with deployment.uploading(image_id, 5) as running:
            await running.begun()
            answer = await refused_unread(deployment, 5, 429, f"this {whose} already has 1 upload running")
            assert int(answer.headers["retry-after"]) > 0
            assert (await deployment.usage())["count_uploading"][1] == 1
            if others:
                await deployment.stored(b"theirs", project="another")
            running.writer.write(b"image")
            assert (await running.answer()).status == 204
        await deployment.stored(b"image")


async def test_usage_is_what_is_in_use(deploy: Deploy) -> None:
    async with deploy(max_project_bytes=100 * MIB, max_project_images=7, max_project_uploads=3) as deployment:
        await deployment.stored(bytes(3 * MIB + 1))
        image_id = await deployment.created()
        async with deployment.uploading(image_id, 20 * MIB) as upload:
            await upload.begun()
            expected = {
                "size_total": (100, 24),
                "count_total": (7, 2),
                "count_uploading": (3, 1),
                "stage_total": (-1, 0),
            }
            assert await deployment.usage() == expected
            assert (await deployment.usage("another"))["size_total"] == (100, 0)


async def test_without_limits_usage_says_so(deploy: Deploy) -> None:
    async with deploy() as deployment:
        await deployment.stored(b"image")
        assert (await deployment.usage())["size_total"] == (-1, 1)
