"""Schemas, stores, import methods, use: what clients read before they act."""

import pytest

from image_api import Person


@pytest.mark.parametrize("name", ["image", "images", "member", "members", "task", "tasks"])
async def test_each_schema_has_its_name(rita: Person, name: str) -> None:
    answer = await rita("GET", f"/v2/schemas/{name}")
    assert (answer.status, answer.json["name"]) == (200, name)
    assert answer.json["properties"]


@pytest.mark.parametrize("name", ["", "nothing", "metadefs", "metadefs/image", "image/", "Image"])
async def test_other_schemas_are_none(erin: Person, name: str) -> None:
    assert (await erin("GET", f"/v2/schemas/{name}")).status == 404


async def test_the_image_schema_describes_what_is_shown(erin: Person) -> None:
    schema = (await erin("GET", "/v2/schemas/image")).json
    image = await erin.stored(colour="red")
    base = {name for name, entry in schema["properties"].items() if "is_base" not in entry}
    assert base == image.keys() - {"colour"}
    assert schema["additionalProperties"] == {"type": "string"}
    assert {link["rel"]: link["href"] for link in schema["links"]} == {
        "self": "{self}",
        "enclosure": "{file}",
        "describedby": "{schema}",
    }
    formats = schema["properties"]["disk_format"]["enum"]
    assert formats[0] is None
    assert {"zvhd", "zvhd2", "qed", "qcow", "raw", "qcow2", "vhd", "vmdk", "vdi", "vhdx", "iso"} <= set(formats)
    read_only = {name for name, entry in schema["properties"].items() if entry.get("readOnly")}
    assert {"status", "size", "checksum", "self", "file", "schema", "created_at"} <= read_only
    assert not read_only & {"id", "name", "visibility", "tags", "min_disk", "disk_format", "owner"}


@pytest.mark.parametrize("name", ["status", "checksum", "size", "self"])
async def test_what_the_schema_calls_read_only_is_refused(erin: Person, name: str) -> None:
    assert (await erin("POST", "/v2/images", {name: "x"})).status == 403


async def test_lists_hold_the_schemas_of_their_items(erin: Person) -> None:
    image = (await erin("GET", "/v2/schemas/image")).json
    images = (await erin("GET", "/v2/schemas/images")).json
    assert images["properties"]["images"]["items"] == image
    assert {link["rel"] for link in images["links"]} == {"first", "next", "describedby"}
    member = (await erin("GET", "/v2/schemas/member")).json
    assert (await erin("GET", "/v2/schemas/members")).json["properties"]["members"]["items"] == member
    assert set(member["properties"]) == {"member_id", "image_id", "created_at", "updated_at", "status", "schema"}


async def test_stores(erin: Person, ada: Person) -> None:
    answer = await erin("GET", "/v2/info/stores")
    assert answer.status == 200
    [store] = answer.json["stores"]
    assert store["default"] == "true", "a string, as glanceclient expects"
    refused = await erin("GET", "/v2/info/stores/detail")
    assert refused.status == 403
    assert "stores_info_detail" in refused.message
    [detail] = (await ada("GET", "/v2/info/stores/detail")).json["stores"]
    assert (detail["id"], detail["type"], detail["weight"]) == (store["id"], "file", 0)


async def test_the_store_can_be_named_in_an_upload(erin: Person) -> None:
    [store] = (await erin("GET", "/v2/info/stores")).json["stores"]
    image_id = (await erin.create(disk_format="raw"))["id"]
    answer = await erin.upload(image_id, x_image_meta_store="elsewhere")
    assert answer.status == 400
    assert store["id"] in answer.message
    assert (await erin.upload(image_id, x_image_meta_store=store["id"])).status == 204


async def test_use_is_counted(erin: Person, olga: Person) -> None:
    async def usage(person: Person) -> dict[str, int]:
        document = (await person("GET", "/v2/info/usage")).json["usage"]
        return {name: entry["usage"] for name, entry in document.items()}

    nothing = {"image_size_total": 0, "image_count_total": 0, "image_count_uploading": 0, "image_stage_total": 0}
    assert await usage(erin) == nothing
    await erin.stored(b"x" * (1 << 20))
    image = await erin.stored(b"x" * 512)
    assert await usage(erin) == nothing | {"image_size_total": 2, "image_count_total": 2}
    record = (await erin.create(disk_format="raw"))["id"]
    async with erin.uploading(record):
        assert await usage(erin) == nothing | {
            "image_size_total": 2 + 64,  # of unknown size, so 64 MiB are reserved to begin with
            "image_count_total": 3,
            "image_count_uploading": 1,
        }
    await erin("DELETE", f"/v2/images/{image['id']}")
    await erin("DELETE", f"/v2/images/{record}")
    assert await usage(erin) == nothing | {"image_size_total": 1, "image_count_total": 1}
    assert await usage(olga) == nothing
