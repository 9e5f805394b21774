"""IMS, tags: by the document. Source: IMS API Reference, "Image Tags"."""

from typing import Any

import pytest

from ims_steps import MISSING, Operation, Step, Walk, refused
from shapes import Each, Has

pytestmark = pytest.mark.asyncio(loop_scope="session")

OF_IMAGE = "/v2/$project/images/$active/tags"
BLUE = {"key": "team", "value": "blue"}
PAIRS = Each({"key": str, "value": str}, least=0)


def tags(image: str, *pairs: dict[str, str]) -> Step:
    """The image has these tags, shown alike by both lists."""
    return Step(f"GET /v2/$project/images/{image}/tags", shape={"tags": list(pairs)})


def unknown(line: str, body: Any = None) -> list[Step]:
    """Images that are not there, or not for the user, are one and the same answer."""
    return [Step(line.replace("$active", one), body, 404, "IMG.0144") for one in ("$none", "$foreign", "x")]


SHOWN = Operation(
    f"GET {OF_IMAGE}",
    [
        tags("$active"),
        tags("$tagged", BLUE, {"key": "solo", "value": ""}),
        tags("$accepted"),
        tags("$public"),
        *unknown(f"GET {OF_IMAGE}"),
    ],
)

ADDED = Operation(
    f"POST {OF_IMAGE}",
    [
        Step(f"POST {OF_IMAGE}", {"tag": BLUE}, 204),
        tags("$active", BLUE),
        Step(f"POST {OF_IMAGE}", {"tag": BLUE}, 204),
        tags("$active", BLUE),
        Step(f"POST {OF_IMAGE}", {"tag": {"key": "team", "value": "green"}}, 204),
        tags("$active", {"key": "team", "value": "green"}),
        Step(f"POST {OF_IMAGE}", {"tag": {"key": "solo", "value": ""}}, 204),
        Step(f"POST {OF_IMAGE}", {"tag": {"key": "k" * 36, "value": "v" * 43}}, 204),
        Step(f"POST {OF_IMAGE}", {"tag": {"key": "  edges ", "value": " v "}}, 204),
        Step(f"POST {OF_IMAGE}", {"tag": {"key": "\u4e1c", "value": "\u897f"}}, 204),
        Step(f"POST {OF_IMAGE}", {"tag": {"key": "eq", "value": "a=b.c"}, "more": 1}, 204),
        tags(
            "$active", {"key": "team", "value": "green"}, {"key": "solo", "value": ""}, {"key": "k" * 36, "value": "v" * 43},
            {"key": "edges", "value": "v"}, {"key": "\u4e1c", "value": "\u897f"}, {"key": "eq", "value": "a=b.c"},
        ),
        Step("GET /v2/cloudimages?id=$active&tag=team%3Dgreen", shape={"images": [Has(id="$active")]}),
        Step("POST /v2/$project/images/$queued/tags", {"tag": BLUE}, 204),
        Step("POST /v2/$project/images/$full/tags", {"tag": BLUE}, 400, "IMG.0116"),
        Step("POST /v2/$project/images/$full/tags", {"tag": {"key": "k1", "value": "other"}}, 204),
        *refused(
            f"POST {OF_IMAGE}", {"tag": BLUE},
            ({"tag": MISSING}, "IMG.0115"), ({"tag": None}, "IMG.0115"), ({"tag": "team=blue"}, "IMG.0115"), ({"tag": []}, "IMG.0115"),
            ({"tag": {"key": "team"}}, "IMG.0115"), ({"tag": {"value": "blue"}}, "IMG.0115"), ({"tag": {"key": "", "value": "v"}}, "IMG.0115"),
            ({"tag": {"key": "  ", "value": "v"}}, "IMG.0115"), ({"tag": {"key": "k" * 37, "value": "v"}}, "IMG.0115"),
            ({"tag": {"key": "k", "value": "v" * 44}}, "IMG.0115"), ({"tag": {"key": 1, "value": "v"}}, "IMG.0115"),
            ({"tag": {"key": "k", "value": 1}}, "IMG.0115"), ({"tag": {"key": "k", "value": None}}, "IMG.0115"),
            ({"tag": {"key": "a\nb", "value": "v"}}, "IMG.0115"),
        ),
        Step("POST /v2/$project/images/$public/tags", {"tag": BLUE}, 403, "IMG.0026"),
        Step("POST /v2/$project/images/$accepted/tags", {"tag": BLUE}, 403, "IMG.0026"),
        *unknown(f"POST {OF_IMAGE}", {"tag": BLUE}),
    ],
    body={"tag": BLUE},
    writes=True,
)  # fmt: skip

