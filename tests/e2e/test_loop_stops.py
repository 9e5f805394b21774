"""Whatever a stranger or a client sends, the event loop goes on for everybody else."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from probed_server import ProbedServer
from rude import Rude, request
from running import TIMEOUT_S

LONGEST_STOP_S = 0.020
"""Of CPU time, or as long as reading `YARDSTICK` takes: about the same, and on a slow machine as much longer."""
YARDSTICK = "[{}]".format(",".join(['{"a":1}'] * 90_000))
KIB = 1 << 10
JSON = 1 << 20
"""Bytes of the largest body of JSON."""
LOGIN = "/identity/v3/auth/tokens"
IMAGES = "/v2/images"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
PATCH = "application/openstack-images-v2.1-json-patch"


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProbedServer]:
    made = ProbedServer(tmp_path_factory.mktemp("home"))
    made.start()
    yield made
    made.close()


def filled(pattern: str, size: int, *, inside: str = "[%s]") -> bytes:
    """*pattern* again and again, with commas between, of *size* bytes at the most; ``#`` counts."""
    room, parts = size - len(inside), list[str]()
    while room > 0:
        part = pattern.replace("#", str(len(parts)))
        parts.append(part)
        room -= len(part) + 1
    return (inside % ",".join(parts[:-1])).encode()


