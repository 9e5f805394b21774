"""What an image of a Glance is here."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from stillage.errors import InvalidInput, NotAdopted, RecordTooLarge, StillageError
from stillage.ids import ImageId, ProjectId
from stillage.images.glance import GlanceImage, GlanceMember, file_of, members_of, record_of
from stillage.images.image import Image, Visibility
from stillage.images.member import MemberStatus
from stillage.images.status import Status

CREATED, UPDATED = datetime(2024, 5, 1, tzinfo=UTC), datetime(2025, 6, 2, tzinfo=UTC)
ID = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
FOUND = GlanceImage(
    ID,
    "active",
    "shared",
    CREATED,
    UPDATED,
    name="ünïcode",
    owner="lab",
    protected=True,
    os_hidden=True,
    disk_format="qcow2",
    container_format="bare",
    min_disk=3,
    min_ram=512,
    size=10,
    checksum="c" * 32,
    os_hash_algo="sha512",
    os_hash_value="h" * 128,
    tags=("a", "b"),
    properties={"hw_disk_bus": "scsi", "none": None, "os_glance_import_task": "t"},
    members=(GlanceMember("other", "accepted", CREATED, None),),
    locations=(f"file:///var/lib/glance/images/{ID}",),
)


def found(**changes: Any) -> GlanceImage:
    return replace(FOUND, **changes)


def record(**changes: Any) -> Image:
    return record_of(found(**changes), 128 << 10)


def test_a_record_is_what_glance_has_without_the_data() -> None:
    assert record() == Image(
        ImageId(ID),
        ProjectId("lab"),
        CREATED,
        UPDATED,
        name="ünïcode",
        visibility=Visibility.SHARED,
        protected=True,
        os_hidden=True,
        disk_format="qcow2",
        container_format="bare",
        min_disk=3,
        min_ram=512,
        tags=("a", "b"),
        properties={"hw_disk_bus": "scsi"},
    )


def test_dates_that_upkeep_would_act_on_are_only_kept_as_they_were_in_glance() -> None:
    dates = {"deprecate_at": "soon", "obsolete_at": "2019-01-01", "delete_at": "2020-01-01"}
    properties = record(properties=dates | {"delete": "x"}).properties
    assert properties == {f"adopted_{name}": value for name, value in dates.items()} | {"delete": "x"}


def test_what_was_never_changed_was_changed_when_it_was_made() -> None:
    assert record(updated_at=None).updated_at == CREATED


def test_an_image_may_have_no_owner_and_no_name() -> None:
    made = record(owner=None, name=None)
    assert (made.owner, made.name) == (None, None)


@pytest.mark.parametrize("status", ["active", "deactivated", "queued"])
def test_an_image_that_waits_for_nothing_has_no_reason(status: str) -> None:
    assert (record(status=status).status, record(status=status).reason) == (Status.QUEUED, None)


@pytest.mark.parametrize("status", ["saving", "uploading", "importing", "killed"])
def test_an_image_that_was_interrupted_says_so(status: str) -> None:
    reason = record(status=status).reason
    assert reason is not None
    assert f"was {status} when its Glance was adopted" in reason


def test_an_import_that_has_ended_stays_visible() -> None:
    done = {"os_glance_importing_to_stores": "ceph", "os_glance_failed_import": "ceph"}
    made = record(properties=done)
    assert (made.importing_to, made.failed_import, made.properties) == ("", "ceph", {})


@pytest.mark.parametrize(
    "changes",
    [
        {"disk_format": "root-tar"},
        {"visibility": "secret"},
        {"properties": {f"p{n}": "" for n in range(200)}},
        {"properties": {"p": "x" * (65 << 10)}},
        {"name": "\0"},
        {"id": "not a uuid"},
        {"min_disk": -1},
    ],
)
def test_a_record_that_no_client_could_make_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(StillageError):
        record(**changes)


def test_a_record_may_not_be_larger_than_others() -> None:
    with pytest.raises(RecordTooLarge):
        record_of(found(properties={"p": "x" * 2000}), 1000)


def test_members_keep_what_they_said() -> None:
    (member,) = members_of(FOUND)
    assert (member.member_id, member.status, member.updated_at) == ("other", MemberStatus.ACCEPTED, CREATED)
    with pytest.raises(InvalidInput, match="unknown status"):
        members_of(found(members=(GlanceMember("other", "maybe", CREATED, CREATED),)))


@pytest.mark.parametrize(
    ("locations", "name"),
    [
        ((f"file:///var/lib/glance/images/{ID}",), ID),
        (("file:///other/place/name%2Eraw",), "name.raw"),
        (("rbd://fsid/images/x/snap", f"file:///glance/{ID}"), ID),
        (("gAAAAABencrypted",), ID),
    ],
)
def test_the_file_is_where_glance_says(locations: tuple[str, ...], name: str) -> None:
    assert file_of(found(locations=locations)) == name


@pytest.mark.parametrize(
    ("locations", "why"),
    [
        ((), "does not say"),
        (("rbd://fsid/images/x/snap", "swift+https://h/c/o"), r"rbd, swift\+https"),
        (("file:///glance/..%2F..%2Fetc%2Fpasswd",), "is called"),
        (("file:///glance/",), "is called"),
        (("file:///glance/.hidden",), "is called"),
    ],
)
def test_what_is_no_file_of_the_folder_is_not_opened(locations: tuple[str, ...], why: str) -> None:
    with pytest.raises(NotAdopted, match=why):
        file_of(found(locations=locations))


def test_the_digests_are_those_that_glance_has() -> None:
    assert FOUND.digests == [("md5", "c" * 32), ("sha512", "h" * 128)]
    assert found(checksum=None, os_hash_algo=None).digests == []