REMOVED = Operation(
    "DELETE /v2/$project/images/$tagged/tags/team",
    [
        Step("DELETE /v2/$project/images/$tagged/tags/team", status=204),
        tags("$tagged", {"key": "solo", "value": ""}),
        Step("DELETE /v2/$project/images/$tagged/tags/team", status=404, code="IMG.0027"),
        Step("DELETE /v2/$project/images/$tagged/tags/solo", status=204),
        tags("$tagged"),
        Step("POST /v2/$project/images/$tagged/tags", {"tag": {"key": "a b", "value": "v"}}, 204),
        Step("DELETE /v2/$project/images/$tagged/tags/a%20b", status=204),
        Step("DELETE /v2/$project/images/$tagged/tags/%C3%BC", status=404, code="IMG.0027"),
        Step(f"DELETE /v2/$project/images/$tagged/tags/{'k' * 200}", status=404, code="IMG.0027"),
        Step("DELETE /v2/$project/images/$public/tags/team", status=403, code="IMG.0026"),
        *unknown("DELETE /v2/$project/images/$active/tags/team"),
    ],
    writes=True,
)

ACTION = f"POST {OF_IMAGE}/action"
SEVERAL = Operation(
    ACTION,
    [
        Step(ACTION, {"action": "create", "tags": [BLUE, {"key": "solo", "value": ""}]}, 204),
        tags("$active", BLUE, {"key": "solo", "value": ""}),
        Step(ACTION, {"action": "create", "tags": [{"key": "team", "value": "red"}, {"key": "b", "value": "c"}]}, 204),
        Step(ACTION, {"action": "delete", "tags": [{"key": "solo", "value": "whatever"}, {"key": "absent", "value": ""}]}, 204),
        tags("$active", {"key": "team", "value": "red"}, {"key": "b", "value": "c"}),
        Step(ACTION, {"action": "delete", "tags": [{"key": "team"}]}, 204),
        Step(ACTION, {"action": "delete", "tags": [{"key": "n" * 127, "value": "v" * 255}]}, 204),
        tags("$active", {"key": "b", "value": "c"}),
        Step(ACTION, {"action": "create", "tags": [{"key": f"n{n}", "value": ""} for n in range(9)]}, 204),
        Step(ACTION, {"action": "create", "tags": [{"key": "eleventh", "value": ""}]}, 400, "IMG.0116"),
        Step(ACTION, {"action": "create", "tags": [{"key": f"m{n}", "value": ""} for n in range(11)]}, 400, "IMG.0116"),
        *refused(
            ACTION, {"action": "create", "tags": [BLUE]},
            ({"action": "CREATE"}, "IMG.0001"), ({"action": MISSING}, "IMG.0001"), ({"action": "update"}, "IMG.0001"),
            ({"action": 1}, "IMG.0001"), ({"tags": MISSING}, "IMG.0115"), ({"tags": []}, "IMG.0115"), ({"tags": {}}, "IMG.0115"),
            ({"tags": ["team=blue"]}, "IMG.0115"), ({"tags": [BLUE, BLUE]}, "IMG.0115"),
            ({"tags": [BLUE, {"key": "team", "value": "red"}]}, "IMG.0115"), ({"tags": [{"key": "k"}]}, "IMG.0115"),
            ({"tags": [{"key": "k" * 37, "value": ""}]}, "IMG.0115"), ({"tags": [{"key": "k", "value": "v" * 44}]}, "IMG.0115"),
            ({"action": "delete", "tags": MISSING}, "IMG.0115"), ({"action": "delete", "tags": []}, "IMG.0115"),
            ({"action": "delete", "tags": [{}]}, "IMG.0115"), ({"action": "delete", "tags": [{"key": ""}]}, "IMG.0115"),
            ({"action": "delete", "tags": [BLUE, BLUE]}, "IMG.0115"), ({"action": "delete", "tags": [{"key": "k" * 128}]}, "IMG.0115"),
            ({"action": "delete", "tags": [{"key": "k", "value": "v" * 256}]}, "IMG.0115"),
        ),
        *unknown(ACTION, {"action": "create", "tags": [BLUE]}),
        *unknown(ACTION, {"action": "delete", "tags": [BLUE]}),
    ],
    body={"action": "create", "tags": [BLUE]},
    status=204,
    writes=True,
)  # fmt: skip

