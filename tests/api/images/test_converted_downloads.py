"""Downloads of an image in another format, and of the disk inside it."""

import asyncio
import base64
import hashlib
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from examining import examine
from image_api import Person, Town
from packed import packed
from random_disks import MADE_AT, rendered
from stillage.formats.block_map import BlockMap
from stillage.formats.packing.base import Made
from stillage.formats.packing.outputs import Output
from stillage.formats.packing.packers import packer_of
from stillage.formats.safety import format_found
from stillage.formats.views.outputs import OUTPUTS, view_of
from stillage.operations.disks.charts import data_of
from stillage.operations.disks.chunks import take

MIB, GIB = 1 << 20, 1 << 30
SIZE = 5 * MIB + 512
NOISE = random.Random(18).randbytes(150_000)
# Data at both ends, holes between them, two runs in one MiB, and 100 KiB that compress well.
DISK = (b"A" * 512 + NOISE).ljust(600 << 10, b"\0") + b"B" * 512
DISK = DISK.ljust(3 * MIB, b"\0") + b"text " * 20_000
DISK = DISK.ljust(SIZE - 512, b"\0") + b"Z" * 512


def compressed() -> bytes:
    return packed(packer_of(Output("qcow2", compression="zlib"), SIZE, Made(bytes(16))), DISK)


def file_of(image: dict[str, Any], query: str = "") -> str:
    return f"/v2/images/{image['id']}/file{query}"


def query_of(kind: tuple[str, str]) -> str:
    return f"?disk_format={kind[0]}" + (f"&subformat={kind[1]}" if kind[1] else "")


@pytest.mark.parametrize("kind", [kind for kind in OUTPUTS if kind[0] != "raw"], ids="-".join)
async def test_a_raw_image_is_sent_as_every_format(erin: Person, kind: tuple[str, str]) -> None:
    image = await erin.stored(DISK)
    answer = await erin("GET", file_of(image, query_of(kind)))
    assert answer.status == 200, answer.body
    facts = [facts for facts in examine(answer.body, size=len(answer.body)).matched if facts.format == kind[0]]
    assert [(found.virtual_size, found.subformat) for found in facts] == [(SIZE, kind[1])]
    head = await erin("HEAD", file_of(image, query_of(kind)))
    assert (head.status, head.headers["content-length"]) == (200, str(len(answer.body)))
    assert head.headers["etag"] == answer.headers["etag"]
    assert answer.headers["accept-ranges"] == "bytes"
    for first, last in ((0, 0), (70, 70_000), (len(answer.body) - 99_999, len(answer.body) - 1)):
        part = await erin("GET", file_of(image, query_of(kind)), range=f"bytes={first}-{last}")
        assert (part.status, part.body) == (206, answer.body[first : last + 1])
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(answer.body)}"


async def test_the_guests_bytes_are_those_of_the_view(erin: Person) -> None:
    image = await erin.stored(DISK)
    answer = await erin("GET", file_of(image, "?disk_format=vhd&subformat=fixed"))
    assert answer.body[:-512] == DISK


@pytest.mark.parametrize("source", ["raw", "qcow2", "compressed"])
async def test_the_disk_of_an_image_is_sent_raw_whatever_its_format(erin: Person, source: str) -> None:
    image = await erin.stored(SOURCES[source](), disk_format="raw" if source == "raw" else "qcow2")
    path = f"/v2/images/{image['id']}/disk"
    answer = await erin("GET", path)
    assert (answer.status, answer.headers["content-length"]) == (200, str(SIZE))
    assert answer.body == DISK
    same = await erin("GET", file_of(image, "?disk_format=raw"))
    assert same.body == DISK
    dice = random.Random(source)
    for _ in range(10):
        first = dice.randrange(SIZE)
        last = min(SIZE - 1, first + dice.randrange(200_000))
        part = await erin("GET", path, range=f"bytes={first}-{last}")
        assert (part.status, part.body) == (206, DISK[first : last + 1])


async def test_an_image_that_has_the_format_is_sent_as_it_is(erin: Person) -> None:
    data = compressed()
    image = await erin.stored(data, disk_format="qcow2")
    answer = await erin("GET", file_of(image, "?disk_format=qcow2"))
    assert answer.body == data
    assert answer.headers["content-md5"] == hashlib.md5(data).hexdigest()
    assert (await erin("GET", file_of(image))).headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize("source", ["raw", "compressed"])
