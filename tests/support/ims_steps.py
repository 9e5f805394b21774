"""Steps that a document describes: a request, and the status, code and shape of its answer; and who walks through them.

``$name`` in a line or a body stands for a value of the walk: ``$project`` (erin's), ``$works`` (olga's), ``$none`` (the
id of no image), an image of one of `IMAGES`, made when a step names it first, or what a step before has kept.
"""

import json
import re
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from described import Described
from image_api import Person, Town
from ims_jobs import ended
from server import Answer
from shapes import Has, differences
from stillage.api.ims.dialect import IMS

NAME = re.compile(r"\$(\w+)")
OWN = re.compile(r"\$(?:active|queued|tagged|open|pending)")
NONE = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a99"
JSON = "application/json"
MISSING = object()
ERROR = {"error": {"message": re.compile(".+"), "code": re.compile(r"IMG\.[0-9]{4}"), "stillage_code": str}}
JOB_ID = re.compile("[0-9a-f]{32}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JOB: dict[str, Any] = {
    "job_id": JOB_ID,
    "job_type": re.compile("ims[A-Za-z]+Job"),
    "status": re.compile("INIT|RUNNING|SUCCESS|FAIL"),
    "begin_time": MOMENT,
    "end_time": MOMENT,
    "error_code": None | str,
    "fail_reason": None | str,
    "entities": Has(),
}


@dataclass(frozen=True)
class Step:
    """One request and what the document says of its answer.

    Attributes:
        by: Whose token it has; nobody's if it is empty.
        code: Of the error, with *status*.
        shape: Of the JSON, as in `shapes`; None for an answer without a body.
        keep: Names for parts of the answer, by paths such as ``images.0.id``.
        ends: The shape of the job that the answer names, when it has ended.
    """

    line: str
    body: Any = None
    status: int = 200
    code: str | None = None
    shape: Any = None
    by: str = "erin"
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: Mapping[str, str] = field(default_factory=dict)
    ends: Any = None

    def __str__(self) -> str:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body)
        return f"{self.by}: {self.line}" + ("" if self.body is None else f" {body!s:.200}")


@dataclass(frozen=True)
class Operation:
    """An operation, in the steps that show it.

    Attributes:
        line: Such as ``POST /v2/$project/images/$active/tags``, which succeeds with *body*.
        writes: Who may only read may not.
    """

    line: str
    steps: Sequence[Step]
    body: Any = None
    status: int = 200
    writes: bool = False

    def __str__(self) -> str:
        return self.line

    def all_steps(self) -> list[Step]:
        """The steps of the document, and what every operation must refuse."""
        return [*self.steps, *self._closed(), *self._bodies()]

    def _closed(self) -> Iterator[Step]:
        yield Step(self.line, self.body, 401, "IMG.0026", by="")
        if "$project" in self.line:
            for other in ("$works", "nothing"):
                yield Step(self.line.replace("$project", other), self.body, 400, "IMG.0030")
        if self.writes:
            yield Step(self.line, self.body, 403, "IMG.0026", by="rita")

    def _bodies(self) -> Iterator[Step]:
        if self.body is None:
            return
        text = json.dumps(self.body).encode()
        wrong = (b"{", b"\xff", b"7", b"null", b'"text"', b"[" * 100_000, b'{"a": 1, "a": 2}', text + b"x")
        other = b"{}" if isinstance(self.body, list) else b"[]"
        yield Step(self.line, b"", 400, "IMG.0007")
        for octets in (*wrong, other):
            yield Step(self.line, octets, 400, "IMG.0001")


def ended_job(job_type: str, entities: Mapping[str, Any]) -> dict[str, Any]:
    """The shape of a job that has ended well."""
    more = {"job_type": job_type, "status": "SUCCESS", "error_code": None, "fail_reason": None, "entities": entities}
    return {**JOB, **more}