DELETED = "DELETE /v1/$project/cloudimages/$tagged/tags/delete"
REMOVED_SEVERAL = Operation(
    DELETED,
    [
        Step(DELETED, {"tags": [{"key": "team", "value": "blue"}, {"key": "absent"}]}, 204),
        tags("$tagged", {"key": "solo", "value": ""}),
        *refused(DELETED, {"tags": [BLUE]}, ({"tags": MISSING}, "IMG.0115"), ({"tags": [BLUE, BLUE]}, "IMG.0115")),
        *unknown("DELETE /v1/$project/cloudimages/$active/tags/delete", {"tags": [BLUE]}),
    ],
    body={"tags": [BLUE]},
    writes=True,
)

PUT = "PUT /v1/cloudimages/tags"
OLD = {"image_id": "$active", "tag": "aaaa.1111"}
PUT_ONE = Operation(
    PUT,
    [
        Step(PUT, OLD, 204),
        tags("$active", {"key": "aaaa", "value": "1111"}),
        Step(PUT, {"image_id": "$active", "tag": "aaaa.22.22"}, 204),
        tags("$active", {"key": "aaaa", "value": "22.22"}),
        Step(PUT, {"image_id": "$active", "tag": "aaaa=3.3"}, 204),
        Step(PUT, {"image_id": "$active", "tag": "alone"}, 204),
        Step(PUT, {"image_id": "$active", "image_tag": BLUE}, 204),
        tags("$active", {"key": "aaaa", "value": "3.3"}, {"key": "alone", "value": ""}, BLUE),
        Step("GET /v2/cloudimages?id=$active", shape={"images": [Has(tags=["aaaa=3.3", "alone", "team=blue"])]}),
        *refused(
            PUT, OLD,
            ({"image_tag": BLUE}, "IMG.0001"), ({"tag": MISSING}, "IMG.0001"), ({"image_id": MISSING}, "IMG.0001"),
            ({"image_id": 5}, "IMG.0001"), ({"tag": ""}, "IMG.0115"), ({"tag": 5}, "IMG.0115"), ({"tag": "k" * 37}, "IMG.0115"),
            ({"tag": "=v"}, "IMG.0115"), ({"tag": "k=" + "v" * 44}, "IMG.0115"), ({"tag": MISSING, "image_tag": "k=v"}, "IMG.0115"),
            ({"tag": MISSING, "image_tag": {"key": "k"}}, "IMG.0115"),
        ),
        Step(PUT, {"image_id": "$full", "tag": "new"}, 400, "IMG.0116"),
        Step(PUT, {"image_id": "$public", "tag": "new"}, 403, "IMG.0026"),
        *[Step(PUT, {**OLD, "image_id": one}, 404, "IMG.0144") for one in ("$none", "$foreign", "x")],
    ],
    body=OLD,
    writes=True,
)  # fmt: skip

