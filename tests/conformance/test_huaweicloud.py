"""The vendors' own SDKs for Python: Huawei Cloud's, which signs, and Open Telekom Cloud's, with a token."""

from typing import Any

import pytest

from clients import Account
from server import Server

# The SDK's generated calls take models; what an image is comes back as one, too.
CONNECT = """
import os
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkims.v2 import *

config = HttpConfig.get_default_config()
config.ssl_ca_cert = authority
config.retry_times = 0
os.environ["HUAWEICLOUD_SDK_IAM_ENDPOINT"] = iam

def client(credentials, region=None):
    builder = ImsClient.new_builder().with_http_config(config).with_credentials(credentials)
    builder._with_derived_auth_service_name("ims")  # what clients of services that insist on the derived form do
    return (builder.with_endpoint(url) if region is None else builder.with_region(Region(region, url))).build()
"""

KEYS = "/v3.0/OS-CREDENTIAL/credentials"
TEMPORARY = "/v3.0/OS-CREDENTIAL/securitytokens"


@pytest.fixture(scope="module")
def key(erin: Account) -> dict[str, str]:
    made = erin.call("POST", KEYS, {"credential": {"description": "sdk"}})
    assert made.status == 201, made.body
    document: dict[str, str] = made.json["credential"]
    return document


def run(erin: Account, server: Server, script: str, **values: Any) -> Any:
    authority = str(server.data_folder / "tls" / "ca.pem")
    places = {"url": server.url, "iam": f"{server.url}/identity", "authority": authority, "project": erin.project_id}
    return erin.python("huaweicloud", CONNECT + script, **places, **values)


def test_an_image_from_its_creation_to_its_deletion_signed(erin: Account, server: Server, key: dict[str, str]) -> None:
    result = run(
        erin,
        server,
        """
ims = client(BasicCredentials(ak, sk, project))
body = GlanceCreateImageMetadataRequestBody(name="signed \\u6620\\u50cf", disk_format="raw", container_format="bare")
made = ims.glance_create_image_metadata(GlanceCreateImageMetadataRequest(body=body))
change = [GlanceUpdateImageRequestBody(op="replace", path="/name", value="a b+c")]
ims.glance_update_image(GlanceUpdateImageRequest(image_id=made.id, body=change))
ims.glance_create_tag(GlanceCreateTagRequest(image_id=made.id, tag="two words"))
shown = ims.glance_show_image(GlanceShowImageRequest(image_id=made.id))
listed = ims.glance_list_images(GlanceListImagesRequest(name="a b+c", limit=5, sort_key="name", sort_dir="asc"))
ims.glance_delete_image(GlanceDeleteImageRequest(image_id=made.id))
result = {"name": made.name, "owner": made.owner, "shown": [shown.name, shown.tags],
          "listed": [image.id == made.id for image in listed.images]}
""",
        ak=key["access"],
        sk=key["secret"],
    )
    assert result == {
        "name": "signed 映像",
        "owner": erin.project_id,
        "shown": ["a b+c", ["two words"]],
        "listed": [True],
    }


def test_the_project_is_found_by_the_name_of_the_region(erin: Account, server: Server, key: dict[str, str]) -> None:
    result = run(
        erin,
        server,
        """
credentials = BasicCredentials(ak, sk)
images = client(credentials, region=name).glance_list_images(GlanceListImagesRequest())
result = [credentials.project_id, len(images.images)]
""",
        ak=key["access"],
        sk=key["secret"],
        name=erin.project,
    )
    assert result[0] == erin.project_id


def test_the_derived_form(erin: Account, server: Server, key: dict[str, str]) -> None:
    result = run(
        erin,
        server,
        """
credentials = BasicCredentials(ak, sk, project).with_derived_predicate(lambda request: True)
ims = client(credentials, region="region-1")
result = len(ims.glance_list_images(GlanceListImagesRequest(name="nothing is called so")).images)
""",
        ak=key["access"],
        sk=key["secret"],
    )
    assert result == 0


def test_a_temporary_pair(erin: Account, server: Server) -> None:
    part = {"methods": ["token"], "token": {"duration_seconds": 900}}
    made = erin.call("POST", TEMPORARY, {"auth": {"identity": part}}).json["credential"]
    result = run(
        erin,
        server,
        """
credentials = BasicCredentials(ak, sk, project).with_security_token(token)
result = len(client(credentials).glance_list_images(GlanceListImagesRequest(name="nothing is called so")).images)
""",
        ak=made["access"],
        sk=made["secret"],
        token=made["securitytoken"],
    )
    assert result == 0


def test_the_sdk_shows_a_refusal_as_it_is(erin: Account, server: Server, key: dict[str, str]) -> None:
    result = run(
        erin,
        server,
        """
try:
    client(BasicCredentials(ak, "another", project)).glance_list_images(GlanceListImagesRequest())
except ClientRequestException as refused:
    result = [refused.status_code, refused.error_code, refused.error_msg, refused.request_id]
""",
        ak=key["access"],
    )
    assert result[:2] == [401, "APIGW.0301"]
    assert "canonicalRequest:GET|/v2/images/|" in result[2]
    assert result[3].startswith("req-")