def failed_job(job_type: str, code: str) -> dict[str, Any]:
    """The shape of a job that has failed."""
    text = re.compile(".+")
    more = {"job_type": job_type, "status": "FAIL", "error_code": code, "fail_reason": text}
    return {**JOB, **more, "entities": Has(image_id=str, error_code=code, error=text)}


def refused(line: str, body: Mapping[str, Any], *changes: tuple[Mapping[str, Any], str]) -> Iterator[Step]:
    """Yield a step for each of *changes* to *body*, with the code of its refusal. `MISSING` removes a member."""
    for change, code in changes:
        changed = {name: value for name, value in {**body, **change}.items() if value is not MISSING}
        yield Step(line, changed, 400, code)


async def _public(walk: "Walk") -> str:
    return str((await walk.people["ada"].stored(name="public", visibility="public"))["id"])


async def _shared(walk: "Walk", status: str) -> str:
    """An image of olga's that is shared with erin."""
    olga, erin = walk.people["olga"], walk.people["erin"]
    image_id = await _opened(olga, await olga.stored(name="shared"))
    await olga.share(image_id, erin.project)
    if status != "pending":
        assert (await erin.answer(image_id, status)).status == 200
    return image_id


def disc() -> bytes:
    """A disc of 20 sectors: one volume descriptor and the end of their list."""
    head = b"\1CD001\1".ljust(40, b"\0") + b"DISC".ljust(40) + struct.pack("<I", 20) + struct.pack(">I", 20)
    primary = (head.ljust(128, b"\0") + struct.pack("<H", 2048) + struct.pack(">H", 2048)).ljust(2048, b"\0")
    return bytes(16 * 2048) + primary + b"\xffCD001\1".ljust(3 * 2048, b"\0")


async def _opened(person: Person, image: Mapping[str, Any]) -> str:
    """Let an image have members in the profile openstack as well; none is created so in ims."""
    return str((await person.set(image["id"], visibility="shared"))["id"])


def _open(name: str) -> Callable[["Walk"], Awaitable[str]]:
    async def make(walk: "Walk") -> str:
        return await _opened(walk.people["erin"], await walk.people["erin"].stored(name=name))

    return make


def _stored(data: bytes = b"x" * 512, **attributes: Any) -> Callable[["Walk"], Awaitable[str]]:
    async def make(walk: "Walk") -> str:
        return str((await walk.people["erin"].stored(data, **{"visibility": "private", **attributes}))["id"])

    return make


async def _queued(walk: "Walk") -> str:
    attributes = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
    return str((await walk.people["erin"].create(name="queued", **attributes))["id"])


async def _foreign(walk: "Walk") -> str:
    return str((await walk.people["olga"].stored(name="foreign", visibility="private"))["id"])


IMAGES: Mapping[str, Callable[["Walk"], Awaitable[str]]] = {
    "active": _stored(name="web", __os_version="CentOS 7.3 64bit"),
    "second": _open("second"),
    "open": _open("open"),
    "tagged": _stored(name="tagged", tags=["team=blue", "solo"]),
    "full": _stored(name="full", tags=[f"k{number}=v" for number in range(10)]),
    "protected": _stored(name="kept", protected=True),
    "iso": _stored(disc(), name="iso", disk_format="iso"),
    "queued": _queued,
    "public": _public,
    "foreign": _foreign,
    "accepted": lambda walk: _shared(walk, "accepted"),
    "pending": lambda walk: _shared(walk, "pending"),
    "rejected": lambda walk: _shared(walk, "rejected"),
}


