"""What a request for an import may say."""

from typing import Any

import pytest

from stillage.errors import ImportMethodUnknown, InvalidInput
from stillage.images.import_request import MAX_STORES, Method, parse

ALL = [*Method]
WEB = {"name": "web-download", "uri": "https://example.net/disk.img"}
REMOTE_ID = "0d6f4a8e-6a55-4d0e-9f0b-2f6f2f0c9a11"
REMOTE = {"name": "glance-download", "glance_region": "east", "glance_image_id": REMOTE_ID}


def test_what_is_left_out_has_glances_defaults() -> None:
    request = parse({"method": {"name": "glance-direct"}}, ALL)
    assert (request.method, request.stores, request.all_stores, request.must_succeed) == (
        Method.STAGED,
        None,
        False,
        True,
    )


def test_every_method_says_where_from() -> None:
    assert parse({"method": WEB}, ALL).url == WEB["uri"]
    assert parse({"method": REMOTE}, ALL).remote == ("east", REMOTE_ID, "public")
    inside = {**REMOTE, "glance_image_id": REMOTE_ID.upper(), "glance_service_interface": "internal"}
    assert parse({"method": inside}, ALL).remote == ("east", REMOTE_ID, "internal")


def test_the_request_is_shown_without_what_nobody_knows() -> None:
    more = {"stores": ["a", "b", "a"], "all_stores": False, "all_stores_must_succeed": False, "secret": "s"}
    request = parse({"method": {**WEB, "token": "t"}, **more}, ALL)
    assert request.stores == ("a", "b")
    known = {"stores": ["a", "b"], "all_stores": False, "all_stores_must_succeed": False}
    assert request.document == {"method": WEB, **known}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"method": None},
        {"method": "web-download"},
        {"method": {}},
        {"method": {"name": 1}},
        {"method": {"name": "web-download"}},
        {"method": {"name": "web-download", "uri": ""}},
        {"method": {"name": "web-download", "uri": 7}},
        {"method": {"name": "web-download", "uri": "https://x/" + "y" * 2048}},
        {"method": {"name": "web-download", "uri": "https://x/\0"}},
        {"method": {**REMOTE, "glance_image_id": "foo"}},
        {"method": {"name": "glance-download", "glance_region": "east"}},
        {"method": {"name": "glance-download", "glance_image_id": REMOTE_ID}},
        {"method": WEB, "all_stores": "true"},
        {"method": WEB, "all_stores_must_succeed": 1},
        {"method": WEB, "all_stores": None},
        {"method": WEB, "stores": "fast"},
        {"method": WEB, "stores": []},
        {"method": WEB, "stores": None},
        {"method": WEB, "stores": [1]},
        {"method": WEB, "stores": [f"s{n}" for n in range(MAX_STORES + 1)]},
        {"method": WEB, "stores": ["a"], "all_stores": True},
    ],
)
def test_anything_else_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        parse(document, ALL)


@pytest.mark.parametrize("name", ["nothing", "web-download", ""])
def test_a_method_that_is_not_enabled_is_unknown(name: str) -> None:
    with pytest.raises(ImportMethodUnknown, match="copy-image"):
        parse({"method": {**WEB, "name": name}}, ["copy-image"])
