"""Wait for jobs as Huawei-style clients do."""

import asyncio
from typing import Any

from image_api import Person
from server import Answer


async def ended(person: Person, answer: Answer) -> dict[str, Any]:
    """Return the job of *answer* when it has ended."""
    assert answer.status == 200, answer.body
    path = f"/v1/{person.project}/jobs/{answer.json['job_id']}"
    async with asyncio.timeout(60):
        while True:
            job: dict[str, Any] = (await person("GET", path)).json
            if job["status"] in ("SUCCESS", "FAIL"):
                return job
            assert job["status"] in ("INIT", "RUNNING")
            assert job["end_time"] == ""
            await asyncio.sleep(0.02)


async def listed(person: Person, image_id: str) -> list[dict[str, Any]]:
    answer = await person("GET", f"/v2/cloudimages?id={image_id}")
    images: list[dict[str, Any]] = answer.json["images"]
    return images
