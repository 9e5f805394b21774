"""`stillage upload` against services that fail in every way, and against a Glance that knows nothing of resuming."""

import hashlib
import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from clients import Shells
from image_service import PASSWORD, Handler, ImageService, answers, breaks_after, loses_the_answer
from sending import Person, ended
from server import MIB, eventually

DATA = random.Random(11).randbytes(9 * MIB + 4321)
PIECES = ("--piece-size", "1MiB")


@pytest.fixture
def service() -> Iterator[ImageService]:
    with ImageService(resumable=True).running() as running:
        yield running


@pytest.fixture
def glance() -> Iterator[ImageService]:
    with ImageService(resumable=False).running() as running:
        yield running


def at(service: ImageService, folder: Path, shells: Shells, data: bytes = DATA) -> Person:
    (folder / "clouds.yaml").write_text(json.dumps({"clouds": {"lab": service.cloud}}))
    (folder / "disk.raw").write_bytes(data)
    return Person(folder, shells)


def test_pieces_go_over_several_connections_and_nothing_goes_twice(
    service: ImageService, tmp_path: Path, shells: Shells
) -> None:
    done = at(service, tmp_path, shells).upload("disk.raw", *PIECES)
    view = done.views[0]
    assert (done.status, view["way"], view["sent"], view["resumed"]) == (0, "pieces", len(DATA), 0)
    assert bytes(service.only().data) == DATA
    assert service.received == len(DATA)
    assert sum("PUT" in said for said in service.asked) == 10


