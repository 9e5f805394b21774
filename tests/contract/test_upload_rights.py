"""A resumable upload is worth what the rights of whoever opened it are worth, on every engine, at every moment."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

import builders
from fakes import Clock
from stillage.accounts.credential_request import credential_request_of
from stillage.accounts.principal import Kind, Principal
from stillage.db import images as db
from stillage.db import lifecycle, members
from stillage.db.leases import LeaseOwner
from stillage.db.session import Database
from stillage.errors import Conflict, UploadGone, UploadNotFound, UploadSuspended
from stillage.ids import BlobKey, ProjectId
from stillage.images.image import Image, Visibility
from stillage.images.status import Status
from stillage.images.upload import Expected, Piece, Upload
from stillage.operations.identity.accounts import Accounts
from stillage.operations.identity.embedded import EmbeddedIdentity
from stillage.operations.identity.rights import EmbeddedRights
from stillage.operations.resumable.possession import Proof
from stillage.operations.upkeep.sweep import Sweep
from stillage.spans import Span
from stillage.stores.base import BlobReader
from stores import only
from upload_world import DATA, MIB, World, a_world, sliced, uploads_of


class Lab:
    """Erin, who opens uploads, and Mona are members of the project lab."""

    def __init__(self, world: World, accounts: Accounts, identity: EmbeddedIdentity, lab: ProjectId) -> None:
        self.world = world
        self.accounts = accounts
        self.identity = identity
        self.lab = lab

    async def principal(self, user: str = "erin") -> Principal:
        issued = await self.identity.login.without_password(await self.accounts.get_user(user), self.lab)
        return await self.identity.principal_of(issued.text)

    async def image(self, **changes: Any) -> Image:
        image = builders.image(id=str(uuid4()), owner=self.lab, disk_format="raw", container_format="bare", **changes)
        await self.world.database.write(db.add, image)
        return image

    async def open(self, principal: Principal | None = None, sha256: str | None = None) -> Upload:
        digests = () if sha256 is None else (("sha256", sha256),)
        expected = Expected(len(DATA), digests)
        return await self.world.uploads.open(principal or await self.principal(), (await self.image()).id, expected)

    async def by_capability(self, upload: Upload) -> Upload:
        return await self.world.uploads.find(None, upload.image_id, self.world.uploads.capability(upload))

    async def whole(self, principal: Principal | None = None) -> Upload:
        """An upload whose bytes are all there, and which nobody has verified."""
        upload = await self.open(principal)
        self.world.uploads.verifier._places = asyncio.Semaphore(0)
        await self.world.uploads._pieces.receive(upload, Piece(0, len(DATA)), Span(0, len(DATA)), sliced(DATA))
        await self.world.uploads.close()
        return upload

    def restarted(self, owner: str = "node/2") -> Any:
        rights = EmbeddedRights(clock=self.world.clock)
        return uploads_of(
            self.world.database, self.world.store, self.world.clock, LeaseOwner.parse(owner), rights=rights
        )


@pytest.fixture
async def lab(
    database: Database, tmp_path: Path, clock: Clock, accounts: Accounts, identity: EmbeddedIdentity
) -> AsyncIterator[Lab]:
    project = await accounts.create_project("lab")
    for user in ("erin", "mona"):
        await accounts.create_user(user, f"{user}s", project="lab")
    async with a_world(database, tmp_path, clock, rights=EmbeddedRights(clock=clock)) as world:
        yield Lab(world, accounts, identity, project.id)


async def disable_user(lab: Lab) -> None:
    await lab.accounts.set_user_enabled("erin", enabled=False)


async def enable_user(lab: Lab) -> None:
    await lab.accounts.set_user_enabled("erin", enabled=True)


async def close_project(lab: Lab) -> None:
    await lab.accounts.set_project_enabled("lab", enabled=False)


async def open_project(lab: Lab) -> None:
    await lab.accounts.set_project_enabled("lab", enabled=True)


async def take_role(lab: Lab) -> None:
    await lab.accounts.revoke("lab", "erin", "member")


async def give_role(lab: Lab) -> None:
    await lab.accounts.grant("lab", "erin", "member")


async def demote(lab: Lab) -> None:
    await lab.accounts.grant("lab", "erin", "reader")
    await lab.accounts.revoke("lab", "erin", "member")


LOSSES = [
    pytest.param(disable_user, enable_user, "user is disabled", id="user"),
    pytest.param(close_project, open_project, "project is disabled", id="project"),
    pytest.param(take_role, give_role, "no role", id="role"),
    pytest.param(demote, give_role, "does not let you upload", id="lesser role"),
]


async def unread() -> AsyncIterator[bytes]:
    pytest.fail("the body was read")
    yield b""


@pytest.mark.parametrize(("lose", "regain", "why"), LOSSES)
async def test_an_upload_is_suspended_while_its_opener_has_no_right_to_it(
    lab: Lab, lose: Any, regain: Any, why: str
) -> None:
    world = lab.world
    upload = await lab.open()
    await world.send(upload, 0, MIB)
    await lose(lab)
    with pytest.raises(UploadSuspended, match=why):
        await lab.by_capability(upload)
    for piece in (Piece(MIB, len(DATA) - MIB), Piece(MIB, len(DATA) - MIB, zeros=True)):
        with pytest.raises(UploadSuspended, match=why):
            await world.uploads.receive(upload, piece, unread())
    assert (await world.record(upload)).status is Status.SAVING
    await regain(lab)
    now = await lab.by_capability(upload)
    assert now.offset == MIB
    image = (await world.send(now, MIB, len(DATA))).image
    assert image is not None
    assert await world.stored(image) == DATA


@pytest.mark.parametrize(("lose", "regain", "why"), LOSSES)
async def test_a_whole_upload_is_verified_when_the_rights_are_back_and_not_before(
    lab: Lab, lose: Any, regain: Any, why: str
) -> None:
    upload = await lab.whole()
    await lose(lab)
    other = lab.restarted()
    for _ in range(3):
        await other.upkeep()
        assert other.verifier._tasks == {}
    with pytest.raises(UploadSuspended, match=why):
        await other.verifier.verdict(upload)
    assert (await lab.world.record(upload)).status is Status.SAVING
    await regain(lab)
    async with asyncio.timeout(60):
        while (await lab.world.record(upload)).status is Status.SAVING:
            await other.upkeep()
            await asyncio.sleep(0.01)
    assert await lab.world.stored(await lab.world.record(upload)) == DATA
    await other.close()


async def test_suspended_uploads_do_not_keep_others_from_being_verified(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stillage.operations.resumable.verifying.ADOPTED", 2)
    *suspended, last = sorted([await lab.whole() for _ in range(5)], key=lambda upload: upload.id)
    await lab.world.uploads.rights.take_over(last, lab.world.uploads.rights.grant_of(await lab.principal("mona")))
    await disable_user(lab)
    other = lab.restarted()
    for _ in range(3):
        await other.upkeep()
    async with asyncio.timeout(60):
        while (await lab.world.record(last)).status is Status.SAVING:  # noqa: ASYNC110 - the database has no event
            await asyncio.sleep(0.01)
    assert [(await lab.world.record(upload)).status for upload in suspended] == [Status.SAVING] * 4
    await other.close()


async def test_a_verifier_that_waits_for_more_ends_when_the_rights_do(lab: Lab) -> None:
    upload = await lab.open()
    await lab.world.send(upload, 0, MIB)
    await disable_user(lab)
    async with asyncio.timeout(60):
        while lab.world.uploads.verifier._tasks:  # noqa: ASYNC110 - it ends by itself
            await asyncio.sleep(0.01)


async def test_a_verifier_that_ends_as_the_rights_come_back_refuses_nobody(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await lab.whole()
    other = lab.restarted()
    renewed = other.verifier._renewed

    async def lost_for_a_moment(*args: Any) -> Any:
        monkeypatch.undo()
        raise UploadSuspended(upload.id, "its user is disabled")

    monkeypatch.setattr(other.verifier, "_renewed", lost_for_a_moment)
    async with asyncio.timeout(60):
        assert (await other.verifier.verdict(upload)).status is Status.ACTIVE
    assert other.verifier._renewed == renewed
    await other.close()


async def test_rights_lost_in_the_middle_of_a_piece_end_it_and_what_counted_stays(lab: Lab) -> None:
    upload = await lab.open()

    async def body() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        async with asyncio.timeout(60):
            while not (await lab.by_capability(upload)).has_bytes:  # noqa: ASYNC110 - the database has no event
                await asyncio.sleep(0.01)
        await disable_user(lab)
        yield DATA[MIB:-1]
        await asyncio.Event().wait()

    async with asyncio.timeout(60):
        with pytest.raises(UploadSuspended):
            await lab.world.uploads.receive(upload, Piece(0, len(DATA)), body())
    await enable_user(lab)
    assert (await lab.by_capability(upload)).offset == MIB


async def test_rights_lost_between_the_verdict_and_its_publishing_publish_nothing(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await lab.open()
    verifier = lab.world.uploads.verifier
    publish = verifier._publish

    async def too_late(*args: Any) -> None:
        await disable_user(lab)
        await publish(*args)

    with monkeypatch.context() as patched:
        patched.setattr(verifier, "_publish", too_late)
        with pytest.raises(UploadSuspended):
            await lab.world.send(upload, 0, len(DATA))
    assert (await lab.world.record(upload)).status is Status.SAVING
    await enable_user(lab)
    now = await lab.by_capability(upload)
    assert now.is_whole
    image = (await lab.world.send(now, 0, len(DATA))).image
    assert image is not None
    assert await lab.world.stored(image) == DATA


async def test_a_suspended_upload_expires_as_others_do(lab: Lab) -> None:
    upload = await lab.whole()
    await disable_user(lab)
    sweep = Sweep(lab.world.database, only(lab.world.store), clock=lab.world.clock)
    lab.world.clock.advance(3599)
    await sweep()
    with pytest.raises(UploadSuspended):
        await lab.by_capability(upload)
    lab.world.clock.advance(2)
    await sweep()
    with pytest.raises(UploadGone, match="expired"):
        await lab.by_capability(upload)
    assert (await lab.world.record(upload)).status is Status.QUEUED
    assert lab.world.files() == []


async def test_who_may_upload_takes_a_suspended_upload_over_and_its_old_address_opens_nothing(lab: Lab) -> None:
    world = lab.world
    upload = await lab.open()
    await world.send(upload, 0, MIB)
    await disable_user(lab)
    mona = await lab.principal("mona")
    found = await world.uploads.find(mona, upload.image_id, upload.id)
    with pytest.raises(UploadSuspended):
        await lab.by_capability(upload)  # looking takes nothing over
    progress = await world.uploads.receive(found, Piece(MIB, MIB), sliced(DATA[MIB : 2 * MIB]), mona)
    await enable_user(lab)
    with pytest.raises(UploadNotFound):
        await lab.by_capability(upload)
    now = await lab.by_capability(progress.upload)
    assert (now.generation, now.offset) == (1, 2 * MIB)
    image = (await world.send(now, 2 * MIB, len(DATA))).image
    assert image is not None
    with pytest.raises(UploadNotFound):
        await lab.by_capability(upload)
    assert (await lab.by_capability(progress.upload)).complete


async def test_a_colleague_who_sends_takes_nothing_over_while_the_opener_has_his_rights(lab: Lab) -> None:
    upload = await lab.open()
    mona = await lab.principal("mona")
    await lab.world.uploads.receive(upload, Piece(0, MIB), sliced(DATA[:MIB]), mona)
    assert (await lab.by_capability(upload)).offset == MIB


async def test_an_upload_ends_with_the_application_credential_that_opened_it(lab: Lab) -> None:
    erin = await lab.accounts.get_user("erin")
    owner = (await lab.identity.login.without_password(erin, lab.lab)).token
    ends = lab.world.clock() + timedelta(seconds=1000)
    for document, over in (({"name": "a"}, False), ({"name": "b", "expires_at": ends.isoformat()}, True)):
        wanted = credential_request_of({"application_credential": document})
        credential, _ = await lab.identity.credentials.create(owner.principal, erin.id, wanted)
        principal = replace(await lab.principal(), kind=Kind.APPLICATION_CREDENTIAL, through=credential.id)
        upload = await lab.open(principal)
        await lab.by_capability(upload)
        if over:
            lab.world.clock.advance(1000)
        else:
            await lab.identity.credentials.delete(owner.principal, erin.id, credential.id)
        with pytest.raises(UploadSuspended, match="application credential"):
            await lab.by_capability(upload)


async def test_an_upload_ends_with_the_access_key_that_opened_it(lab: Lab) -> None:
    erin = await lab.accounts.get_user("erin")
    made = await lab.identity.access_keys.make(erin.id, lab.lab, "")
    principal = replace(await lab.principal(), kind=Kind.SIGNATURE, through=made.key.access)
    upload = await lab.open(principal)
    await lab.identity.access_keys.set_enabled(made.key.access, enabled=False)
    with pytest.raises(UploadSuspended, match="access key"):
        await lab.by_capability(upload)
    await lab.identity.access_keys.set_enabled(made.key.access, enabled=True)
    await lab.by_capability(upload)
    await lab.identity.access_keys.remove(made.key.access)
    with pytest.raises(UploadSuspended, match="access key"):
        await lab.by_capability(upload)


async def test_a_token_that_is_over_takes_nothing_from_an_upload(lab: Lab) -> None:
    upload = await lab.open()
    await lab.accounts.set_password("erin", "new")  # ends all tokens
    lab.world.clock.advance(3000)
    assert (await lab.by_capability(upload)).id == upload.id


async def test_whoever_takes_rights_away_waits_for_what_is_being_published(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an operator is told is true: nothing becomes active after it."""
    upload = await lab.open()
    publish = lifecycle.publish
    loop = asyncio.get_running_loop()
    disabled = threading.Event()
    disabling: list[Future[None]] = []

    async def disable() -> None:
        await disable_user(lab)
        disabled.set()

    def slow(*args: Any, **named: Any) -> Any:
        disabling.append(asyncio.run_coroutine_threadsafe(disable(), loop))
        assert not disabled.wait(0.2)
        return publish(*args, **named)

    monkeypatch.setattr(lifecycle, "publish", slow)
    assert (await lab.world.send(upload, 0, len(DATA))).image is not None
    await asyncio.wrap_future(disabling[0])


