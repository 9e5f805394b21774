"""Read a request to create an image of a file in a bucket, as IMS has it. Pure.

Source: IMS API Reference, "Creating an Image", "Importing an Image File Quickly", "Creating a Data Disk Image from an
External Image File".
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stillage.errors import ImsRefusal
from stillage.images import ims_values, keyed_tags
from stillage.images.automatic import VERSION
from stillage.images.object_name import ObjectName
from stillage.images.object_name import parse as parse_object

ENVIRONMENTS = {None: None, "": None, "ECS": None, "FusionCompute": None, "BMS": "Ironic", "Ironic": "Ironic"}
"""The value of ``virtual_env_type`` for each type; None leaves what follows from the format."""
ISO, DATA = "IsoImage", "DataImage"
QUICK, ISO_FORMAT = ("raw", "zvhd2"), "iso"
OS_TYPES = ("Linux", "Windows", "Other")
MAX_DATA_DISK = 2048
ELSEWHERE = ("instance_id", "volume_id", "backup_id", "vault_id")


@dataclass(frozen=True, slots=True)
class FromFile:
    """What a request asks for.

    Attributes:
        document: The attributes of the image.
        is_data: It is no system disk.
        only: The formats that the file may have; None for any.
    """

    document: Mapping[str, Any]
    source: ObjectName
    is_data: bool = False
    only: Sequence[str] | None = None


def parse(
    given: Mapping[str, Any], versions: Collection[str] | None, *, quick: bool = False, data: bool = False
) -> FromFile:
    """Return what *given*, the JSON of a request, asks for.

    Args:
        given: A JSON object.
        versions: Of operating systems, known beside the documented ones; None takes any.
        quick: It is a quick import.
        data: It is a data disk, as a ``type`` says as well.

    Raises:
        ImsRefusal: With the document's code.
    """
    require_possible(given, takes_data_images=not (quick or data))
    kind = given.get("type")
    is_data, is_quick = data or kind == DATA, quick or given.get("is_quick_import") in (True, "true")
    if not is_data and kind != ISO and kind not in ENVIRONMENTS:
        raise ImsRefusal("IMG.0024", "type must be ECS, BMS, IsoImage or, for quick imports, DataImage")
    source = parse_object("image_url", given.get("image_url"))
    document: dict[str, Any] = {
        "name": ims_values.name(given.get("name")),
        "container_format": "bare",
        "disk_format": ISO_FORMAT if kind == ISO else None,
        "min_disk": ims_values.disk(given.get("min_disk"), most=MAX_DATA_DISK if is_data else ims_values.MAX_MIN_DISK),
        "min_ram": ims_values.memory("min_ram", given.get("min_ram") or 0),
        "tags": list(keyed_tags.of_creation(given.get("tags"), given.get("image_tags"))),
        "__data_origin": f"file,{source}",
        "__is_config_init": "false",
    }
    if text := ims_values.description(given.get("description")):
        document["__description"] = text
    if given.get("max_ram") is not None:
        document["max_ram"] = str(ims_values.memory("max_ram", given["max_ram"]))
    if is_data or ENVIRONMENTS.get(kind):
        document["virtual_env_type"] = DATA if is_data else ENVIRONMENTS[kind]
    document |= _system(given, versions, needs_version=kind == ISO or (is_quick and not is_data), is_iso=kind == ISO)
    only = (ISO_FORMAT,) if kind == ISO else QUICK if is_quick else None
    return FromFile(document, source, is_data, only)


def require_possible(given: Mapping[str, Any], *, takes_data_images: bool = False) -> None:
    """Raise ImsRefusal if *given* needs what this service has not: servers, volumes, keys, enterprise projects."""
    for member in ELSEWHERE:
        if given.get(member):
            raise ImsRefusal("IMG.0105", f"{member}: this service has no servers and volumes; give image_url")
    extra = given.get("data_images")
    if isinstance(extra, list) and any(isinstance(one, Mapping) and one.get("volume_id") for one in extra):
        raise ImsRefusal("IMG.0105", "data_images: this service has no volumes; give image_url")
    if extra and not takes_data_images:
        raise ImsRefusal("IMG.0105", "data_images: this call takes none; use POST /v2/cloudimages/action")
    if given.get("cmk_id"):
        raise ImsRefusal("IMG.0095", "there is no such key: this service does not encrypt images; leave cmk_id out")
    ims_values.enterprise_project(given.get("enterprise_project_id"))


def _system(
    given: Mapping[str, Any], versions: Collection[str] | None, *, needs_version: bool, is_iso: bool
) -> Mapping[str, Any]:
    """Return the attributes of the guest that *given* names."""
    made = {}
    if given.get("os_type"):
        if given["os_type"] not in OS_TYPES:
            raise ImsRefusal("IMG.0122", f"os_type must be one of {', '.join(OS_TYPES)}")
        made["__os_type"] = given["os_type"]
    if given.get("os_version"):
        made[VERSION] = ims_values.version(given["os_version"], versions)
    elif needs_version:
        code = "IMG.0166" if is_iso else "IMG.0056"
        raise ImsRefusal(code, "os_version is missing; GET /v1/cloudimages/os_version lists the known ones")
    if given.get("hw_firmware_type"):
        made["hw_firmware_type"] = ims_values.firmware(given["hw_firmware_type"])
    if given.get("architecture") and ims_values.architecture(given["architecture"]) == "arm":
        made |= {"__support_arm": "true", "hw_firmware_type": "uefi"}
    return made
