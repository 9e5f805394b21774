"""Metadata definitions: namespaces, and the objects, properties, tags and resource types in them."""

from typing import Any

import pytest

from image_api import Person

NAMESPACES = "/v2/metadefs/namespaces"
VTPM = "OS::Compute::VTPM"
PATH = f"{NAMESPACES}/{VTPM}"
MODEL = {"title": "Model", "type": "string", "enum": ["tpm-tis", "tpm-crb"], "operators": ["<in>"]}
WHOLE: dict[str, Any] = {
    "namespace": VTPM,
    "display_name": "Virtual TPM",
    "description": "Which TPM a server has",
    "visibility": "public",
    "properties": {"tpm_model": MODEL, "tpm_version": {"title": "Version", "type": "string"}},
    "objects": [{"name": "Firmware", "required": ["uefi"], "properties": {"uefi": {"title": "U", "type": "boolean"}}}],
    "tags": [{"name": "secure"}, {"name": "new"}],
    "resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}, {"name": "OS::Glance::Image"}],
}
# Every path below a namespace, with the methods that it has.
BELOW = [
    ("", ("GET", "PUT", "DELETE")),
    *((f"/{kind}", ("GET", "POST", "DELETE")) for kind in ("objects", "properties", "tags")),
    ("/resource_types", ("GET", "POST")),
    ("/objects/Firmware", ("GET", "PUT", "DELETE")),
    ("/properties/tpm_model", ("GET", "PUT", "DELETE")),
    ("/tags/secure", ("GET", "PUT", "DELETE", "POST")),
    ("/resource_types/OS::Nova::Flavor", ("DELETE",)),
]
VALID: dict[str, dict[str, Any]] = {
    "": {"namespace": "x"},
    "/objects": {"name": "x"},
    "/properties": {"name": "x", **MODEL},
    "/tags": {"tags": []},
    "/resource_types": {"name": "x"},
    "/tags/secure": {"name": "x"},
    "/objects/Firmware": {"name": "x"},
    "/properties/tpm_model": {"name": "x", **MODEL},
}


async def made(ada: Person, **changes: Any) -> dict[str, Any]:
    answer = await ada("POST", NAMESPACES, {**WHOLE, **changes})
    assert answer.status == 201, answer.body
    document: dict[str, Any] = answer.json
    return document


async def names(person: Person, query: str = "") -> list[str]:
    answer = await person("GET", f"{NAMESPACES}{query}")
    assert answer.status == 200, answer.body
    return [each["namespace"] for each in answer.json["namespaces"]]


async def test_a_namespace_is_stored_with_everything_in_it(ada: Person, rita: Person) -> None:
    answer = await ada("POST", NAMESPACES, WHOLE)
    assert answer.status == 201
    assert answer.headers["location"].endswith("/v2/metadefs/namespaces/OS%3A%3ACompute%3A%3AVTPM")
    shown = (await rita("GET", PATH)).json
    assert shown == answer.json
    assert shown["owner"] == "ops"
    assert shown["protected"] is False
    assert shown["schema"] == "/v2/schemas/metadefs/namespace"
    assert (await rita("GET", shown["self"])).json == shown
    assert shown["properties"] == WHOLE["properties"]
    assert {each["name"] for each in shown["tags"]} == {"secure", "new"}
    [firmware] = shown["objects"]
    assert firmware.items() >= WHOLE["objects"][0].items()
    assert (await rita("GET", firmware["self"])).json == firmware
    [image, flavor] = shown["resource_type_associations"]
    assert (image["name"], flavor["name"], flavor["prefix"]) == ("OS::Glance::Image", "OS::Nova::Flavor", "hw:")


