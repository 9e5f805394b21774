"""`GET /v2/status`: how the deployment is."""

from typing import Any

from aiohttp import ClientSession

from asking import headers_of

RAW = {"disk_format": "raw", "container_format": "bare"}


async def test_the_status_says_what_is_stored_and_what_runs(api: ClientSession) -> None:
    headers = await headers_of(api, "root")
    async with api.post("/v2/images", json=RAW, headers=headers) as response:
        image_id = (await response.json())["id"]
    octets = headers | {"Content-Type": "application/octet-stream"}
    async with api.put(f"/v2/images/{image_id}/file", data=b"x" * 512, headers=octets) as response:
        assert response.status == 204
    async with api.get("/v2/status", headers=headers) as response:
        status: dict[str, Any] = await response.json()
    [store] = status["stores"]
    free = store.pop("free_bytes")
    assert free > 0
    assert store == {
        "id": "files", "type": "file", "default": True, "read_only": False, "blobs": 1, "used_bytes": 512,
        "damaged_blobs": 0, "problem": None,
    }  # fmt: skip
    assert (status["version"], status["damaged_images"], status["uploads"], status["inspections"]) == ("0.1.0", 0, 0, 0)
    assert status["jobs"] == {"waiting": 0, "running": 0}
    assert (status["scrub"]["blobs"], status["scrub"]["scrubbed"], status["scrub"]["node"]) == (1, 1, None)
    [node] = status["nodes"]
    assert (node["id"], node["processes"], node["versions"], node["leases"]) == ("test", 1, ["0.1.0"], 0)
    assert len(status["requests_by_minute"]) == 60
    assert sum(status["requests_by_minute"]) == status["requests_by_minute"][-1] >= 3