def test_open_telekom_clouds_extensions_with_a_token(erin: Account, server: Server) -> None:
    """Every call of its two services for IMS, which it finds by the entry of the image service in the catalogue."""
    bucket = server.data_folder / "buckets" / erin.project_id / "otc"
    bucket.mkdir(parents=True)
    (bucket / "web.img").write_bytes(bytes(range(256)) * 1200)
    result = erin.python(
        "otcextensions",
        """
import openstack
from otcextensions import sdk
conn = openstack.connect()
sdk.register_otc_extensions(conn)
tags = [{"key": "team", "value": "blue"}]
wanted = {"name": "otc", "image_url": "otc:web.img", "min_disk": 1, "os_version": "CentOS 7.3 64bit"}
made = conn.imsv2.create_image(**wanted, image_tags=tags)
job = conn.imsv1.wait_for_async_job(made, timeout=60, wait=0.1)
image_id = job.entities.image_id
filters = {"__imagetype": "private", "__os_type": "Linux", "limit": 2, "id": image_id}
(image,) = conn.imsv2.images(**filters)
change = [{"op": "replace", "path": "/name", "value": "otc 2"}]
try:
    conn.imsv2.update_image(image_id, command_list=change)
except AttributeError:  # its own, about the answer: openstacksdk has removed what it reads
    pass
(changed,) = conn.imsv2.images(id=image_id)
exported = conn.imsv1.export_image(image_id=image_id, bucket_url="otc:out.qcow2", file_format="qcow2")
written = conn.imsv1.wait_for_async_job(exported.job_id, timeout=60, wait=0.1)
again = conn.imsv1.get_async_job(exported.job_id)
bad = conn.imsv2.create_image(**wanted | {"image_url": "otc:out.qcow2", "disk_format": "raw", "type": "IsoImage"})
try:
    conn.imsv1.wait_for_async_job(bad.job_id, timeout=60, wait=0.1)
    failed = None
except RuntimeError as error:
    failed = str(error).startswith("Asynchronous job")
try:
    conn.imsv2.create_image(name="x", instance_id="i")
    refused = None
except openstack.exceptions.BadRequestException as error:
    refused = [error.status_code, "IMG.0105" in str(error) or "servers" in str(error)]
conn.image.delete_image(image_id)
result = [job.status, job.entities.image_name, image.name, image.status, image.platform, image.data_origin]
result += [image.min_disk, changed.name, written.status, again.job_type, failed, refused]
result += list(conn.imsv2.images(id=image_id))
""",
    )
    assert result == [
        "SUCCESS", "otc", "otc", "active", "CentOS", "file,otc:web.img",
        1, "otc 2", "SUCCESS", "imsNativeExportImageJob", True, [400, True],
    ]  # fmt: skip
    assert (bucket / "out.qcow2").read_bytes()[:4] == b"QFI\xfb"


def test_an_image_of_a_file_from_the_bucket_to_its_deletion(erin: Account, server: Server, key: dict[str, str]) -> None:
    bucket = server.data_folder / "buckets" / erin.project_id / "incoming"
    bucket.mkdir(parents=True)
    (bucket / "web.img").write_bytes(bytes(range(256)) * 1200)
    result = run(
        erin,
        server,
        """
import time
ims = client(BasicCredentials(ak, sk, project))

def ended(job_id):
    while True:
        job = ims.show_job(ShowJobRequest(job_id=job_id))
        if job.status not in ("INIT", "RUNNING"):
            return job
        time.sleep(0.1)

tags = [TagKeyValue(key="team", value="blue")]
body = CreateImageRequestBody(name="web", image_url="incoming:web.img", min_disk=1, image_tags=tags)
made = ended(ims.create_image(CreateImageRequest(body=body)).job_id)
(image,) = ims.list_images(ListImagesRequest(id=made.entities.image_id)).images
told = ims.list_image_tags(ListImageTagsRequest(image_id=image.id)).tags
copy = CopyImageInRegionRequestBody(name="copy")
copied = ended(ims.copy_image_in_region(CopyImageInRegionRequest(image_id=image.id, body=copy)).job_id)
target = ExportImageRequestBody(bucket_url="incoming:out.qcow2", file_format="qcow2")
exported = ended(ims.export_image(ExportImageRequest(image_id=image.id, body=target)).job_id)
for one in (image.id, copied.entities.image_id):
    ims.glance_delete_image(GlanceDeleteImageRequest(image_id=one))
left = ims.list_images(ListImagesRequest(id=image.id)).images
result = [made.status, made.job_type, image.status, image.data_origin, [tag.key for tag in told], copied.status,
          exported.status, left]
""",
        ak=key["access"],
        sk=key["secret"],
    )
    origin = "file,incoming:web.img"
    assert result == ["SUCCESS", "imsImportImageJob", "active", origin, ["team"], "SUCCESS", "SUCCESS", []]
    assert (bucket / "out.qcow2").read_bytes()[:4] == b"QFI\xfb"