# Bytes that are here already


SHA256 = hashlib.sha256(DATA).hexdigest()


async def offered(lab: Lab) -> tuple[Upload, Proof]:
    erin = await lab.principal()
    upload = await lab.open(erin, SHA256)
    proof = await lab.world.uploads.instant.offer(erin, upload)
    assert proof is not None
    return upload, proof


def answer(proof: Proof) -> list[str]:
    nonce = proof.nonce.encode()
    return [hashlib.sha256(nonce + DATA[span.first : span.end]).hexdigest() for span in proof.ranges]


async def an_original(lab: Lab, owner: ProjectId) -> Image:
    """An image of another project, shared with lab."""
    world = lab.world
    image = await lab.image()
    upload = await world.uploads.open(await lab.principal(), image.id, Expected(len(DATA), (("sha256", SHA256),)))
    await world.send(upload, 0, len(DATA))
    before = await world.database.read(db.get, image.id)
    shared = replace(before, owner=owner, visibility=Visibility.SHARED)
    saved = await world.database.write(db.save, before, shared)
    assert saved is not None
    await world.database.write(members.add, saved, lab.lab, world.clock())
    return saved


async def unshare(lab: Lab, original: Image) -> None:
    await lab.world.database.write(members.remove, original.id, lab.lab)


async def hide(lab: Lab, original: Image) -> None:
    saved = await lab.world.database.write(db.save, original, replace(original, visibility=Visibility.PRIVATE))
    assert saved is not None


