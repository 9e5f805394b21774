"""What the documents say of images is what creation, changes and the documentation say."""

from dataclasses import fields

from stillage.api import root
from stillage.api.identity_v3 import description as identity_v3
from stillage.api.image_v2 import description as image_v2
from stillage.api.image_v2.documents import Image, Member
from stillage.api.image_v2.schemas import schemas
from stillage.api.json_schemas import properties_of
from stillage.images import image as domain
from stillage.images import member as sharing
from stillage.images.creation import BASE, IGNORED, READ_ONLY, RESERVED_PREFIXES

# Of an image: what no client sees, and what is shown under another name.
HIDDEN = {
    "properties", "reason", "damage", "has_members", "stores", "active_at", "upload_id", "import_task", "importing_to",
    "failed_import", "version",
}  # fmt: skip


def test_a_member_is_read_only_where_creation_refuses_or_ignores_it() -> None:
    properties = properties_of(Image)
    read_only = {name for name, schema in properties.items() if schema.get("readOnly")}
    reserved = {name for name in properties if name.startswith(RESERVED_PREFIXES)}
    assert read_only == (READ_ONLY | IGNORED | reserved) & properties.keys()
    assert properties.keys() >= BASE.keys()


def test_every_attribute_of_an_image_and_of_a_share_is_a_member() -> None:
    assert {field.name for field in fields(domain.Image)} - HIDDEN <= Image.__required_keys__
    assert {field.name for field in fields(sharing.Member)} <= Member.__required_keys__


def test_nullable_members_have_two_types_as_glance_writes_them() -> None:
    properties = schemas()["image"]["properties"]
    assert properties["name"] == {"type": ["null", "string"], "maxLength": 255, "description": "Descriptive name"}
    assert properties["size"] == {"type": ["null", "integer"], "readOnly": True, "description": "Bytes of the data"}
    assert properties["disk_format"]["enum"][0] is None


def test_schemas_refer_to_nothing() -> None:
    assert "$ref" not in str(schemas())


def test_dialects_do_not_share_the_name_of_a_schema() -> None:
    names = [name for dialect in (root, image_v2, identity_v3) for name in dialect.schemas()]
    assert len(names) == len(set(names))