async def test_nothing_of_a_namespace_is_stored_if_a_part_is_invalid(ada: Person) -> None:
    for broken in (
        {"tags": [{"name": "a"}, {"name": "a"}]},
        {"properties": {"p": {"title": "no type"}}},
        {"objects": [{"name": "o", "properties": {"p": {"type": "string"}}}]},
        {"resource_type_associations": [{"prefix": "nameless"}]},
    ):
        assert (await ada("POST", NAMESPACES, {**WHOLE, **broken})).status == 400, broken
    assert await names(ada) == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"namespace": ""}, 400),
        ({"namespace": "a/b"}, 400),
        ({"namespace": "n" * 81}, 400),
        ({"namespace": "a\0b"}, 400),
        ({"display_name": "n" * 81}, 400),
        ({"description": "n" * 501}, 400),
        ({"description": None}, 400),
        ({"visibility": "shared"}, 400),
        ({"protected": "yes"}, 400),
        ({"colour": "red"}, 400),
        ({"properties": {"p": {**MODEL, "type": "text"}}}, 400),
        ({"properties": {"p": {**MODEL, "maxLength": -1}}}, 400),
        ({"properties": {"p": {**MODEL, "colour": "red"}}}, 400),
        ({"properties": {"p/q": MODEL}}, 400),
        ({"properties": []}, 400),
        ({"tags": {"name": "a"}}, 400),
        ({"self": "/"}, 403),
        ({"created_at": "2026-01-02T03:04:05Z"}, 403),
        ({"objects": [{"name": "o", "schema": "/"}]}, 403),
        ({"tags": [{"name": f"{number}"} for number in range(1001)]}, 413),
        ({"resource_type_associations": [{"name": f"{number}"} for number in range(65)]}, 413),
    ],
)
async def test_limits(ada: Person, changes: dict[str, Any], status: int) -> None:
    answer = await ada("POST", NAMESPACES, {**WHOLE, **changes})
    assert answer.status == status, answer.body
    assert await names(ada) == []


async def test_all_that_is_in_a_namespace_fits_into_one_answer(ada: Person) -> None:
    long = {**MODEL, "description": "x" * 60_000}
    await made(ada, properties={f"p{number}": long for number in range(17)})
    answer = await ada("POST", f"{PATH}/properties", {"name": "one more", **long})
    assert answer.status == 413
    assert "1048576" in answer.message
    assert len((await ada("GET", f"{PATH}/properties")).json["properties"]) == 17


async def test_an_ordinary_user_reads_and_changes_nothing(ada: Person, erin: Person) -> None:
    await made(ada)
    assert (await erin("POST", NAMESPACES, {**WHOLE, "namespace": "mine"})).status == 403
    for path, methods in BELOW:
        for method in methods:
            answer = await erin(method, PATH + path, VALID.get(path) if method in ("POST", "PUT") else None)
            assert answer.status == (200 if method == "GET" else 403), (method, path)


async def test_a_foreign_private_namespace_is_answered_like_one_that_is_not_there(
    ada: Person, erin: Person, olga: Person
) -> None:
    await made(ada, visibility="private", owner="lab")
    assert await names(erin) == [VTPM]
    assert await names(ada) == [VTPM]
    assert await names(olga) == []
    assert (await erin("GET", PATH)).status == 200
    for path, methods in BELOW:
        for method in methods:
            body = VALID.get(path) if method in ("POST", "PUT") else None
            hidden = await olga(method, PATH + path, body)
            missing = await olga(method, f"{NAMESPACES}/{'x' * len(VTPM)}{path}", body)
            assert hidden.status == missing.status == 404, (method, path)
            assert hidden.message.replace(VTPM, "x" * len(VTPM)) == missing.message
    assert (await olga("GET", f"{NAMESPACES}?marker={VTPM}")).status == 404
    await made(ada, namespace="mine", resource_type_associations=[{"name": "OS::Secret"}], visibility="private")
    assert "OS::Secret" not in (await olga("GET", "/v2/metadefs/resource_types")).body.decode()


async def test_a_name_is_taken_once(ada: Person) -> None:
    await made(ada)
    await made(ada, namespace="other")
    assert (await ada("POST", NAMESPACES, WHOLE)).status == 409
    assert (await ada("PUT", f"{NAMESPACES}/other", {"namespace": VTPM})).status == 409
    for path in ("/objects", "/properties", "/resource_types"):
        first = VALID[path] | {
            "name": {"/objects": "Firmware", "/properties": "tpm_model"}.get(path, "OS::Glance::Image")
        }
        assert (await ada("POST", PATH + path, first)).status == 409, path
    assert (await ada("POST", f"{PATH}/tags/secure")).status == 409
    assert (await ada("PUT", f"{PATH}/tags/secure", {"name": "new"})).status == 409