def test_zeros_and_holes_are_not_sent(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    data = DATA[: 2 * MIB] + bytes(5 * MIB) + DATA[2 * MIB : 4 * MIB]
    person = at(service, tmp_path, shells, data)
    with (tmp_path / "disk.raw").open("r+b") as file:
        file.truncate(24 * MIB)
    done = person.upload("disk.raw")
    assert (done.status, done.views[0]["sent"], done.views[0]["zeros"]) == (0, 4 * MIB, 20 * MIB)
    assert bytes(service.only().data) == data + bytes(15 * MIB)
    assert person.upload("disk.raw", "--no-inspect", "--disk-format", "raw").views[0]["zeros"] == 15 * MIB


@pytest.mark.parametrize(
    "fault",
    [
        answers(503, Retry_After="0"),
        answers(429, Retry_After="1"),
        answers(408),
        answers(500),
        answers(409),
        breaks_after(1),
        breaks_after(MIB // 2),
        loses_the_answer,
    ],
    ids=["503", "429", "408", "500", "409", "at once", "half-way", "answer lost"],
)
def test_a_piece_that_fails_goes_again(service: ImageService, tmp_path: Path, shells: Shells, fault: object) -> None:
    service.faults += [("PUT", fault), ("PUT", fault)]  # type: ignore[list-item]
    done = at(service, tmp_path, shells).upload("disk.raw", *PIECES)
    assert done.status == 0, done
    assert bytes(service.only().data) == DATA


def test_every_answer_may_be_lost(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    person = at(service, tmp_path, shells)
    for words in ("POST /v2/images", "/uploads", "GET", "PUT", "PUT", "GET"):
        service.faults.append((words, loses_the_answer))
    done = person.upload("disk.raw", "--piece-size", "8MiB")
    assert done.status == 0, done
    assert bytes(service.only().data) == DATA


def test_the_answer_to_the_last_piece_may_be_lost(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    service.faults.append(("PUT", loses_the_answer))
    done = at(service, tmp_path, shells).upload("disk.raw", "--piece-size", "16MiB", "--give-up-after", "60")
    assert (done.status, bytes(service.only().data) == DATA) == (0, True), done


def test_a_suspended_upload_is_resumed_with_a_token(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    resumed: list[tuple[str, bool]] = []

    async def take_over(request: web.Request, _handler: Handler) -> web.StreamResponse:
        assert request.headers["Content-Range"] == f"bytes */{len(DATA)}"
        resumed.append((request.path, service._knows(request)))
        kept = service.only()
        kept.upload = f"{kept.upload}.2"
        document = service._document(kept)
        return web.json_response(document, status=202, headers={"Location": service.url + document["url"]})

    person = at(service, tmp_path, shells)
    service.faults += [("PUT", answers(403))]
    assert person.upload("disk.raw", *PIECES).status != 0
    before = service._document(service.only())
    service.faults += [("GET /v2/images/", lambda _request, _handler: _nothing())]  # the record
    service.faults += [("/uploads/", answers(403)), ("PUT", take_over)]
    done = person.upload("disk.raw", *PIECES)
    assert done.status == 0, done
    assert resumed == [(before["url"], True)]
    assert bytes(service.only().data) == DATA


async def _nothing() -> None:
    """Leaves a request as it is."""


def test_an_upload_that_was_completed_by_a_killed_command_is_recognised(
    service: ImageService, tmp_path: Path, shells: Shells
) -> None:
    async def is_still_being_verified(request: web.Request, handler: Handler) -> web.StreamResponse:
        record = service.only().record
        return web.json_response({**record, "status": "saving"})

    person = at(service, tmp_path, shells)
    service.faults += [("PUT", answers(503))] * 99
    assert person.upload("disk.raw", "--give-up-after", "0.1").status == 4
    kept = service.only()
    kept.data[:], kept.have[:] = DATA, b"\1" * len(DATA)
    service._publish(kept)
    service.faults[:] = [("GET /v2/images", is_still_being_verified)]
    done = person.upload("disk.raw", "--give-up-after", "60")
    assert (done.status, done.views[0]["sent"], done.views[0]["resumed"]) == (0, 0, len(DATA)), done


def test_a_token_that_ends_in_between_is_replaced(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    service.faults.append(("POST /v2/images", answers(401)))
    done = at(service, tmp_path, shells).upload("disk.raw")
    assert (done.status, service.tokens) == (0, 2)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_what_was_interrupted_goes_on_where_it_was(
    service: ImageService, tmp_path: Path, shells: Shells, number: signal.Signals
) -> None:
    person = at(service, tmp_path, shells)
    service.faults += [("PUT", lambda *_: _nothing())] * 3 + [("PUT", answers(503, Retry_After="600"))]
    first = person.start("upload", "disk.raw", *PIECES, "--parallel", "1", "--os-cloud", "lab")
    eventually(lambda: not service.faults, "some pieces have come, and the next one waits")
    interrupted = ended(first, number)
    assert interrupted.status == (130 if number is signal.SIGINT else -number)
    if number is signal.SIGINT:
        assert "run the same command again" in interrupted.error
    service.faults.append(("uploads/", answers(503, Retry_After="0")))
    again = person.upload("disk.raw", *PIECES, "--os-cloud", "lab")
    assert again.status == 0, again
    assert bytes(service.only().data) == DATA
    assert person.kept("uploads") == []


def test_the_state_is_for_its_owner_and_holds_no_secret(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    person = at(service, tmp_path, shells)
    service.faults += [("PUT", answers(503))] * 99
    assert person.upload("disk.raw", "--give-up-after", "0.1").status == 4
    files = [path for path in person.state.rglob("*") if path.is_file()]
    assert person.kept("uploads")[0]["image_id"] == service.only().record["id"]
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        assert PASSWORD not in path.read_text()
        assert "token-" not in path.read_text()


def test_a_file_that_was_changed_starts_again_and_says_so(
    service: ImageService, tmp_path: Path, shells: Shells
) -> None:
    person = at(service, tmp_path, shells)
    service.faults += [("PUT", answers(503))] * 99
    assert person.upload("disk.raw", "--give-up-after", "0.1").status == 4
    del service.faults[:]
    (tmp_path / "disk.raw").write_bytes(DATA[::-1])
    done = person.upload("disk.raw")
    assert (done.status, "the file changed since its upload was begun" in done.error) == (0, True)
    assert bytes(service.only().data) == DATA[::-1]


def test_an_upload_that_ended_meanwhile_is_begun_anew(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    person = at(service, tmp_path, shells)
    service.faults += [("PUT", answers(503))] * 99
    assert person.upload("disk.raw", "--give-up-after", "0.1").status == 4
    del service.faults[:]
    kept = service.only()
    kept.upload, kept.record["status"] = None, "queued"
    done = person.upload("disk.raw")
    assert (done.status, "unfinished upload has ended" in done.error, bytes(kept.data) == DATA) == (0, True, True)


def test_an_image_that_vanished_meanwhile_is_made_anew(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    person = at(service, tmp_path, shells)
    service.faults += [("PUT", answers(503))] * 99
    assert person.upload("disk.raw", "--give-up-after", "0.1").status == 4
    del service.faults[:]
    service.images.clear()
    done = person.upload("disk.raw")
    assert (done.status, bytes(service.only().data) == DATA) == (0, True)


def test_what_the_server_refuses_for_good_is_not_tried_again(
    service: ImageService, tmp_path: Path, shells: Shells
) -> None:
    service.faults.append(("PUT", answers(415)))
    person = at(service, tmp_path, shells)
    done = person.upload("disk.raw", "--piece-size", "16MiB")
    assert (done.status, service.images, person.kept("uploads")) == (3, {}, [])
    assert sum("PUT" in said for said in service.asked) == 1


def test_another_image_than_the_file_is_status_5(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    async def lies(request: object, handler: object) -> None:
        service.only().record["os_hash_value"] = hashlib.sha512(b"else").hexdigest()

    service.faults += [("GET /v2/images", lies)]
    done = at(service, tmp_path, shells).upload("disk.raw")
    assert (done.status, "has sha512" in done.views[0]["error"]) == (5, True)


def test_what_the_server_has_is_not_sent(service: ImageService, tmp_path: Path, shells: Shells) -> None:
    service.owned[hashlib.sha256(DATA).hexdigest()] = DATA.hex()
    person = at(service, tmp_path, shells)
    done = person.upload("disk.raw", "--instant")
    assert (done.status, done.views[0]["way"], done.views[0]["sent"]) == (0, "instant", 0)
    service.owned[next(iter(service.owned))] = DATA[::-1].hex()
    done = person.upload("disk.raw", "--instant")
    assert (done.status, done.views[0]["way"], done.views[0]["sent"]) == (0, "pieces", len(DATA))


def test_a_glance_gets_one_body_with_its_size_and_people_are_told(
    glance: ImageService, tmp_path: Path, shells: Shells
) -> None:
    done = at(glance, tmp_path, shells).upload("disk.raw")
    assert (done.status, done.views[0]["way"]) == (0, "plain")
    assert done.error.count("cannot resume") == 1
    assert bytes(glance.only().data) == DATA


@pytest.mark.parametrize(
    "fault", [breaks_after(MIB), loses_the_answer, answers(503)], ids=["half-way", "answer lost", "503"]
)
def test_a_plain_body_that_breaks_goes_again_from_the_start(
    glance: ImageService, tmp_path: Path, shells: Shells, fault: object
) -> None:
    glance.faults.append(("PUT", fault))  # type: ignore[arg-type]
    done = at(glance, tmp_path, shells).upload("disk.raw")
    assert (done.status, bytes(glance.only().data) == DATA) == (0, True), done


def test_a_token_that_ends_before_a_plain_body_sends_all_of_it_again(
    glance: ImageService, tmp_path: Path, shells: Shells
) -> None:
    glance.faults.append(("PUT", answers(401)))
    done = at(glance, tmp_path, shells).upload("disk.raw")
    assert (done.status, bytes(glance.only().data) == DATA) == (0, True)