OBJECT = "{%s}"
DOCUMENTS: dict[str, Callable[[int], bytes]] = {
    "members of one name": lambda size: filled('"a":1', size, inside=OBJECT),
    "members and one of them twice": lambda size: filled('"#":1', size - 9, inside='{"z":1,%s,"z":1}'),
    "many members": lambda size: filled('"#":1', size, inside=OBJECT),
    "many properties": lambda size: filled('"p#":""', size, inside=OBJECT),
    "empty objects": lambda size: filled("{}", size),
    "small objects": lambda size: filled('{"a":1}', size),
    "empty lists": lambda size: filled("[]", size),
    "numbers": lambda size: filled("1", size),
    "numbers like 1e999999": lambda size: filled("1e999999", size),
    "long floats": lambda size: filled(f"0.{'7' * 4000}e-9", size),
    "one long float": lambda size: b"[0." + b"7" * (size - 5) + b"]",
    "one long integer": lambda size: b"[" + b"7" * (size - 2) + b"]",
    "long integers": lambda size: filled("7" * 4290, size),
    "depth": lambda size: b"[" * size,
    "depth of objects": lambda size: b'{"a":' * (size // 5),
    "closed depth": lambda size: b"[" * 900 + b"]" * 900 + b" " * (size - 1800),
    "escapes": lambda size: b'["' + rb"\u0041" * ((size - 4) // 6) + b'"]',
    "halves of surrogate pairs": lambda size: b'{"name":"' + rb"\ud800" * ((size - 11) // 6) + b'"}',
    "one long string": lambda size: b'{"name":"' + b"a" * (size - 11) + b'"}',
    "a long string of a few bytes each": lambda size: b'{"name":"' + "é".encode() * ((size - 11) // 2) + b'"}',
    "tags": lambda size: filled('"#"', size, inside='{"tags":[%s]}'),
    "empty tags": lambda size: filled('""', size, inside='{"tags":[%s]}'),
    "long properties": lambda size: filled(f'"p#":"{"ö" * 16000}"', size, inside=OBJECT),
    "one property of many names": lambda size: filled('"p":"x"', size, inside=OBJECT),
    "a long name of a property": lambda size: b'{"' + b"n" * (size - 6) + b'":1}',
    "no JSON": lambda size: b"a" * size,
    "no UTF-8": lambda size: b'"' + b"\xff" * (size - 2) + b'"',
    "blanks": lambda size: b" " * size,
}
PATCHES: dict[str, Callable[[int], bytes]] = {
    "operations": lambda size: filled('{"op":"add","path":"/p#","value":"x"}', size),
    "as many operations as may be": lambda _: json.dumps(
        [{"op": "add", "path": f"/p{n}", "value": "x"} for n in range(1000)]
    ).encode(),
    "operations on tags": lambda size: filled(
        json.dumps({"op": "add", "path": "/tags", "value": [str(n) for n in range(250)]}), size
    ),
    "long pointers": lambda size: filled(f'{{"op":"add","path":"/{"~1" * 4000}","value":"x"}}', size),
    "one long pointer": lambda size: b'[{"op":"add","path":"' + b"/a" * ((size - 40) // 2) + b'","value":""}]',
    "many tildes": lambda size: b'[{"op":"add","path":"/' + b"~0" * ((size - 40) // 2) + b'","value":""}]',
    "large values": lambda size: filled(f'{{"op":"add","path":"/p#","value":"{"v" * 60000}"}}', size),
}
LINE = 15 * KIB
QUERIES = {
    "parameters": "&".join(["a=b"] * (LINE // 4)),
    "filters": "&".join(f"p{n}=v" for n in range(256)),
    "names that begin alike": "&".join(["name=x"] * 256),
    "in": "id=in:" + "," * LINE,
    "in of many": "id=in:" + ",".join(map(str, range(3000))),
    "in of quotes": 'id=in:"' + "%5C%22" * (LINE // 6) + '"',
    "in of many quotes": "name=in:" + ",".join(['"a"'] * (LINE // 4)),
    "sort": "sort=" + ",".join(["name:asc"] * (LINE // 9)),
    "sort keys": "&".join(["sort_key=name"] * (LINE // 14)),
    "tags": "&".join(f"tag={n}" for n in range(256)),
    "escapes": "name=" + "%41" * (LINE // 3),
    "digits": "size=" + "9" * LINE,
    "limit": "limit=" + "9" * LINE,
    "times": "&".join(["created_at=gte:2026-01-01"] * 256),
}
FIELD = 30 * KIB
HEADERS = {
    "Repr-Digest": "a" * FIELD,
    "Content-Digest": "sha-256=:" + "a" * FIELD,
    "Content-MD5": "a" * FIELD,
    "Content-Range": "bytes " + " " * FIELD + "x",
    "Range": "bytes=" + "1-2," * (FIELD // 4),
    "If-None-Match": '"a",' * (FIELD // 4),
    "Upload-Metadata": "a b," * (FIELD // 4),
    "Upload-Checksum": "sha256 " + "a" * FIELD,
    "Upload-Complete": "?1" + ";a=1" * (FIELD // 4) + ",",
    "Upload-Offset": "1" + " " * FIELD + ";",
    "Upload-Length": "1;" + " " * FIELD + "1",
    "X-Image-Meta-Disk-Format": "a" * FIELD,
    "Content-Type": "a;" * (FIELD // 2),
    "Authorization": "SDK-HMAC-SHA256 " + "a=b," * (FIELD // 4),
    "X-Auth-Token": "a" * FIELD,
    "Forwarded": "for=1," * (FIELD // 6),
    "Cookie": "a=b;" * (FIELD // 4),
    "X-Sdk-Date": "1" * FIELD,
    "Accept": "a/b," * (FIELD // 4),
    "Expect": "a" * FIELD,
}


def requires_no_long_stop(probed: ProbedServer, *heads_and_bodies: bytes) -> None:
    """Send each on a connection."""
    for sent in heads_and_bodies:
        requires_a_short_stop(partial(longest_stop_s, probed, sent))


def requires_a_short_stop(longest_s: Callable[[], float]) -> None:
    """Measure, again up to twice: what a collection of garbage costs is not the input's."""
    stops_s: list[float] = []
    while len(stops_s) < 3:
        stops_s.append(longest_s())
        if stops_s[-1] <= LONGEST_STOP_S or stops_s[-1] <= yardstick_s():
            return
    pytest.fail(f"the loop stood still for {stops_s} seconds of CPU time; the yardstick is {yardstick_s()}")


def yardstick_s() -> float:
    """Return the least CPU time that this machine needs to read `YARDSTICK`."""
    times_s = []
    for _ in range(5):
        begun_s = time.thread_time()
        json.loads(YARDSTICK)
        times_s.append(time.thread_time() - begun_s)
    return min(times_s)


def longest_stop_s(probed: ProbedServer, sent: bytes) -> float:
    probed.longest_stop_s()
    with Rude(probed) as client:
        client.send_as_far_as_taken(sent)
        client.answer()
    return probed.longest_stop_s()


def body(method: str, path: str, content: bytes, **headers: str) -> bytes:
    return request(method, path, content_length=str(len(content)), **headers) + content


@pytest.mark.parametrize("content", DOCUMENTS.values(), ids=DOCUMENTS)
@pytest.mark.parametrize("size", [64 * KIB, JSON], ids=["64K", "1M"])
def test_a_body_of_json(probed: ProbedServer, content: Callable[[int], bytes], size: int) -> None:
    if size == 64 * KIB:
        sent = body("POST", LOGIN, content(size))
    else:
        sent = body("POST", IMAGES, content(size), x_auth_token=probed.token())
    requires_no_long_stop(probed, sent)


@pytest.mark.parametrize("content", PATCHES.values(), ids=PATCHES)
def test_a_patch(probed: ProbedServer, content: Callable[[int], bytes]) -> None:
    image = f"{IMAGES}/{probed.create()}"
    sent = body("PATCH", image, content(JSON), content_type=PATCH, x_auth_token=probed.token())
    requires_no_long_stop(probed, sent)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_list_with_a_query(probed: ProbedServer, query: str) -> None:
    requires_no_long_stop(probed, request("GET", f"{IMAGES}?{query}", x_auth_token=probed.token()))


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize(
    "line",
    ["PUT /v2/images/{id}/file", "GET /v2/images/{id}/file", "POST /v2/images/{id}/uploads", "POST /v2/images/inspect"],
)
def test_a_header(probed: ProbedServer, name: str, line: str) -> None:
    method, path = line.replace("{id}", probed.create()).split(" ")
    sent = {"Content-Type": "application/octet-stream", "X-Auth-Token": probed.token(), "Content-Length": "0"}
    lines = [f"{known}: {value}" for known, value in {**sent, name: HEADERS[name]}.items()]
    requires_no_long_stop(probed, request(method, path, *lines), request(method, path, *lines, "Tus-Resumable: 1.0.0"))


@pytest.mark.parametrize(
    "path", ["/" * LINE, "/v2/images" + "/a" * (LINE // 2), "/" + "%2F" * (LINE // 3), "/" + "a" * LINE]
)
def test_a_path(probed: ProbedServer, path: str) -> None:
    requires_no_long_stop(probed, request("GET", path))


@pytest.mark.parametrize(("count", "properties"), [(8, {"a": "\x01" * 60000, "b": "\x01" * 60000}), (700, {"a": "x"})])
def test_a_list_as_large_as_it_can_be(probed: ProbedServer, count: int, properties: dict[str, str]) -> None:
    for _ in range(count):
        probed.create(name="listed" if count > 8 else "large", **properties)
    query = f"limit=1000&name={'listed' if count > 8 else 'large'}"
    requires_no_long_stop(probed, request("GET", f"{IMAGES}?{query}", x_auth_token=probed.token()))


def test_a_piece_that_comes_byte_by_byte(probed: ProbedServer) -> None:
    chunks = b"1\r\nx\r\n" * (64 << 10) + b"0\r\n\r\n"
    place = f"Content-Range: bytes 0-{(64 << 10) - 1}/{4 << 20}"

    def stop_s() -> float:
        upload = probed.api("POST", f"{IMAGES}/{probed.create()}/uploads", {"size": 4 << 20}).json["url"]
        head = request("PUT", upload, place, content_type="application/octet-stream", transfer_encoding="chunked")
        return longest_stop_s(probed, head + chunks)

    requires_a_short_stop(stop_s)


def test_a_piece_that_differs_at_its_end(probed: ProbedServer) -> None:
    image = probed.create()
    upload = probed.api("POST", f"{IMAGES}/{image}/uploads", {"size": 2 << 20}).json["url"]
    data = bytes(range(256)) * 4096
    sent = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes 0-{len(data) - 1}/{2 << 20}"}
    assert probed.call("PUT", upload, data, headers=sent).status == 202
    lines = [f"{name}: {value}" for name, value in {**sent, "Content-Length": str(len(data))}.items()]
    requires_no_long_stop(probed, request("PUT", upload, *lines) + data[:-1] + b"?")


def test_many_requests_at_once(probed: ProbedServer) -> None:
    def stop_s() -> float:
        probed.longest_stop_s()
        with Rude(probed) as client:
            client.send_as_far_as_taken(
                b"GET / HTTP/1.1\r\nHost:a\r\n\r\n" * 10_000 + request("GET", "/", connection="close")
            )
            client.rest()
        return probed.longest_stop_s()

    requires_a_short_stop(stop_s)


def test_a_body_of_tiny_chunks(probed: ProbedServer) -> None:
    head = request("POST", LOGIN, transfer_encoding="chunked")
    requires_no_long_stop(probed, head + b"1\r\n[\r\n" * (64 << 10) + b"0\r\n\r\n")


SIGNATURE = "SDK-HMAC-SHA256 Access=K, SignedHeaders=%s, Signature=" + "0" * 64
SIGNED = {
    "a long query": ("?" + "&".join(f"b{n % 7}=%41+" for n in range(LINE // 9)), ["host", "x-sdk-date"], []),
    "a long path": ("/" + "%41" * (LINE // 3), ["host", "x-sdk-date"], []),
    "many headers": (
        "", ["host", "x-sdk-date", *(f"a{n}" for n in range(90))], [f"a{n}: {'x' * 300}" for n in range(90)]
    ),
    "many names": ("", ["host", "x-sdk-date"] * (FIELD // 20), []),
}  # fmt: skip


@pytest.mark.parametrize(("target", "names", "lines"), SIGNED.values(), ids=SIGNED)
def test_a_signed_request(probed: ProbedServer, target: str, names: list[str], lines: list[str]) -> None:
    authorization = f"Authorization: {SIGNATURE % ';'.join(names)}"
    head = request("GET", f"{IMAGES}{target}", "X-Sdk-Date: 20260101T000000Z", authorization, *lines)
    requires_no_long_stop(probed, head)


@pytest.mark.parametrize("path", ["/openapi.json", "/v2/schemas/images", "/metrics", "/healthz"])
def test_what_costs_the_server_more_than_the_client(probed: ProbedServer, path: str) -> None:
    requires_no_long_stop(probed, request("GET", path, x_auth_token=probed.token()))


def test_the_document_of_an_upload_in_very_many_ranges(probed: ProbedServer) -> None:
    url = probed.api("POST", f"{IMAGES}/{probed.create()}/uploads", {"size": 1 << 20}).json["url"]
    upload = url.split("/")[-1].partition(".")[0]
    with closing(sqlite3.connect(probed.data_folder / "stillage.db", TIMEOUT_S)) as database, database:
        rows = [(upload, 2 * n + 1, 2 * n + 2) for n in range(4096)]
        database.executemany('INSERT INTO upload_spans (upload_id, first, "end") VALUES (?, ?, ?)', rows)
    requires_no_long_stop(probed, request("GET", url))
    assert len(probed.call("GET", url).json["ranges"]) == 4096


@contextmanager
def writing(database: Path) -> Iterator[None]:
    """Change every record again and again."""
    over = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, TIMEOUT_S)) as connection:
            while not over.is_set():
                with connection:
                    connection.execute("UPDATE images SET version = version + 1 WHERE name IS NOT 'many'")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def forget_pages(path: Path) -> None:
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def test_records_of_a_cold_file_beside_a_writer(probed: ProbedServer) -> None:
    images, path = [probed.create() for _ in range(50)], probed.data_folder / "stillage.db"
    with writing(path):
        for image in images:
            forget_pages(path)
            requires_no_long_stop(probed, request("GET", f"{IMAGES}/{image}", x_auth_token=probed.token()))


LISTS = ("", "&name=many", "&marker={}", "&sort=id:asc", "&sort=size:asc,name:desc", "&status=queued", "&os=linux")


def test_lists_of_a_cold_file_beside_a_writer(probed: ProbedServer) -> None:
    image, path = probed.create(name="many", os="linux"), probed.data_folder / "stillage.db"
    with closing(sqlite3.connect(path, TIMEOUT_S)) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(images)") if row[1] != "id"]
        more = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000)"
        columns = ", ".join(names)
        copies = f"{more} SELECT hex(randomblob(18)), {columns} FROM images, n WHERE id = ?"
        database.execute(f"INSERT INTO images (id, {columns}) {copies}", [image])
    with writing(path):
        for wanted in LISTS * 3:
            forget_pages(path)
            query = wanted.format(image)
            requires_no_long_stop(probed, request("GET", f"{IMAGES}?limit=25{query}", x_auth_token=probed.token()))