async def test_replacing_a_namespace_resets_what_is_left_out(ada: Person) -> None:
    before = await made(ada)
    answer = await ada("PUT", PATH, {"namespace": "renamed", "description": "d"})
    assert answer.status == 200
    assert answer.json.items() >= {"namespace": "renamed", "visibility": "private", "description": "d"}.items()
    assert "display_name" not in answer.json
    after = (await ada("GET", f"{NAMESPACES}/renamed")).json
    assert after["properties"] == before["properties"]
    assert after["created_at"] == before["created_at"]
    assert (await ada("GET", PATH)).status == 404


async def test_nothing_of_a_protected_namespace_is_deleted(ada: Person) -> None:
    await made(ada, protected=True)
    for path, methods in BELOW:
        if "DELETE" in methods:
            assert (await ada("DELETE", PATH + path)).status == 403, path
    assert (await ada("PUT", PATH, {"namespace": VTPM})).status == 200
    assert (await ada("DELETE", PATH)).status == 204
    assert (await ada("GET", PATH)).status == 404
    assert (await ada("POST", NAMESPACES, {"namespace": VTPM})).json.get("tags") is None


async def test_each_definition_is_added_changed_and_deleted(ada: Person) -> None:
    await made(ada, objects=[], properties={}, tags=[], resource_type_associations=[])
    for path, changed in (
        ("/objects", {"name": "b", "description": "d"}),
        ("/properties", {"name": "b", **MODEL}),
        ("/tags", {"name": "b"}),
    ):
        document = {"name": "a"} if path != "/properties" else {"name": "a", **MODEL}
        created = await (ada("POST", f"{PATH}/tags/a") if path == "/tags" else ada("POST", PATH + path, document))
        assert (created.status, created.json["name"]) == (201, "a")
        assert (await ada("GET", f"{PATH}{path}/a")).json == created.json
        answer = await ada("PUT", f"{PATH}{path}/a", changed)
        assert answer.status == 200
        assert answer.json.items() >= changed.items()
        assert (await ada("GET", f"{PATH}{path}/a")).status == 404
        assert (await ada("DELETE", f"{PATH}{path}/b")).status == 204
        assert (await ada("DELETE", f"{PATH}{path}/b")).status == 404
        assert (await ada("PUT", f"{PATH}{path}/b", changed)).status == 404
    assert (await ada("POST", f"{PATH}/resource_types", {"name": "T", "prefix": "t:"})).status == 201
    [associated] = (await ada("GET", f"{PATH}/resource_types")).json["resource_type_associations"]
    assert (associated["name"], associated["prefix"]) == ("T", "t:")
    assert (await ada("DELETE", f"{PATH}/resource_types/T")).status == 204
    assert (await ada("DELETE", f"{PATH}/resource_types/T")).status == 404


async def test_all_of_one_kind_are_deleted_and_the_others_stay(ada: Person) -> None:
    await made(ada)
    for path in ("/objects", "/properties", "/tags"):
        assert (await ada("DELETE", PATH + path)).status == 204
        assert not (await ada("GET", PATH + path)).json[path[1:]]
    assert len((await ada("GET", PATH)).json["resource_type_associations"]) == 2


async def test_tags_are_replaced_unless_they_are_appended(ada: Person) -> None:
    await made(ada)
    answer = await ada("POST", f"{PATH}/tags", {"tags": [{"name": "one"}]})
    assert (answer.status, answer.json) == (201, {"tags": [{"name": "one"}]})
    added = await ada("POST", f"{PATH}/tags", {"tags": [{"name": "two"}]}, x_openstack_append="True")
    assert added.json == {"tags": [{"name": "two"}]}
    both = (await ada("GET", f"{PATH}/tags?sort_key=name&sort_dir=asc")).json
    assert both == {"tags": [{"name": "one"}, {"name": "two"}]}
    again = await ada("POST", f"{PATH}/tags", {"tags": [{"name": "two"}]}, x_openstack_append="True")
    assert again.status == 409


