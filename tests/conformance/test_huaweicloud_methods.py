"""Every method of Huawei Cloud's own SDK for IMS, signed: what it sends is understood, its models read the answers."""

import re
from typing import Any

import pytest

from clients import Account
from server import Server

pytestmark = pytest.mark.thorough

# Every request is made of the SDK's models, which refuse what they do not know; every answer is one of them.
SCRIPT = r"""
import os, re, time
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
import huaweicloudsdkims.v2 as sdk

config = HttpConfig.get_default_config()
config.ssl_ca_cert = authority
config.retry_times = 0
os.environ["HUAWEICLOUD_SDK_IAM_ENDPOINT"] = iam

def client(access, secret, project):
    credentials = BasicCredentials(access, secret, project)
    return sdk.ImsClient.new_builder().with_http_config(config).with_credentials(credentials).with_endpoint(url).build()

erin, olga = client(*keys[0]), client(*keys[1])
methods = sorted(n for n in dir(erin) if re.match("[a-z]", n) and f"{n}_invoker" in dir(erin))
called = set()

def model(kind, value):
    inner = re.match(r"list\[(.*)\]", kind)
    if inner:
        return [model(inner[1], each) for each in value]
    made = getattr(sdk, kind, None)
    if made is None or not isinstance(value, dict):
        return value
    return made(**{name: model(made.openapi_types[name], each) for name, each in value.items()})

def call(method, body=None, by=erin, **parameters):
    called.add(method)
    request = getattr(sdk, "".join(part.capitalize() for part in method.split("_")) + "Request")
    if body is not None:
        parameters["body"] = model(request.openapi_types["body"], body)
    return getattr(by, method)(request(**parameters))

def refused(method, body, **parameters):
    try:
        call(method, body, **parameters)
    except ClientRequestException as error:
        return [error.status_code, error.error_code]

def job(method, body, by=erin, **parameters):
    job_id = call(method, body, by, **parameters).job_id
    until = time.monotonic() + 60
    while time.monotonic() < until:
        shown = call("show_job", by=by, job_id=job_id)
        if shown.status not in ("INIT", "RUNNING"):
            assert shown.status == "SUCCESS", shown
            assert call("show_job_progress", by=by, job_id=job_id).status == "SUCCESS"
            return shown
        time.sleep(0.05)
    raise AssertionError(f"{method}: the job does not end")

def image(image_id, by=erin):
    (found,) = call("list_images", by=by, id=image_id, limit=500).images
    return found

project, other = keys[0][2], keys[1][2]
result = {}
web = {"name": "web", "image_url": "incoming:web.img", "min_disk": 1, "os_version": "CentOS 7.3 64bit"}
disk = {"name": "disk", "image_url": "incoming:web.img", "min_disk": 40}
blue = {"key": "team", "value": "blue"}

# Creations.
made = []
for method, body in (
    ("create_image", web | {"image_tags": [blue], "max_ram": 4096, "is_config": True, "type": "ECS"}),
    ("create_image_in_safe_mode", web), ("import_image_quick", web | {"architecture": "x86"}),
    ("import_image_quick_in_safe_mode", web), ("create_data_image", disk), ("create_data_image_in_safe_mode", disk),
):
    ended = job(method, body)
    made.append([method, ended.job_type, image(ended.entities.image_id).status])
    one = ended.entities.image_id if method == "create_image" else one
result["made"] = made
shown = image(one)
read = {}
for kind, names in mandatory.items():
    read |= {name: [kind, getattr(shown, name)] for name in names}
result["read"] = read

# Registration of a record that the image API made.
body = {"name": "record", "disk_format": "raw", "container_format": "bare", "os_version": "CentOS 7.3 64bit"}
record = call("glance_create_image_metadata", body)
result["record"] = [record.status, image(record.id).isregistered, image(record.id).platform]
ended = job("register_image", {"image_url": "incoming:web.img"}, image_id=record.id)
result["registered"] = [ended.job_type, image(record.id).status]

# Copies and exports.
for method in ("copy_image_in_region", "copy_image_in_region_in_safe_mode"):
    copy = job(method, {"name": "copy"}, image_id=one).entities.image_id
result["copy"] = [image(copy).originalimagename == one, image(copy).max_ram]
for method in ("export_image", "export_image_in_safe_mode"):
    job(method, {"bucket_url": f"incoming:{method}", "file_format": "qcow2"}, image_id=one)

# Changes.
changed = call("update_image", [{"op": "replace", "path": "/name", "value": "web 2"}], image_id=one)
result["changed"] = changed.name
call("glance_update_image", [{"op": "replace", "path": "/name", "value": "web 3"}], image_id=one)
result["changed again"] = call("glance_show_image", image_id=one).name
result["listed"] = [found.id == one for found in call("glance_list_images", name="web 3").images]

# Tags: eight calls, one set.
call("add_image_tag", {"tag": {"key": "a", "value": "1"}}, image_id=one)
more = [{"key": "b", "value": "2"}, {"key": "c", "value": ""}]
call("batch_add_or_delete_tags", {"action": "create", "tags": more}, image_id=one)
call("create_or_update_tags", {"image_id": one, "tag": "d.4"})
call("glance_create_tag", image_id=one, tag="e")
result["tags"] = [[tag.key, tag.value] for tag in call("list_image_tags", image_id=one).tags]
result["tags of all"] = [[tag.key, tag.values] for tag in call("list_images_tags").tags]
result["texts"] = call("list_tags", id=one).tags
wanted = [{"key": "team", "values": ["blue"]}]
found = call("list_image_by_tags", {"action": "filter", "tags": wanted, "limit": "10", "offset": "0"})
result["found"] = [found.total_count, [[each.resource_name, each.resource_detail.status] for each in found.resources]]
call("delete_image_tag", image_id=one, key="a")
call("glance_delete_tag", image_id=one, tag="e")
call("batch_delete_tags", {"tags": [{"key": "b", "value": "2"}]}, image_id=one)
result["tags left"] = call("list_tags", id=one).tags

# Members.
job("batch_add_members", {"images": [one], "projects": [other]})
job("batch_update_members", {"images": [one], "project_id": other, "status": "accepted"}, by=olga)
result["members"] = [[m.member_id == other, m.status] for m in call("list_image_members", image_id=one).members]
result["member"] = call("show_image_member", image_id=one, member_id=other).status
result["received"] = image(one, by=olga).imagetype
call("glance_update_image_member", {"status": "rejected"}, by=olga, image_id=one, member_id=other)
result["rejected"] = call("glance_show_image_member", image_id=one, member_id=other).status
job("batch_delete_members", {"images": [one], "projects": [other]})
call("glance_add_image_member", {"member": other}, image_id=one)
result["members again"] = [m.status for m in call("glance_list_image_members", image_id=one).members]
call("glance_delete_image_member", image_id=one, member_id=other)

# Quota, systems, versions, schemas.
(quota,) = call("show_image_quota").quotas.resources
result["quota"] = [quota.type, quota.used >= 1, quota.quota >= 1, quota.min, quota.max >= 1]
systems = call("list_os_versions", tag=["x86"]).body
result["systems"] = [systems[0].platform, type(systems[0].version_list[0].os_bit).__name__]
result["versions"] = len(call("list_versions").versions) > 0
result["version"] = len(call("show_version", version="v2").versions) > 0
result["schemas"] = [
    call(f"glance_{kind}_schemas").name
    for kind in ("show_image", "list_image", "show_image_member", "list_image_member")
]

# What is refused.
elsewhere = {"agency_name": "a", "name": "n", "project_name": "p", "region": "r"}
result["refused"] = [
    refused("copy_image_cross_region", elsewhere, image_id=one),
    refused("create_whole_image", {"name": "n", "instance_id": "i"}),
    refused("create_image", {"name": "n", "instance_id": "i"}),
    refused("create_image", web | {"cmk_id": "k"}),
    refused("register_image", {"image_url": "incoming:web.img"}, image_id=one),
]

call("glance_delete_image", {"delete_backup": False}, image_id=one)
result["gone"] = call("list_images", id=one).images
result["never called"] = sorted(set(methods) - called)
result["methods"] = len(methods)
"""
# What the SDK's model of an image calls mandatory, by the type that it says.
MANDATORY = {
    "str": [
        "image_size", "image_source_type", "imagetype", "isregistered", "os_type", "container_format", "created_at",
        "id", "name", "owner", "_self", "status", "updated_at", "virtual_env_type", "visibility", "active_at",
        "max_ram", "os_bit", "platform", "os_version", "data_origin", "root_origin", "file", "schema", "disk_format",
    ],
    "int": ["min_disk", "min_ram"],
    "bool": ["protected"],
    "list": ["tags"],
}  # fmt: skip