ALL = "GET /v2/$project/images/tags"
OF_PROJECT = Operation(
    ALL,
    [
        Step(ALL, shape={"tags": Each({"key": str, "values": Each(str)}, least=0)}),
        Step("GET /v2/$works/images/tags", by="olga", shape={"tags": []}),
        Step("POST /v2/$works/images/$foreign/tags", {"tag": BLUE}, 204, by="olga"),
        Step("POST /v2/$works/images/$foreign/tags", {"tag": {"key": "solo", "value": ""}}, 204, by="olga"),
        Step("POST /v2/$works/images/$pending/tags", {"tag": {"key": "team", "value": "amber"}}, 204, by="olga"),
        Step(
            "GET /v2/$works/images/tags", by="olga",
            shape={"tags": [{"key": "solo", "values": [""]}, {"key": "team", "values": ["amber", "blue"]}]},
        ),
    ],
)  # fmt: skip

TEXTS = "GET /v1/cloudimages/tags"
AS_TEXTS = Operation(
    TEXTS,
    [
        Step(f"{TEXTS}?id=$tagged", shape={"tags": ["solo", "team=blue"]}),
        Step(f"{TEXTS}?id=$active", shape={"tags": []}),
        Step(f"{TEXTS}?id=$none", shape={"tags": []}),
        Step(f"{TEXTS}?id=$tagged&limit=1", shape={"tags": ["solo"]}),
        Step(f"{TEXTS}?id=$tagged&limit=1&page=2", shape={"tags": ["team=blue"]}),
        Step(f"{TEXTS}?id=$tagged&limit=1&page=3", shape={"tags": []}),
        Step(f"{TEXTS}?id=$tagged&page=1", shape={"tags": ["solo", "team=blue"]}),
        Step(f"{TEXTS}?limit=5&page=1", shape={"tags": Each(str)}),
        Step(f"{TEXTS}?id=$tagged&__imagetype=private&status=active&__os_type=Linux", shape={"tags": ["solo", "team=blue"]}),
        Step(f"{TEXTS}?id=$tagged&__imagetype=gold", shape={"tags": []}),
        Step(TEXTS, shape={"tags": Each(str)}),
        *[Step(f"{TEXTS}?{wrong}", status=400, code="IMG.0001") for wrong in ("limit=x", "page=x", "page=0", "limit=-1", "page=")],
    ],
)  # fmt: skip

FIND = "POST /v2/$project/images/resource_instances/action"
RESOURCE = {
    "resource_id": str,
    "resource_name": str,
    "resource_detail": {"status": str},
    "tags": PAIRS,
}
TAGGED = RESOURCE | {
    "resource_id": "$tagged", "resource_name": "tagged", "resource_detail": {"status": "active"},
    "tags": [BLUE, {"key": "solo", "value": ""}],
}  # fmt: skip
ONE = [{"key": "resource_id", "value": "$tagged"}]


def finds(**conditions: Any) -> list[Step]:
    """The conditions hold for the tagged image; it is counted as well."""
    body = {"matches": ONE, **conditions}
    return [
        Step(FIND, {"action": "filter", **body}, shape={"total_count": 1, "resources": [TAGGED]}),
        Step(FIND, {"action": "count", **body}, shape={"total_count": 1}),
    ]


def misses(**conditions: Any) -> list[Step]:
    body = {"action": "filter", "matches": ONE, **conditions}
    return [Step(FIND, body, shape={"total_count": 0, "resources": []})]


def key(name: str, *values: str) -> dict[str, Any]:
    return {"key": name, "values": list(values)}