async def test_names_of_properties_have_the_prefix_of_the_resource_type(ada: Person, erin: Person) -> None:
    await made(ada)
    shown = (await erin("GET", f"{PATH}?resource_type=OS::Nova::Flavor")).json
    assert set(shown["properties"]) == {"hw:tpm_model", "hw:tpm_version"}
    assert set(shown["objects"][0]["properties"]) == {"hw:uefi"}
    assert shown["objects"][0]["required"] == ["hw:uefi"]
    assert set((await erin("GET", f"{PATH}?resource_type=OS::Glance::Image")).json["properties"]) == {
        *WHOLE["properties"]
    }
    one = await erin("GET", f"{PATH}/properties/hw:tpm_model?resource_type=OS::Nova::Flavor")
    assert one.json == {"name": "tpm_model", **MODEL}
    for path in ("tpm_model?resource_type=OS::Nova::Flavor", "hw:tpm_model?resource_type=OS::Glance::Image"):
        assert (await erin("GET", f"{PATH}/properties/{path}")).status == 404


async def test_pages_filters_and_order_of_namespaces(ada: Person, erin: Person) -> None:
    for name in "cab":
        await made(ada, namespace=name, resource_type_associations=[{"name": f"T::{name}"}])
    await made(ada, namespace="d", visibility="private", owner="lab")
    assert await names(erin, "?sort_key=namespace&sort_dir=asc") == ["a", "b", "c", "d"]
    assert await names(erin, "?sort_key=namespace") == ["d", "c", "b", "a"]
    assert await names(erin, "?visibility=private") == ["d"]
    assert await names(erin, "?resource_types=T::a,T::b&sort_key=namespace&sort_dir=asc") == ["a", "b"]
    seen, path = [], f"{NAMESPACES}?sort_key=namespace&sort_dir=asc&limit=3"
    while path:
        page = (await erin("GET", path)).json
        seen += [each["namespace"] for each in page["namespaces"]]
        assert page["first"] == f"{NAMESPACES}?sort_key=namespace&sort_dir=asc&limit=3"
        path = page.get("next", "")
    assert seen == ["a", "b", "c", "d"]
    assert await names(erin, "?marker=c") == ["a", "b"] or await names(erin, "?sort_key=namespace&marker=c") == [
        "b",
        "a",
    ]
    [first, *_] = (await erin("GET", f"{NAMESPACES}?sort_key=namespace&sort_dir=asc")).json["namespaces"]
    assert first["resource_type_associations"][0]["name"] == "T::a"
    assert "properties" not in first, "a list shows no more than the resource types"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=-1", 400), ("limit=x", 400), ("limit=0", 200), ("limit=5000", 200), ("sort_key=name", 400),
        ("sort_dir=up", 400), ("visibility=shared", 400), ("marker=nothing", 404), ("colour=red", 200),
        ("limit=1&limit=2", 400),
    ],
)  # fmt: skip
async def test_queries(erin: Person, query: str, status: int) -> None:
    assert (await erin("GET", f"{NAMESPACES}?{query}")).status == status


async def test_the_usual_resource_types_are_listed_and_those_that_are_used(ada: Person, erin: Person) -> None:
    await made(ada, resource_type_associations=[{"name": "OS::My::Thing"}, {"name": "OS::Nova::Flavor"}])
    listed = (await erin("GET", "/v2/metadefs/resource_types")).json["resource_types"]
    used = {each["name"] for each in listed if "created_at" in each}
    assert used == {"OS::My::Thing", "OS::Nova::Flavor"}
    assert {"OS::Glance::Image", "OS::Cinder::Volume"} < {each["name"] for each in listed}


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("namespace", "namespace"), ("namespaces", "namespaces"), ("object", "object"), ("objects", "objects"),
        ("property", "property"), ("properties", "properties"), ("tag", "tag"), ("tags", "tags"),
        ("resource_type", "resource_type_association"), ("resource_types", "resource_type_associations"),
    ],
)  # fmt: skip
async def test_each_schema_has_the_name_that_glance_gives_it(rita: Person, name: str, called: str) -> None:
    schema = (await rita("GET", f"/v2/schemas/metadefs/{name}")).json
    assert schema["name"] == called
    assert schema["properties"]


async def test_a_name_that_no_database_can_compare_is_not_there(erin: Person) -> None:
    for path in ("%00", "%ED%A0%80", "a%00b/objects", "a/tags/%00"):
        assert (await erin("GET", f"{NAMESPACES}/{path}")).status == 404