async def deactivate(lab: Lab, original: Image) -> None:
    now = lab.world.clock()
    assert await lab.world.database.write(lifecycle.move, original.id, Status.ACTIVE, Status.DEACTIVATED, now)


@pytest.mark.parametrize("lose", [unshare, hide, deactivate])
async def test_a_proof_opens_nothing_that_may_not_be_read_any_more(lab: Lab, lose: Any) -> None:
    original = await an_original(lab, ProjectId("works"))
    upload, proof = await offered(lab)
    await lose(lab, original)
    with pytest.raises(Conflict, match="no longer has these bytes; send them"):
        await lab.world.uploads.instant.prove(upload, proof.nonce, answer(proof))
    assert (await lab.world.send(upload, 0, len(DATA))).image is not None


@pytest.mark.parametrize("lose", [unshare, hide, deactivate])
async def test_a_proof_is_looked_at_again_as_it_is_published(
    lab: Lab, lose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = await an_original(lab, ProjectId("works"))
    upload, proof = await offered(lab)
    read = lab.world.store.reader

    @asynccontextmanager
    async def lose_first(key: BlobKey) -> AsyncIterator[BlobReader]:
        async with read(key) as reader:
            yield reader
        await lose(lab, original)

    with monkeypatch.context() as patched:
        patched.setattr(lab.world.store, "reader", lose_first)
        with pytest.raises(Conflict, match="no longer has these bytes; send them"):
            await lab.world.uploads.instant.prove(upload, proof.nonce, answer(proof))
    image = (await lab.world.send(upload, 0, len(DATA))).image
    assert image is not None
    assert await lab.world.stored(image) == DATA


@pytest.mark.parametrize(("lose", "regain", "why"), LOSSES)
async def test_a_proof_is_worth_nothing_without_the_right_to_upload(
    lab: Lab, lose: Any, regain: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await an_original(lab, ProjectId("works"))
    upload, proof = await offered(lab)
    await lose(lab)
    with monkeypatch.context() as patched:
        patched.setattr(lab.world.store, "reader", lambda *_: pytest.fail("the bytes were read"))
        with pytest.raises(UploadSuspended, match=why):
            await lab.world.uploads.instant.prove(upload, proof.nonce, answer(proof))
    await regain(lab)
    image = await lab.world.uploads.instant.prove(upload, proof.nonce, answer(proof))
    assert image.status is Status.ACTIVE


# What it costs


async def test_rights_cost_two_selects_within_the_transaction_that_there_is(lab: Lab) -> None:
    upload = await lab.open()
    statements: list[str] = []

    def note(*args: Any) -> None:
        statements.append(args[2].split()[0])

    event.listen(lab.world.database.engine, "before_cursor_execute", note)
    await lab.world.uploads.rights.write(upload, None, str)
    assert [word for word in statements if word != "BEGIN"] == ["SELECT", "SELECT"]