def key_of(person: Account) -> list[str]:
    made = person.call("POST", "/v3.0/OS-CREDENTIAL/credentials", {"credential": {"description": "sdk"}})
    assert made.status == 201, made.body
    return [made.json["credential"]["access"], made.json["credential"]["secret"], person.project_id]


@pytest.fixture(scope="module")
def result(erin: Account, olga: Account, server: Server) -> Any:
    bucket = server.data_folder / "buckets" / erin.project_id / "incoming"
    bucket.mkdir(parents=True)
    (bucket / "web.img").write_bytes(bytes(range(256)) * 1200)
    places = {
        "url": server.url,
        "iam": f"{server.url}/identity",
        "authority": str(server.data_folder / "tls" / "ca.pem"),
    }
    return erin.python("huaweicloud", SCRIPT, keys=[key_of(erin), key_of(olga)], mandatory=MANDATORY, **places)


def test_every_method_was_called(result: Any) -> None:
    assert result["never called"] == []
    assert result["methods"] >= 50


def test_images_are_made_of_files_by_every_call(result: Any) -> None:
    system, data = "imsImportImageJob", "imsImportDataImageJob"
    assert result["made"] == [
        ["create_image", system, "active"],
        ["create_image_in_safe_mode", system, "active"],
        ["import_image_quick", system, "active"],
        ["import_image_quick_in_safe_mode", system, "active"],
        ["create_data_image", data, "active"],
        ["create_data_image_in_safe_mode", data, "active"],
    ]
    assert result["record"] == ["queued", "true", "CentOS"]
    assert result["registered"] == ["imsNativeImportImageJob", "active"]
    assert result["copy"] == [True, "4096"]


