"""`stillage adopt` of a database and a folder as a Glance leaves them."""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from glance_database import CREATED, UPDATED, GlanceDatabase
from stillage import config
from stillage.cli.main import app
from stillage.db import blobs as db_blobs
from stillage.db import images as db_images
from stillage.db import members, placements, usage
from stillage.db.session import Database, make_engine
from stillage.errors import BadSettings, CannotTakeFile
from stillage.images.image import Image
from stillage.images.quota import Usage
from stillage.images.status import Status
from stillage.operations.upkeep.scrub import Scrub
from stillage.operations.upkeep.sweep import Sweep
from stillage.storage import stores_of
from stillage.stores.files.taking import take

DATA = b"data " * 300_000
BACKED = b"QFI\xfb" + (3).to_bytes(4, "big") + (112).to_bytes(8, "big") + (8).to_bytes(4, "big") + bytes(500)
WAYS = ["--read-only", "--take-over"]


@pytest.fixture
def glance(tmp_path: Path) -> Iterator[GlanceDatabase]:
    made = GlanceDatabase(tmp_path / "glance")
    yield made
    made.close()


@pytest.fixture
def data(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """Of a deployment without images; to make its tables each time would take most of the time."""
    (tmp_path / "data").mkdir()
    shutil.copy(migrated_sqlite, tmp_path / "data" / "stillage.db")
    return tmp_path / "data"


def adopt(glance: GlanceDatabase, data: Path, *options: str, status: int = 0) -> Any:
    """Return the report."""
    line = ["adopt", glance.url, str(glance.files), "--json", "--data", str(data), *options]
    done = CliRunner().invoke(app, line)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


def image(data: Path, image_id: str) -> Image:
    engine = make_engine(f"sqlite:///{data / 'stillage.db'}")
    try:
        with engine.connect() as connection:
            return db_images.get(connection, image_id)
    finally:
        engine.dispose()


def read(data: Path, image_id: str) -> bytes:
    """Return the bytes of an image, as a server would read them; a scrub and a sweep change nothing."""
    settings = config.load(data=data)

    async def reading() -> bytes:
        database = Database(settings.database)
        stores = stores_of(settings, lambda store: database.read(db_blobs.held_by, store))
        try:
            clock = lambda: UPDATED.replace(year=2040, tzinfo=UTC)  # noqa: E731
            await Sweep(database, stores, clock=clock)()
            assert all([found.damage is None async for found in Scrub(database, stores, clock=clock)(older_than_s=0)])
            (place,) = await database.look_up(placements.of_image, image(data, image_id).id)
            async with stores.reader(place.blob) as reader:
                return bytes(await reader.read(0, reader.size))
        finally:
            stores.close()
            database.close()

    return asyncio.run(reading())


def files_of(data: Path) -> list[Path]:
    return [path for path in (data / "blobs").rglob("*") if path.is_file()]


@pytest.mark.parametrize("way", WAYS)
def test_an_image_is_as_it_was(glance: GlanceDatabase, data: Path, way: str) -> None:
    adopted = glance.add(DATA, status="deactivated", visibility="shared", protected=True, min_ram=512)
    glance.belong(adopted, "image_properties", name="hw_disk_bus", value="scsi")
    glance.belong(adopted, "image_properties", name="gone", value="x", deleted=True)
    glance.belong(adopted, "image_tags", value="blue")
    glance.belong(adopted, "image_members", member="other", status="accepted")
    waiting = glance.add(None, name="later")
    glance.add(b"x", status="deleted", deleted=True)
    glance.namespace("N")
    report = adopt(glance, data, way)
    assert {name: report[name] for name in ("adopted", "recorded", "present", "refused")} == {
        "adopted": 1,
        "recorded": 1,
        "present": 0,
        "refused": 0,
    }
    assert report["namespaces"] == [{"name": "N", "outcome": "adopted", "reason": None}]
    made = image(data, adopted)
    assert (made.status, made.visibility, made.protected, made.min_ram) == ("deactivated", "shared", True, 512)
    assert (made.owner, made.properties, made.tags) == ("lab", {"hw_disk_bus": "scsi"}, ("blue",))
    assert (made.created_at, made.updated_at) == (CREATED.replace(tzinfo=UTC), UPDATED.replace(tzinfo=UTC))
    assert (made.size, made.upload_id) == (len(DATA), None)
    assert image(data, waiting).status is Status.QUEUED
    assert read(data, adopted) == DATA
    engine = make_engine(f"sqlite:///{data / 'stillage.db'}")
    with engine.connect() as connection:
        assert usage.find(connection, "project:lab") == Usage(len(DATA), 2, 0)
        assert [(each.member_id, each.status) for each in members.list_of(connection, adopted)] == [
            ("other", "accepted")
        ]
    engine.dispose()


def test_files_are_served_from_where_they_are(glance: GlanceDatabase, data: Path) -> None:
    first = glance.add(DATA)
    adopt(glance, data)
    assert image(data, first).stores == ("glance",)
    assert files_of(data) == []
    second = glance.add(b"new")
    assert [each["outcome"] for each in adopt(glance, data)["images"]] == ["present", "adopted"]
    assert (read(data, first), read(data, second)) == (DATA, b"new")


def test_files_that_are_taken_over_are_not_copied(glance: GlanceDatabase, data: Path) -> None:
    adopted = glance.add(DATA)
    adopt(glance, data, "--take-over")
    (file,) = files_of(data)
    original = glance.files / adopted
    assert file.stat().st_ino == original.stat().st_ino or file.stat().st_blocks == original.stat().st_blocks
    assert adopt(glance, data, "--take-over", "--delete-files")["deleted_files"] == 1
    assert list(glance.files.iterdir()) == []
    assert read(data, adopted) == DATA


@pytest.mark.parametrize("way", WAYS)
def test_two_images_may_have_one_file(glance: GlanceDatabase, data: Path, way: str) -> None:
    ids = [glance.add(DATA, file="common") for _ in range(2)]
    assert adopt(glance, data, way)["adopted"] == 2
    assert [read(data, image_id) for image_id in ids] == [DATA, DATA]


@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_served_is_refused_with_the_reason(glance: GlanceDatabase, data: Path, way: str) -> None:
    ids = {
        "qcow2.backing-file": glance.add(BACKED, disk_format="qcow2"),
        "the md5 of its file is": glance.add(DATA, checksum="0" * 32),
        "the sha512 of its file is": glance.add(DATA, os_hash_value="0" * 128),
        "Glance recorded 7": glance.add(DATA, size=7),
        "(rbd)": glance.add(DATA, location="rbd://fsid/images/x/snap"),
        "cannot be opened": glance.add(DATA, location="file:///g/elsewhere"),
        "does not say": glance.add(None, status="active", size=1),
        "was saving": glance.add(None, status="saving"),
    }
    unrecorded = glance.add(DATA, disk_format="root-tar")
    link = glance.add(DATA)
    (glance.files / link).unlink()
    (glance.files / link).symlink_to("/etc/passwd")
    ids["symbolic links"] = link
    report = adopt(glance, data, way, status=1)
    assert (report["adopted"], report["refused"], report["recorded"]) == (0, 9, 1)
    assert files_of(data) == []
    for why, image_id in ids.items():
        queued = image(data, image_id)
        assert queued.status is Status.QUEUED
        assert why in (queued.reason or "")
    told = {each["id"]: each for each in report["images"]}
    assert told[ids["qcow2.backing-file"]]["rule"] == "qcow2.backing-file"
    assert "root-tar" in told[unrecorded]["reason"]
    assert len(list(glance.files.iterdir())) == 8, "nothing of Glance's is deleted"


def test_what_was_refused_is_adopted_once_it_is_right(glance: GlanceDatabase, data: Path) -> None:
    adopted = glance.add(DATA)
    (glance.files / adopted).rename(glance.files / "away")
    adopt(glance, data, status=1)
    (glance.files / "away").rename(glance.files / adopted)
    adopt(glance, data)
    assert (image(data, adopted).status, image(data, adopted).reason) == ("active", None)


def test_a_dry_run_changes_nothing(glance: GlanceDatabase, tmp_path: Path) -> None:
    data = tmp_path / "not yet"
    glance.add(DATA)
    glance.add(BACKED, disk_format="qcow2")
    tried = adopt(glance, data, "--dry-run", status=1)
    assert not data.exists()
    assert tried == adopt(glance, data, status=1)


def test_a_run_that_was_killed_goes_on(glance: GlanceDatabase, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [glance.add(DATA), glance.add(b"second")]

    def die(file: int, target: Path) -> None:
        take(file, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("stillage.stores.files.blobs.take", die)
        with pytest.raises(BaseException):  # noqa: B017, PT011 - however the runner reports it
            adopt(glance, data, "--take-over")
    assert image(data, ids[0]).status is Status.SAVING
    report = adopt(glance, data, "--take-over")
    assert report["adopted"] == 2
    assert [read(data, image_id) for image_id in ids] == [DATA, b"second"]
    assert len(files_of(data)) == 2, "what the killed run left is gone"


def test_nothing_is_copied_from_another_file_system(
    glance: GlanceDatabase, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted = glance.add(DATA)

    def link(*_: object, **__: object) -> None:
        raise OSError(18, os.strerror(18))

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr("stillage.stores.files.taking._clone", lambda *_: False)
    with pytest.raises(CannotTakeFile, match="on another file system"):
        adopt(glance, data, "--take-over")
    assert image(data, adopted).status is Status.QUEUED
    assert files_of(data) == []


def test_the_store_of_the_settings_is_used(glance: GlanceDatabase, data: Path, tmp_path: Path) -> None:
    adopted = glance.add(DATA)
    settings = tmp_path / "stillage.toml"
    settings.write_text(f"""
[[stores]]
id = "own"
type = "files"
path = "blobs"
default = true
[[stores]]
id = "old"
type = "files"
layout = "glance"
read_only = true
path = "{glance.files}"
""")
    adopt(glance, data, "--config", str(settings))
    assert image(data, adopted).stores == ("old",)
    assert not (data / "adopted.toml").exists()


def test_a_single_store_of_the_settings_stays_the_default(glance: GlanceDatabase, data: Path, tmp_path: Path) -> None:
    glance.add(DATA)
    settings = tmp_path / "stillage.toml"
    settings.write_text('[[stores]]\nid = "own"\ntype = "files"\npath = "blobs"\n')
    adopt(glance, data, "--config", str(settings))
    assert [(one.id, one.read_only) for one in config.load(settings, data=data).stores] == [
        ("own", False),
        ("glance", True),
    ]


def test_a_database_that_is_none_of_glance_is_refused(glance: GlanceDatabase, data: Path, tmp_path: Path) -> None:
    for url, why in (
        (str(tmp_path / "none.db"), "there is no database"),
        (f"sqlite:///{data / 'stillage.db'}", "not the database of a Glance"),
        ("mysql+pymysql://glance:secret@h/glance", "copy it to PostgreSQL"),
        ("glance.db://", "must be a file"),
    ):
        glance.url = url
        with pytest.raises(BadSettings, match=why) as refused:
            adopt(glance, data)
        assert "secret" not in str(refused.value)


def test_glances_database_is_only_read(glance: GlanceDatabase, data: Path, tmp_path: Path) -> None:
    adopted = glance.add(DATA)
    database = tmp_path / "glance" / "glance.db"
    before = database.read_bytes()
    adopt(glance, data, "--take-over")
    assert database.read_bytes() == before
    from stillage.db.glance import open_glance  # noqa: PLC0415

    with open_glance(glance.url) as engine, engine.connect() as connection, pytest.raises(Exception, match="readonly"):
        connection.execute(text("DELETE FROM images"))
    assert image(data, adopted).status is Status.ACTIVE