@pytest.mark.parametrize(("query", "size"), [("vmdk&subformat=streamOptimized", SIZE), ("zvhd2", GIB), ("zvhd", GIB)])
async def test_a_compressed_format_is_sent_in_chunks_while_it_is_made(
    erin: Person, source: str, query: str, size: int
) -> None:
    image = await erin.stored(SOURCES[source](), disk_format="raw" if source == "raw" else "qcow2")
    answer = await erin("GET", file_of(image, f"?disk_format={query}"), range="bytes=0-9")
    assert (answer.status, answer.headers["accept-ranges"]) == (200, "none")
    assert answer.headers["transfer-encoding"] == "chunked"
    assert not {"etag", "content-length", "content-md5"} & answer.headers.keys()
    found = format_found(examine(answer.body, size=len(answer.body)))
    assert (found.format, found.virtual_size) == (query.partition("&")[0], size)
    again = await erin.stored(answer.body, disk_format=found.format)
    assert (await erin("GET", f"/v2/images/{again['id']}/disk", range=f"bytes=0-{SIZE - 1}")).body == DISK
    assert (await erin("HEAD", file_of(image, f"?disk_format={query}"))).status == 200


async def test_a_converted_answer_has_no_checksum_of_the_original(erin: Person) -> None:
    image = await erin.stored(DISK)
    for method in ("GET", "HEAD"):
        answer = await erin(method, file_of(image, "?disk_format=qcow2"))
        assert "content-md5" not in answer.headers
        assert not [value for value in answer.headers.values() if image["checksum"] in value]


async def test_conditions_hold_for_a_converted_answer(erin: Person) -> None:
    image = await erin.stored(DISK)
    path = file_of(image, "?disk_format=qcow2")
    etag = (await erin("HEAD", path)).headers["etag"]
    assert etag == f'"{image["os_hash_value"]}.qcow2.1"'
    other = (await erin("HEAD", file_of(image, "?disk_format=vhd&subformat=fixed"))).headers["etag"]
    assert (await erin("GET", path, if_none_match=etag)).status == 304
    assert (await erin("GET", path, if_match=other)).status == 412
    assert (await erin("GET", path, if_range=etag, range="bytes=0-3")).body == b"QFI\xfb"
    assert (await erin("GET", path, if_range=other, range="bytes=0-3")).status == 200
    size = int((await erin("HEAD", path)).headers["content-length"])
    beyond = await erin("GET", path, range=f"bytes={size}-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{size}")


