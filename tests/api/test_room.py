"""Uploads for which the disk has no room left."""

import pytest
from structlog.testing import capture_logs

from deployments import KIB, MIB, Deploy, refused_unread
from stillage.operations.upload import reception
from stillage.stores.abilities import Measures


@pytest.mark.parametrize("size", [5, None], ids=["length", "chunked"])
async def test_an_upload_that_has_no_room_is_refused_before_its_first_byte(deploy: Deploy, size: int | None) -> None:
    async with deploy(spare_bytes=1 << 60) as deployment:
        named = "for this image of 5 bytes;" if size else "left;"
        await refused_unread(deployment, size, 413, f"the store has no room {named} ask the operator")


async def test_a_larger_image_than_what_is_free_is_refused_before_its_first_byte(deploy: Deploy) -> None:
    async with deploy() as deployment:
        store = deployment.worker.services.stores.default.store
        assert isinstance(store, Measures)
        free = await store.free_bytes()
        size = min(1 << 40, free + (1 << 36))
        with capture_logs() as lines:
            await refused_unread(deployment, size, 413, f"no room for this image of {size} bytes; ask the operator")
        (line,) = [line for line in lines if line["event"] == "the store has no room"]
        assert line["free_bytes"] > 0, "what tenants are not told, the operator is"


@pytest.mark.parametrize("size", [200 * KIB, None], ids=["length", "chunked"])
async def test_an_upload_leaves_the_spare_room_also_when_others_took_the_rest_meanwhile(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(reception, "LOOK_AFTER", 64 * KIB)
    async with deploy(spare_bytes=MIB) as deployment:
        image_id = await deployment.created()
        async with deployment.uploading(image_id, size) as upload:
            await upload.begun()

            async def little() -> int:
                return MIB - 1

            monkeypatch.setattr(deployment.worker.services.stores.default.store, "free_bytes", little)
            data = bytes(130 * KIB)
            upload.writer.write(data if size else b"%x\r\n%b\r\n" % (len(data), data))
            answer = await upload.answer()
        assert answer.status == 413
        assert "the store has no room left; ask the operator" in answer.body
        await deployment.worker.services.ingest.close()
        _, image = await deployment.get(f"/v2/images/{image_id}")
        assert image["status"] == "queued"
        assert "no room left" in image["os_stillage_reason"]
        assert (await deployment.usage())["size_total"] == (-1, 0)
