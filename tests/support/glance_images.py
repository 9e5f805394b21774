"""Images of several kinds in a real Glance, and what openstacksdk reads of them: there, and where they were adopted."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from clients import TIMEOUT_S, executable
from qemu_images import contents, run
from real_glance import RealGlance
from real_keystone import RealKeystone

READ = """
import hashlib, json, sys, openstack, requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
given = json.loads(sys.argv[1])
conn = openstack.connect(load_yaml_config=False, auth_type="admin_token", endpoint=given["url"], token=given["token"],
                         image_endpoint_override=given["url"], image_api_version="2")
conn.session.session = requests.Session()
conn.session.session.mount("http://", HTTPAdapter(max_retries=Retry(9, backoff_factor=0.1)))  # uWSGI resets connections
read = {}
for image_id in given["ids"]:
    image = conn.image.get_image(image_id)
    read[image_id] = image.to_dict()
    members = conn.image.members(image_id) if image.visibility == "shared" else []
    read[image_id]["members"] = [member.to_dict() for member in members]
    if image.status == "active":
        digest = hashlib.sha256()
        for chunk in conn.image.download_image(image_id, stream=True).iter_content(1 << 20):
            digest.update(chunk)
        read[image_id]["bytes"] = digest.hexdigest()
listed = [i.id for hidden in (False, True) for i in conn.image.images(is_hidden=hidden) if i.id in read]
space = next((n for n in conn.image.metadef_namespaces() if n.namespace == "Adopted"), None)
print(json.dumps({"images": read, "listed": sorted(listed), "namespace": space and space.to_dict()}))
"""
# Of the server that answers, or of the connection.
ELSEWHERE = {"location", "file", "schema", "self", "stores"}


def read_all(url: str, token: str, ids: list[str]) -> Any:
    """Return what openstacksdk reads of images and of the namespace ``Adopted`` at *url*."""
    given = json.dumps({"url": url, "token": token, "ids": ids})
    done = subprocess.run(
        [executable("openstacksdk", "python"), "-c", READ, given],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stderr
    return _without(json.loads(done.stdout))


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without(each) for name, each in value.items() if name not in ELSEWHERE}
    return [_without(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class GlanceImages:
    """What a Glance has: images by what they are for, as it answered before it was stopped."""

    ids: Mapping[str, str]
    answered: Any

    def of(self, *names: str) -> list[str]:
        return [self.ids[name] for name in names]


def fill(glance: RealGlance, keystone: RealKeystone, folder: Path) -> GlanceImages:
    """Make images of every kind in *glance*."""
    admin, erin = keystone.admin, keystone.token("erin", "lab")
    contents(folder / "disk.raw", 5 << 20)
    made: dict[str, str] = {}
    for number, kind in enumerate(("qcow2", "vmdk", "vdi", "vhdx")):
        run("qemu-img", "convert", "-O", kind, folder / "disk.raw", folder / f"disk.{kind}")
        data = (folder / f"disk.{kind}").read_bytes()
        made[kind] = glance.stored(erin, data, name=f"a {kind}", disk_format=kind, min_disk=number, hw_disk_bus="scsi")
    noise = Random(9).randbytes(2 << 20) + bytes(1 << 20)
    made["public"] = glance.stored(admin, noise, name="öffentlich ☃", visibility="public", tags=["a", "two words"])
    made["community"] = glance.stored(erin, noise, visibility="community", min_ram=512, os_hidden=True)
    made["private"] = glance.stored(erin, b"p" * 5000, visibility="private", protected=True)
    made["shared"] = glance.stored(erin, b"s" * 7000, visibility="shared", long="x" * 4000)
    for member, status in (("project-a", "accepted"), ("project-b", "pending")):
        path = f"/v2/images/{made['shared']}/members"
        _call(glance, "POST", path, erin, {"member": member})
        if status != "pending":
            _call(glance, "PUT", f"{path}/{member}", admin, {"status": status})
    made["deactivated"] = glance.stored(erin, b"d" * 9000)
    _call(glance, "POST", f"/v2/images/{made['deactivated']}/actions/deactivate", admin)
    made["queued"] = _call(glance, "POST", "/v2/images", erin, {"name": "later", "disk_format": "raw"})["id"]
    for name in ("damaged", "missing", "deleted"):
        made[name] = glance.stored(erin, name.encode() * 3000, name=name)
    _call(glance, "DELETE", f"/v2/images/{made['deleted']}", erin)
    _call(glance, "POST", "/v2/metadefs/namespaces", admin, NAMESPACE)
    ids = [made[name] for name in made if name != "deleted"]
    return GlanceImages(made, read_all(glance.url, admin, ids))


NAMESPACE = {
    "namespace": "Adopted",
    "visibility": "public",
    "display_name": "Adopted things",
    "objects": [{"name": "o", "required": ["p"], "properties": {"p": {"title": "P", "type": "string"}}}],
    "properties": {"q": {"title": "Q", "type": "integer", "minimum": 1}},
    "tags": [{"name": "t"}],
    "resource_type_associations": [{"name": "OS::Nova::Server", "prefix": "hw:"}],
}


def _call(glance: RealGlance, method: str, path: str, token: str, body: Any = None) -> Any:
    sent = None if body is None else json.dumps(body).encode()
    answer = glance.call(method, path, token, sent, "application/json" if sent else "")
    assert answer.status < 300, (path, answer.status, answer.body)
    return answer.json if answer.body else None
