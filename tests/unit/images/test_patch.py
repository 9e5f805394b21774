from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import T0, image
from stillage.errors import Conflict, Forbidden, InvalidInput, StillageError, TooLarge
from stillage.images import patch
from stillage.images.image import Image
from stillage.images.patch import V2_0, V2_1
from stillage.images.status import Status

BEFORE = image(name="web", tags=("a",), properties={"os_distro": "debian"}, disk_format="raw")


def changed(*operations: dict[str, Any], media_type: str = V2_1, before: Image = BEFORE) -> Image:
    return patch.apply(before, patch.parse(list(operations), media_type), now=T0)


def both(op: str, path: str, *value: Any) -> list[tuple[str, dict[str, Any]]]:
    """One operation in each media type."""
    rest = {"value": value[0]} if value else {}
    return [(V2_1, {"op": op, "path": path, **rest}), (V2_0, {op: path, **rest})]


def test_an_empty_patch_changes_nothing_at_all() -> None:
    assert changed() is BEFORE


@pytest.mark.parametrize(("media_type", "operation"), both("replace", "/name", "db"))
def test_a_base_attribute_is_replaced(media_type: str, operation: dict[str, Any]) -> None:
    after = changed(operation, media_type=media_type)
    assert (after.name, after.version) == ("db", BEFORE.version + 1)


@pytest.mark.parametrize(("media_type", "operation"), both("add", "/os_version", "12"))
def test_a_property_is_added(media_type: str, operation: dict[str, Any]) -> None:
    assert changed(operation, media_type=media_type).properties == {"os_distro": "debian", "os_version": "12"}


@pytest.mark.parametrize(("media_type", "operation"), both("remove", "/os_distro"))
def test_a_property_is_removed(media_type: str, operation: dict[str, Any]) -> None:
    assert changed(operation, media_type=media_type).properties == {}


@pytest.mark.parametrize("path", ["/name", "/os_distro"])
def test_adding_what_is_there_sets_it_in_the_new_media_type_and_conflicts_in_the_old(path: str) -> None:
    assert changed({"op": "add", "path": path, "value": "x"}) != BEFORE
    with pytest.raises(Conflict, match="already"):
        changed({"add": path, "value": "x"}, media_type=V2_0)


@pytest.mark.parametrize(("media_type", "operation"), [*both("replace", "/nowhere", "x"), *both("remove", "/nowhere")])
def test_what_is_not_there_cannot_be_replaced_or_removed(media_type: str, operation: dict[str, Any]) -> None:
    with pytest.raises(Conflict, match="nowhere"):
        changed(operation, media_type=media_type)


@pytest.mark.parametrize(
    ("media_type", "operation"),
    [
        *both("remove", "/name"),
        *both("remove", "/tags"),
        *both("replace", "/status", "active"),
        *both("replace", "/id", "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a12"),
        *both("add", "/checksum", "x"),
        *both("add", "/os_hash_value", "x"),
        *both("add", "/os_glance_x", "x"),
        *both("add", "/stores", "x"),
        *both("add", "/locations/-", {"url": "file:///etc/passwd"}),
        *both("replace", "/locations", []),
        *both("remove", "/self"),
    ],
)
def test_what_is_not_for_clients_is_forbidden(media_type: str, operation: dict[str, Any]) -> None:
    with pytest.raises(Forbidden):
        changed(operation, media_type=media_type)


@pytest.mark.parametrize("name", ["disk_format", "container_format"])
def test_formats_can_be_changed_before_the_bytes_are_verified(name: str) -> None:
    operation = {"op": "replace", "path": f"/{name}", "value": None}
    for status in (Status.QUEUED, Status.UPLOADING):
        assert getattr(changed(operation, before=image(status=status)), name) is None
    for status in (Status.SAVING, Status.IMPORTING, Status.ACTIVE, Status.DEACTIVATED):
        with pytest.raises(Forbidden, match="queued"):
            changed(operation, before=image(status=status))


@pytest.mark.parametrize(
    "operation",
    [
        "no object",
        {},
        {"op": "move", "path": "/name", "value": "x"},
        {"op": "add", "value": "x"},
        {"op": "add", "path": "name", "value": "x"},
        {"op": "add", "path": 5, "value": "x"},
        {"op": "add", "path": "/", "value": "x"},
        {"op": "add", "path": "//", "value": "x"},
        {"op": "add", "path": "/a/b", "value": "x"},
        {"op": "add", "path": "/tags/-", "value": "x"},
        {"op": "add", "path": "/a/", "value": "x"},
        {"op": "add", "path": "/a~2b", "value": "x"},
        {"op": "add", "path": "/a~", "value": "x"},
        {"op": "add", "path": "/name"},
        {"op": "add", "path": "/name", "value": 5},
        {"op": "add", "path": "/min_disk", "value": -1},
        {"op": "add", "path": "/min_ram", "value": None},
        {"op": "add", "path": "/os_distro", "value": True},
        {"op": "add", "path": "/" + "x" * 256, "value": "x"},
        {"op": "add", "path": "/visibility", "value": "secret"},
    ],
)
def test_what_is_no_operation_is_refused_with_a_sentence(operation: Any) -> None:
    with pytest.raises(InvalidInput, match=r"\w+ \w+"):
        changed(operation)


@pytest.mark.parametrize("operation", [{"add": "/a", "remove": "/b"}, {"value": "x"}, [], {"op": "add", "path": "/a"}])
def test_the_old_media_type_wants_exactly_one_key(operation: Any) -> None:
    with pytest.raises(InvalidInput, match="exactly one"):
        changed(operation, media_type=V2_0)


def test_escapes_and_blanks_around_a_segment_are_undone() -> None:
    after = changed({"op": "add", "path": "/ a~1b~0c ", "value": "x"})
    assert "a/b~c" in after.properties


def test_the_first_failure_discards_everything() -> None:
    with pytest.raises(Conflict):
        changed({"op": "replace", "path": "/name", "value": "db"}, {"op": "remove", "path": "/nowhere"})


def test_too_many_tags_or_properties_are_too_large() -> None:
    with pytest.raises(TooLarge):
        changed({"op": "replace", "path": "/tags", "value": [str(n) for n in range(129)]})
    with pytest.raises(TooLarge):
        changed(*({"op": "add", "path": f"/p{n}", "value": ""} for n in range(128)))


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda i: st.lists(i) | st.dictionaries(st.text(), i),
    max_leaves=6,
)
operations = st.fixed_dictionaries(
    {}, optional={"op": st.sampled_from(["add", "replace", "remove"]) | json, "path": st.text() | json, "value": json}
)


@given(st.lists(operations | json, max_size=4) | json, st.sampled_from([V2_1, V2_0]))
def test_any_document_gives_an_image_or_one_of_our_errors(document: Any, media_type: str) -> None:
    with suppress(StillageError):
        assert patch.apply(BEFORE, patch.parse(document, media_type), now=T0).id == BEFORE.id