FOUND = Operation(
    FIND,
    [
        *finds(),
        *finds(tags=[key("team", "blue", "green")]),
        *finds(tags=[key("team")]),
        *finds(tags=[key("team", "blue"), key("solo")]),
        *finds(tags=[key("solo", "")]),
        *misses(tags=[key("team", "red")]),
        *misses(tags=[key("team", "blue"), key("absent")]),
        *finds(tags_any=[key("absent"), key("team", "blue")]),
        *misses(tags_any=[key("absent"), key("team", "red")]),
        *finds(not_tags=[key("team", "blue"), key("absent")]),
        *misses(not_tags=[key("team", "blue"), key("solo")]),
        *misses(not_tags_any=[key("absent"), key("team", "blue")]),
        *finds(not_tags_any=[key("absent"), key("team", "red")]),
        *finds(tags=[key("team")], not_tags_any=[key("absent")], tags_any=[key("solo")]),
        *misses(without_any_tag=True),
        *misses(without_any_tag=True, tags=[key("team", "blue")]),
        *finds(without_any_tag=False),
        *finds(tags=[], tags_any=[], not_tags=[], not_tags_any=[]),
        *finds(matches=[*ONE, {"key": "resource_name", "value": "agg"}]),
        *misses(matches=[*ONE, {"key": "resource_name", "value": "nothing"}]),
        *misses(matches=[*ONE, {"key": "resource_name", "value": ""}]),
        *misses(matches=[{"key": "resource_id", "value": "$none"}]),
        *misses(matches=[{"key": "resource_id", "value": "$foreign"}]),
        *misses(matches=[{"key": "resource_id", "value": "x"}]),
        *finds(limit="1", offset="0"),
        *finds(limit=1, offset=0),
        *finds(limit="1000"),
        Step(FIND, {"action": "filter", "matches": ONE, "offset": "1"}, shape={"total_count": 1, "resources": []}),
        Step(FIND, {"action": "filter", "matches": ONE, "offset": "5000"}, shape={"total_count": 1, "resources": []}),
        Step(FIND, {"action": "filter"}, shape={"total_count": int, "resources": Each(RESOURCE)}),
        Step(FIND, {"action": "count"}, shape={"total_count": int}),
        Step(FIND, {"action": "count", "limit": "0", "offset": "-1"}, shape={"total_count": int}),
        *refused(
            FIND, {"action": "filter"},
            ({"action": MISSING}, "IMG.0001"), ({"action": "FILTER"}, "IMG.0001"), ({"action": "list"}, "IMG.0001"),
            ({"limit": "0"}, "IMG.0001"), ({"limit": "1001"}, "IMG.0001"), ({"limit": "x"}, "IMG.0001"), ({"offset": "-1"}, "IMG.0001"),
            ({"tags": "team"}, "IMG.0001"), ({"tags": [{"key": "team"}]}, "IMG.0001"), ({"tags": [{"values": []}]}, "IMG.0001"),
            ({"tags": [key("")]}, "IMG.0001"), ({"tags": [key("k" * 129)]}, "IMG.0001"), ({"tags": [key("k", "v" * 256)]}, "IMG.0001"),
            ({"tags": [key("k"), key("k")]}, "IMG.0001"), ({"tags": [key("k", "v", "v")]}, "IMG.0001"),
            ({"tags": [key(f"k{n}") for n in range(11)]}, "IMG.0001"), ({"tags": [key("k", *map(str, range(11)))]}, "IMG.0001"),
            ({"tags_any": [key("k"), key("k")]}, "IMG.0001"), ({"not_tags": 1}, "IMG.0001"), ({"not_tags_any": [1]}, "IMG.0001"),
            ({"without_any_tag": "yes"}, "IMG.0001"), ({"matches": {}}, "IMG.0001"), ({"matches": [{"key": "owner", "value": ""}]}, "IMG.0001"),
            ({"matches": [{"key": "resource_name"}]}, "IMG.0001"), ({"matches": [*ONE, *ONE]}, "IMG.0001"),
        ),
    ],
    body={"action": "filter"},
)  # fmt: skip

OPERATIONS = [SHOWN, ADDED, REMOVED, SEVERAL, REMOVED_SEVERAL, PUT_ONE, OF_PROJECT, AS_TEXTS, FOUND]


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
async def test_it_is_as_documented(walk: Walk, operation: Operation) -> None:
    await walk.show(operation)