async def test_a_download_in_parallel_parts_is_the_whole(erin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    # What takes long where a disk is scattered is done once, and not on the loop.
    done = []

    def noticing(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            done.append(threading.current_thread() is threading.main_thread())
            return work(*args)

        return run

    monkeypatch.setattr("stillage.operations.disks.charts.data_of", noticing(data_of))
    monkeypatch.setattr("stillage.operations.disks.charts.view_of", noticing(view_of))
    image = await erin.stored(compressed(), disk_format="qcow2")
    path = file_of(image, "?disk_format=vdi")
    whole = (await erin("GET", path)).body
    step = -(-len(whole) // 8)
    parts = await asyncio.gather(
        *(erin("GET", path, range=f"bytes={at}-{at + step - 1}") for at in range(0, len(whole), step))
    )
    assert b"".join(part.body for part in parts) == whole
    assert done == [False, False]


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("disk_format=tape", 400, "unknown disk_format 'tape'"),
        ("disk_format=vhd&subformat=thin", 400, "unknown subformat 'thin' of vhd; use one of 'dynamic', 'fixed'"),
        ("disk_format=raw&subformat=flat", 400, "unknown subformat 'flat' of raw; it has none"),
        ("subformat=fixed", 400, "subformat and compression need disk_format"),
        ("disk_format=vhd&disk_format=raw", 400, "disk_format is given twice"),
        ("disk_format=ploop", 406, "told by another file; ask for raw; available are raw, qcow2"),
        ("disk_format=qcow2&compression=zstd", 406, "run `stillage convert IN OUT.qcow2 --compress zstd`"),
        ("disk_format=iso", 406, "an ISO image is a file system on a medium"),
        ("disk_format=aki", 406, "the Amazon formats say what is on a disk"),
        ("disk_format=qcow2&compression=lzma", 400, "unknown compression 'lzma' of qcow2; use one of zlib, zstd"),
        ("disk_format=vhd&compression=zlib", 400, "the format determines it"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_with_the_reason(
    erin: Person, query: str, status: int, says: str
) -> None:
    image = await erin.stored()
    answer = await erin("GET", file_of(image, f"?{query}"))
    assert (answer.status, says in answer.message) == (status, True), answer.message


async def test_what_has_no_disk_is_refused_with_the_reason(erin: Person) -> None:
    queued = await erin.create(disk_format="raw", container_format="bare")
    package = await erin.stored(b"x" * 512, disk_format="raw", container_format="ova")
    for image, says in ((queued, "no data yet"), (package, "it is a package (ova)")):
        for path in (file_of(image, "?disk_format=vhd"), f"/v2/images/{image['id']}/disk"):
            answer = await erin("GET", path)
            assert (answer.status, says in answer.message) == (409, True), answer.message


async def test_a_disk_that_the_format_cannot_hold_is_refused_before_the_first_byte(erin: Person) -> None:
    size = 3 << 40
    image = await erin.stored(
        packed(packer_of(Output("qcow2", compression="zlib"), size, Made(bytes(16))), b""), disk_format="qcow2"
    )
    answer = await erin("GET", file_of(image, "?disk_format=vhd"))
    assert (answer.status, answer.json["error"]["stillage_code"]) == (409, "disk_does_not_fit")
    assert "holds at most 2190433320960 bytes, and this disk has 3298534883328" in answer.message
    assert (await erin("HEAD", f"/v2/images/{image['id']}/disk")).headers["content-length"] == str(size)


async def test_the_same_people_may_read_the_disk_as_may_download_the_image(
    town: Town, erin: Person, rita: Person, olga: Person, ada: Person
) -> None:
    image = await erin.stored(DISK)
    paths = f"/v2/images/{image['id']}/disk", file_of(image, "?disk_format=vhd"), file_of(image)

    async def statuses(person: Person) -> set[int]:
        return {(await person("HEAD", path)).status for path in paths}

    assert [await statuses(person) for person in (erin, rita, olga)] == [{200}, {403}, {404}]
    await erin.share(image["id"], "works")
    assert await statuses(olga) == {200}
    assert (await ada("POST", f"/v2/images/{image['id']}/actions/deactivate")).status == 204
    assert [await statuses(person) for person in (erin, ada)] == [{403}, {200}]
    assert {(await nobody(town)("HEAD", path)).status for path in paths} == {401}


async def test_a_token_may_be_the_password_where_a_disk_is_read(town: Town, erin: Person) -> None:
    image = await erin.stored(DISK)
    for path, status in ((f"/v2/images/{image['id']}/disk", 200), (file_of(image), 200), ("/v2/images", 401)):
        for password, right in ((erin.token, True), ("wrong", False)):
            basic = "Basic " + base64.b64encode(f"token:{password}".encode()).decode()
            answer = await nobody(town)("GET", path, authorization=basic)
            assert answer.status == (status if right else 401)
    assert (await nobody(town)("GET", file_of(image), authorization="Basic !")).status == 401


async def test_too_many_conversions_at_once_are_refused(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(convert_slots=1) as town:
        erin = town.person()
        image = await erin.stored(compressed(), disk_format="qcow2")
        path = f"/v2/images/{image['id']}/disk"
        waiting, go_on = threading.Event(), threading.Event()

        def slow(chunks: Any) -> Any:
            waiting.set()
            go_on.wait()
            return take(chunks)

        monkeypatch.setattr("stillage.operations.disks.view.take", slow)
        first = asyncio.create_task(erin("GET", path))
        try:
            await asyncio.to_thread(waiting.wait)
            second = await erin("GET", path)
            assert (second.status, second.json["error"]["stillage_code"]) == (503, "too_many_conversions")
            assert int(second.headers["retry-after"]) > 0
            assert (await erin("HEAD", path)).status == 200
        finally:
            go_on.set()
        assert (await first).body == DISK
        assert (await erin("GET", path)).status == 200


def nobody(town: Town) -> Person:
    """Somebody without a token."""
    return Person(town.session, "", "")


def plain() -> bytes:
    image = view_of("qcow2", "", SIZE, BlockMap(SIZE, [(0, SIZE)]), b"", MADE_AT)
    return rendered(image, lambda first, length: DISK[first : first + length])


SOURCES: Mapping[str, Callable[[], bytes]] = {"raw": lambda: DISK, "qcow2": plain, "compressed": compressed}
