"""The log has one line for each request; an upload is its beginning and its end, and the audit is apart."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from image_api import Person
from protocols import DATA, Pieces, queued

SIZE = len(DATA)
NO_IMAGE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"


def shown(lines: Sequence[EventDict]) -> list[str]:
    """What the log tells unless its level is debug, in order."""
    return [line["event"] for line in lines if line["log_level"] != "debug"]


async def logged(lines: Sequence[EventDict], requests: int) -> list[str]:
    """Wait until so many requests are logged, because lines follow their answers; return what is shown."""
    async with asyncio.timeout(60):
        while sum(line["event"] == "request" for line in lines) < requests:  # noqa: ASYNC110 - a list wakes nobody
            await asyncio.sleep(0.01)
    return shown(lines)


async def test_each_request_is_one_line(erin: Person) -> None:
    with capture_logs() as lines:
        image = await erin.create(disk_format="raw", container_format="bare", visibility="shared")
        await erin.set(image["id"], name="other")
        await erin.share(image["id"], "works")
        await erin("GET", "/v2/images")
        await erin("GET", f"/v2/images/{NO_IMAGE}")
        await erin("DELETE", f"/v2/images/{image['id']}")
        assert await logged(lines, 6) == ["request"] * 6


async def test_an_upload_in_one_request_has_a_beginning_and_an_end(erin: Person) -> None:
    image_id = await queued(erin)
    with capture_logs() as lines:
        await erin.upload(image_id, DATA)
        assert await logged(lines, 1) == ["upload begins", "upload done", "request"]


@pytest.mark.parametrize("pieces", [2, 8])
async def test_pieces_of_an_upload_are_not_logged_each(erin: Person, pieces: int) -> None:
    image_id = await queued(erin)
    step = SIZE // pieces
    with capture_logs() as lines:
        path = await Pieces().open(erin, image_id, SIZE)
        for first in range(0, SIZE, step):
            assert (await Pieces().send(erin, path, first, DATA[first : first + step], size=SIZE)).status < 300
        assert await logged(lines, 1 + pieces) == ["resumable upload opened", "request", "upload done"]


async def test_a_piece_that_is_refused_is_logged(erin: Person) -> None:
    path = await Pieces().open(erin, await queued(erin), SIZE)
    with capture_logs() as lines:
        answer = await erin("PUT", path, DATA, content_range=f"bytes 0-{SIZE - 1}/{SIZE + 1}")
        assert answer.status >= 400
        assert await logged(lines, 1) == ["request"]


@pytest.mark.parametrize(("audit_events", "is_apart"), [(100, True), (0, False)])
async def test_the_audit_is_apart_unless_the_log_is_all_there_is(
    serve: Callable[..., Any], audit_events: int, is_apart: bool
) -> None:
    async with serve(audit_events=audit_events) as town:
        with capture_logs() as lines:
            await town.person().create()
            assert ("audit" in await logged(lines, 1)) is not is_apart
