"""What one import is to do, as its job has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillage.ids import ImageId, JobId, StoreId
from stillage.images.image import Image
from stillage.images.import_request import ImportRequest, Method
from stillage.images.job import Job, JobKind
from stillage.images.object_name import ObjectName
from stillage.images.object_name import parse as parse_object
from stillage.images.upload import Digests, Grant
from stillage.operations.imports.sources import RemoteImage, WebFile

KINDS: Mapping[Method, JobKind] = {
    Method.STAGED: JobKind.IMPORT_STAGED,
    Method.WEB: JobKind.IMPORT_URL,
    Method.COPY: JobKind.IMPORT_STORE,
    Method.REMOTE: JobKind.IMPORT_REMOTE,
    Method.OBJECT: JobKind.IMPORT_OBJECT,
    Method.LOCATION: JobKind.LOCATION_IMPORT,
}


ACTIONS: Mapping[str, str] = {JobKind.IMPORT_STORE: "copy_image", JobKind.LOCATION_IMPORT: "get_image"}
"""Rules that allow imports; `upload_image` allows the others. A location may come from a service on a user's behalf."""

SOURCE_SHA256 = "os_stillage_source_sha256"
SOURCE_SUMS = "os_stillage_source_sums"
"""Properties of an image that say what its source must be: a digest, or the URL of a file that lists it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """An import.

    Attributes:
        task: Its job.
        stores: To fill, in order; at least one.
        must_succeed: It fails if one of *stores* cannot be filled.
        copies: The image was active before, and only gets copies.
        rights: Whose it needs; None for one that was asked for before these were recorded, which has none.
        action: The rule that must allow it.
        digests: That the bytes must have.
        only: The formats that the disk may have; None for any.
    """

    image_id: ImageId
    task: JobId
    stores: tuple[StoreId, ...]
    must_succeed: bool
    copies: bool
    rights: Grant | None
    action: str
    digests: Digests = ()
    only: tuple[str, ...] | None = None


def input_of(image_id: ImageId, request: ImportRequest, stores: tuple[StoreId, ...]) -> Mapping[str, Any]:
    """Return the input of the job. Its names are Glance's, whose clients read them."""
    made: dict[str, Any] = {"image_id": image_id, "import_req": request.document, "backend": list(stores)}
    if request.method is Method.LOCATION:
        made |= {"loc_url": request.url, "validation_data": {}}
    if request.digest is not None:
        algorithm, value = request.digest
        made["validation_data"] = {"os_hash_algo": algorithm, "os_hash_value": value}
    return made


def plan_of(job: Job) -> Plan:
    """Return what *job*, made with `input_of`, is to do."""
    request, declared = job.input["import_req"], job.input.get("validation_data")
    return Plan(
        image_id=ImageId(job.input["image_id"]),
        task=job.id,
        stores=tuple(map(StoreId, job.input["backend"])),
        must_succeed=request.get("all_stores_must_succeed", True),
        copies=job.kind == JobKind.IMPORT_STORE,
        rights=job.rights,
        action=ACTIONS.get(job.kind, "upload_image"),
        digests=((declared["os_hash_algo"], declared["os_hash_value"]),) if declared else (),
        only=tuple(job.input["only"]) if job.input.get("only") else None,
    )


def web_file_of(url: str, image: Image) -> WebFile:
    """Return the file at *url*, with what the properties of *image* say of it."""
    return WebFile(url, image.properties.get(SOURCE_SHA256) or None, image.properties.get(SOURCE_SUMS) or None)


def url_of(job: Job) -> str:
    """Return what a ``web-download``, or a new location, is to get."""
    url: str = job.input["import_req"]["method"]["uri"]
    return url


def object_of(job: Job) -> ObjectName:
    """Return the object of a bucket that the image is made of."""
    return parse_object("image_url", url_of(job))


def remote_image_of(job: Job, token: str) -> RemoteImage:
    """Return what a ``glance-download`` is to get."""
    method = job.input["import_req"]["method"]
    interface = method.get("glance_service_interface", "public")
    return RemoteImage(method["glance_region"], method["glance_image_id"].lower(), interface, token)