@dataclass
class Walk:
    """People who walk through steps, with the values that those have.

    Attributes:
        described: What every answer must agree with.
    """

    people: Mapping[str, Person]
    values: dict[str, str]
    described: Described | None = None

    @classmethod
    def in_town(cls, town: Town, described: Described | None = None) -> "Walk":
        people = {
            "erin": town.person(),
            "rita": town.person(roles="reader", user="rita"),
            "olga": town.person("works", user="olga"),
            "ada": town.person("ops", "admin", user="ada"),
        }
        values = {"project": "lab", "works": "works", "none": NONE}
        return cls({**people, "": replace(people["erin"], token="")}, values, described)

    async def show(self, operation: Operation) -> None:
        """Take every step of *operation*; an image that others own must then be as one that is not there."""
        await self.through(operation.all_steps())
        for image in OWN.findall(f"{operation.line} {json.dumps(operation.body)}")[:1]:
            answers = [await self._instead(operation, image, other) for other in ("$none", "$foreign")]
            assert answers[0] == answers[1], operation.line

    async def _instead(self, operation: Operation, image: str, other: str) -> tuple[int, bytes]:
        """Return the answer to *operation* of the image *other*, without its id."""
        line, body = json.loads(json.dumps([operation.line, operation.body]).replace(image, other))
        method, _, path = str(await self._filled(line)).partition(" ")
        answer = await self.people["erin"](method, path, await self._filled(body))
        assert answer.status >= 400, (operation.line, answer.body)
        return answer.status, answer.body.replace(self.values[other[1:]].encode(), b"ID")

    async def through(self, steps: Sequence[Step]) -> None:
        """Take all of *steps*, and fail with everything that went otherwise than the document says."""
        found: list[str] = []
        for step in steps:
            wrong = [text async for text in self._wrong(step)]
            found += [f"{step}\n    {text}" for text in wrong]
        assert not found, "\n".join(["", *found])

    async def _wrong(self, step: Step) -> Any:
        method, _, path = str(await self._filled(step.line)).partition(" ")
        body = await self._filled(step.body)
        headers = dict(step.headers)
        if body is not None:
            headers.setdefault("content_type", JSON)
        answer = await self.people[step.by](method, path, body, **headers)
        for text in _differences(step, answer, await self._filled(step.shape)):
            yield text
        if answer.status != step.status or not answer.body:
            return
        if self.described is not None and answer.status < 300:
            route = self.described.route_of(method, path)
            assert route is not None, f"{method} {path} is not described"
            if IMS.has(route.partition(" ")[2]):
                self.described.check(route, answer.status, answer.json)
        self._keep(step, answer)
        if step.ends is not None:
            for text in differences(await self._filled(step.ends), await self._ended(step.by, answer), "job"):
                yield text

    def _keep(self, step: Step, answer: Answer) -> None:
        for name, path in step.keep.items():
            value: Any = answer.json
            for part in path.split("."):
                value = value[int(part) if isinstance(value, list) else part]
            self.values[name] = value

    async def _ended(self, by: str, answer: Answer) -> Any:
        self.values["job"] = answer.json["job_id"]
        return await ended(self.people[by], answer)

    def plain(self, text: str) -> str:
        """Return *text* with the values that are known."""
        return NAME.sub(lambda found: self.values[found[1]], text)

    async def _filled(self, what: Any) -> Any:
        """Return *what* with the values of this walk."""
        if isinstance(what, str):
            for name in NAME.findall(what):
                if name not in self.values and name in IMAGES:
                    self.values[name] = await IMAGES[name](self)
            return self.plain(what)
        if isinstance(what, list):
            return [await self._filled(each) for each in what]
        if isinstance(what, dict):
            return type(what)({name: await self._filled(value) for name, value in what.items()})
        return what


def _differences(step: Step, answer: Answer, shape: Any) -> Iterator[str]:
    if answer.status != step.status:
        yield f"{answer.status} {answer.body[:300]!r}, not {step.status}"
        return
    if step.code is not None:
        yield from differences(ERROR, answer.json)
        yield from differences(Has(error=Has(code=step.code)), answer.json)
    elif shape is not None:
        if answer.headers.get("content-type") != JSON:
            yield f"content-type {answer.headers.get('content-type')}"
        yield from differences(shape, answer.json)
    elif step.status == 204 and answer.body:
        yield f"204 with a body: {answer.body!r}"
