"""What clients and operators see of each fault of a bucket, and that nothing is lost or stuck when it is over."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

import s3_server
from fakes import Clock
from image_api import Person, Town
from node_stores import SharedBucket
from rude_s3 import CutAnswer, CutRequest, Fault, Refuse, RudeS3
from stillage.api.services import SERVICES
from stillage.operations.upkeep.sweep import Sweep

DATA = b"x" * 512
OFTEN = 60
SECRETS = (s3_server.SECRET, "AKIA-LEAKED")


@dataclass(frozen=True)
class Case:
    """A *fault* of every request whose line has *line*, and how uploads are answered."""

    fault: Fault
    status: int
    code: str
    says: str
    line: str = "/images"


CASES = {
    "no bucket": Case(Refuse(404, "NoSuchBucket"), 503, "store_refused", "create it, or correct the setting"),
    "wrong key": Case(Refuse(403, "InvalidAccessKeyId"), 503, "store_refused", "the access key is unknown there"),
    "wrong secret": Case(Refuse(403, "SignatureDoesNotMatch"), 503, "store_refused", "the secret of the access key is"),
    "clocks differ": Case(Refuse(403, "RequestTimeTooSkewed"), 503, "store_refused", "set them right"),
    "expired": Case(Refuse(400, "ExpiredToken"), 503, "store_refused", "renew them"),
    "denied": Case(Refuse(403, "AccessDenied"), 503, "store_read_only", "correct its policy"),
    "a quota": Case(Refuse(403, "QuotaExceeded"), 413, "storage_full", "the store is full", "PUT"),
    "busy": Case(Refuse(503, "SlowDown"), 503, "unavailable", "is busy; try again later"),
    "an unknown answer": Case(Refuse(400, "Strange"), 503, "unavailable", "answered Strange; ask the operator"),
    "a cut request": Case(CutRequest(700), 503, "unavailable", "does not answer", "PUT"),
    "a cut answer": Case(CutAnswer(1), 503, "unavailable", "does not answer", "PUT"),
}


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_server.ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_server.SECRET)
    monkeypatch.setattr("stillage.stores.s3.client.ATTEMPTS", 2)  # botocore waits longer before each


@pytest.fixture
def rude() -> RudeS3:
    return RudeS3(s3_server.endpoint())


@pytest.fixture
def url(rude: RudeS3) -> Iterator[str]:
    with rude.running() as url:
        yield url


@pytest.fixture
def bucket(url: str, tmp_path: Any) -> SharedBucket:
    return SharedBucket(s3_server.settings(endpoint=url), tmp_path)


@pytest.fixture
async def town(serve: Any, bucket: SharedBucket) -> AsyncIterator[Town]:
    place = {"endpoint": bucket.settings.endpoint, "prefix": bucket.settings.prefix, "region": "us-east-1"}
    async with serve(stores=[{"id": "bucket", "type": "s3", "bucket": s3_server.BUCKET, **place}]) as town:
        yield town


@pytest.mark.parametrize("name", CASES)
async def test_a_fault_is_a_sentence_and_loses_nothing(
    town: Town, erin: Person, rude: RudeS3, bucket: SharedBucket, clock: Clock, name: str
) -> None:
    case = CASES[name]
    kept, image, resumed = await erin.stored(DATA), await created(erin), await created(erin)
    path = (await erin("POST", f"/v2/images/{resumed}/uploads", {"size": 1024})).json["url"]
    assert (await piece(erin, path, 0)).status == 202
    with capture_logs() as logged:
        rude.plan(case.line, *[case.fault] * OFTEN)
        answers = [await erin.upload(image, DATA), await piece(erin, path, 512)]
        shown = await erin.show(image)
        ready = await town.person()("GET", "/readyz")
        rude.forget()
    for answer in answers:
        error = answer.json["error"]
        assert (answer.status, error["stillage_code"]) == (case.status, case.code), error
        assert case.says in error["message"]
    assert (shown["status"], case.says in shown["os_stillage_reason"]) == ("queued", True)
    assert ready.status == 503 or case.line == "PUT"
    metrics = (await town.person("ops", "admin")("GET", "/metrics")).body
    told = "".join([str(logged), str(shown), str(ready.body), metrics.decode(), *(str(a.body) for a in answers)])
    assert not [secret for secret in SECRETS if secret in told]

    assert (await erin.upload(image, DATA)).status == 204
    assert (await piece(erin, path, 512)).status == 204
    for image_id, data in ((kept["id"], DATA), (image, DATA), (resumed, DATA * 2)):
        assert (await erin("GET", f"/v2/images/{image_id}/file")).body == data
    await nothing_is_left(town, bucket, clock, images=3)


async def created(erin: Person) -> str:
    return str((await erin.create(disk_format="raw", container_format="bare"))["id"])


async def piece(erin: Person, path: str, first: int) -> Any:
    return await erin("PUT", path, DATA, content_range=f"bytes {first}-{first + 511}/1024")


async def nothing_is_left(town: Town, bucket: SharedBucket, clock: Clock, images: int) -> None:
    services = town.application[SERVICES]
    await services.uploads.verifier.close()
    clock.advance(60)
    await Sweep(services.database, services.stores, clock=clock)()
    listing = bucket.listing()
    assert len(listing) == images
    assert not [name for name in listing if "." in name]
