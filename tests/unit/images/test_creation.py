from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import builders
from builders import IMAGE_ID, T0
from stillage.errors import Forbidden, InvalidInput, RecordTooLarge, StillageError, TooLarge
from stillage.ids import ProjectId
from stillage.images.creation import Defaults, new_image, require_record
from stillage.images.image import Image, Visibility
from stillage.images.status import Status

LAB = ProjectId("lab")


def create(document: dict[str, Any], defaults: Defaults | None = None) -> Image:
    return new_image(document, LAB, defaults=defaults or Defaults(), new_id=IMAGE_ID, now=T0)


def test_an_empty_document_makes_a_queued_shared_image_of_the_users_project() -> None:
    image = create({})
    assert (image.status, image.visibility, image.owner) == (Status.QUEUED, Visibility.SHARED, "lab")
    assert (image.name, image.disk_format, image.min_disk, image.tags) == (None, None, 0, ())


def test_the_profiles_defaults_fill_what_is_left_out() -> None:
    defaults = Defaults(visibility=Visibility.PRIVATE, container_format="bare", disk_format="zvhd2")
    image = create({"name": "web-01"}, defaults=defaults)
    assert (image.visibility, image.container_format, image.disk_format) == (Visibility.PRIVATE, "bare", "zvhd2")


def test_unknown_names_become_properties_and_duplicate_tags_merge() -> None:
    image = create({"os_distro": "debian", "a.b": "", "tags": ["x", "y", "x"]})
    assert image.properties == {"os_distro": "debian", "a.b": ""}
    assert image.tags == ("x", "y")


@pytest.mark.parametrize("disk_format", ["zvhd", "zvhd2", "qed", "qcow", "qcow2", "vhdx", None])
def test_every_format_can_be_declared(disk_format: str | None) -> None:
    assert create({"disk_format": disk_format}).disk_format == disk_format


@pytest.mark.parametrize(
    "document",
    [
        {"name": 5},
        {"name": "x" * 256},
        {"name": "a\0b"},
        {"name": "\ud800"},
        {"id": "not-a-uuid"},
        {"id": None},
        {"visibility": "secret"},
        {"visibility": None},
        {"visibility": ["public"]},
        {"protected": "yes"},
        {"os_hidden": 1},
        {"disk_format": "floppy"},
        {"disk_format": {}},
        {"container_format": 7},
        {"min_disk": -1},
        {"min_disk": 2**31},
        {"min_disk": True},
        {"min_ram": None},
        {"min_ram": 1.5},
        {"tags": "a"},
        {"tags": [1]},
        {"tags": ["x" * 256]},
        {"os_distro": 5},
        {"os_distro": None},
        {"os_distro": {"nested": "x"}},
        {"": "nameless"},
        {"x" * 256: "long name"},
        {"long": "x" * (64 * 1024 + 1)},
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_sentence(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"\w+ \w+"):
        create(document)


@pytest.mark.parametrize(
    "limit", [{"name": "x" * 255}, {"tags": ["x" * 255]}, {"p": "x" * 64 * 1024}, {"min_disk": 2**31 - 1}]
)
def test_limits_are_inclusive(limit: dict[str, Any]) -> None:
    create(limit)


@pytest.mark.parametrize(
    "name", ["status", "checksum", "size", "self", "locations", "os_glance_x", "deleted", "location"]
)
def test_read_only_and_reserved_names_are_forbidden(name: str) -> None:
    with pytest.raises(Forbidden, match=name):
        create({name: "x"})


def test_hash_fields_are_dropped_as_glance_does() -> None:
    assert create({"os_hash_algo": "md5", "os_hash_value": "00"}).os_hash_algo is None


def test_too_many_tags_or_properties_are_too_large() -> None:
    create({"tags": [str(n) for n in range(128)]})
    with pytest.raises(TooLarge, match="128"):
        create({"tags": [str(n) for n in range(129)]})
    with pytest.raises(TooLarge, match="129"):
        create({f"p{n}": "" for n in range(129)})


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = (
    st.sampled_from(["id", "name", "tags", "owner", "visibility", "min_ram", "protected", "disk_format"]) | st.text()
)


@given(st.dictionaries(names, json, max_size=6))
def test_any_document_gives_an_image_or_one_of_our_errors(document: dict[str, Any]) -> None:
    with suppress(StillageError):
        assert create(document).status is Status.QUEUED


def test_a_record_from_before_the_limit_can_shrink_and_cannot_grow() -> None:
    before = builders.image(properties={"a": "x" * 100})
    require_record(replace(before, properties={"a": "x" * 99}), 50, before=before)
    with pytest.raises(RecordTooLarge, match=r"50 bytes.* 101;"):
        require_record(replace(before, properties={"a": "x" * 101}), 50, before=before)
    with pytest.raises(RecordTooLarge):
        require_record(before, 50)
