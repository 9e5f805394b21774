"""What a tenant has stored is never taken by a browser for a page of this server."""

import asyncio

import pytest

from image_api import Person, Town
from server import Answer

# What begins as a page is refused; a browser that sniffs finds one further on as well.
PAGE = b"\n\n-->x<p><script>alert(1)</script>".ljust(512)


def is_harmless(answer: Answer) -> bool:
    return (
        answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["content-disposition"] == "attachment"
        and answer.headers["content-security-policy"] == "sandbox"
        and answer.headers["cross-origin-resource-policy"] == "same-origin"
    )


@pytest.mark.parametrize("name", ["disk", 'a"; filename=evil.html', "a\r\nContent-Type: text/html", "ü/../x"])
async def test_every_answer_with_an_images_bytes_is_a_download(erin: Person, name: str) -> None:
    image = await erin.stored(PAGE, name=name)
    path = f"/v2/images/{image['id']}/file"
    etag = (await erin("HEAD", path)).headers["etag"]
    for method, status, headers in (
        ("GET", 200, {}),
        ("HEAD", 200, {}),
        ("GET", 206, {"range": "bytes=0-99"}),
        ("GET", 206, {"range": "bytes=-1"}),
        ("GET", 304, {"if_none_match": etag}),
        ("GET", 412, {"if_match": '"other"'}),
    ):
        answer = await erin(method, path, **headers)
        assert answer.status == status
        assert is_harmless(answer), (method, status)
        assert answer.headers.get("content-type", "application/octet-stream") == "application/octet-stream"


async def test_before_there_are_bytes_the_answer_has_the_same_headers(erin: Person) -> None:
    image = await erin.create(disk_format="raw", container_format="bare")
    answer = await erin("GET", f"/v2/images/{image['id']}/file")
    assert answer.status == 204
    assert is_harmless(answer)


async def test_no_answer_is_sniffed(erin: Person) -> None:
    image = await erin.stored(PAGE, name="<script>")
    for path in (
        "/", "/versions", "/openapi.json", "/healthz", "/v2/images", f"/v2/images/{image['id']}", "/v2/<script>",
        "/nothing", "/identity/v3",
    ):  # fmt: skip
        assert (await erin("GET", path)).headers["x-content-type-options"] == "nosniff", path
    unsatisfiable = await erin("GET", f"/v2/images/{image['id']}/file", range="bytes=900-")
    assert unsatisfiable.status == 416
    assert unsatisfiable.headers["x-content-type-options"] == "nosniff"
    assert unsatisfiable.headers["content-type"].startswith("application/json")


async def test_an_answer_to_what_is_no_http_is_not_sniffed_either(town: Town) -> None:
    host, _, port = town.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"<script>alert(1)</script>\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"X-Content-Type-Options: nosniff" in head
    writer.close()
    await writer.wait_closed()