def test_the_model_of_an_image_finds_every_member_of_its_type(result: Any) -> None:
    wrong = {name: value for name, (kind, value) in result["read"].items() if type(value).__name__ != kind}
    assert wrong == {}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", result["read"]["active_at"][1])


def test_the_calls_for_tags_work_on_one_set(result: Any) -> None:
    assert result["tags"] == [["team", "blue"], ["a", "1"], ["b", "2"], ["c", ""], ["d", "4"], ["e", ""]]
    assert result["tags of all"] == [
        ["a", ["1"]],
        ["b", ["2"]],
        ["c", [""]],
        ["d", ["4"]],
        ["e", [""]],
        ["team", ["blue"]],
    ]
    assert result["texts"] == ["a=1", "b=2", "c", "d=4", "e", "team=blue"]
    assert result["found"] == [1, [["web 3", "active"]]]
    assert result["tags left"] == ["c", "d=4", "team=blue"]


def test_members_come_and_go(result: Any) -> None:
    assert result["members"] == [[True, "accepted"]]
    assert (result["member"], result["received"], result["rejected"]) == ("accepted", "shared", "rejected")
    assert result["members again"] == ["pending"]


def test_the_rest(result: Any) -> None:
    assert (result["changed"], result["changed again"], result["listed"]) == ("web 2", "web 3", [True])
    assert result["quota"] == ["image", True, True, 1, True]
    assert result["systems"] == ["Windows", "int"]
    assert (result["versions"], result["version"]) == (True, True)
    assert result["schemas"] == ["image", "images", "member", "members"]
    assert result["gone"] == []


def test_what_is_refused_has_its_code(result: Any) -> None:
    codes = ["IMG.0147", "IMG.0105", "IMG.0105", "IMG.0095", "IMG.0046"]
    assert result["refused"] == [[400, code] for code in codes]
