"""Check values by the rules of the IMS document, where they are stricter than those of the image API.

Source: IMS API Reference, "Image Attributes", "Image Tag Format", "Error Codes".
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stillage.errors import Forbidden, ImsRefusal
from stillage.images.automatic import SYSTEM, VERSION
from stillage.images.creation import BASE
from stillage.images.operating_systems import documented
from stillage.images.patch import Operation
from stillage.images.values import kind_of

NAME = re.compile(r"[A-Za-z0-9._-](?:[A-Za-z0-9._ -]*[A-Za-z0-9._-])?")
MAX_NAME = 128
MAX_DESCRIPTION = 1024
MAX_MIN_DISK = 1024
FORBIDDEN_IN_DESCRIPTION = frozenset("\r\n<>")
DEFAULT_ENTERPRISE_PROJECT = ("0", "", None)
SHARED_LATER = ("shared", "community")
FIRMWARES = ("bios", "uefi")
# Each of these names a kind of host that cannot be of the other kinds as well.
EXCLUDING: Mapping[str, frozenset[str]] = {
    "__support_xen_gpu_type": frozenset({"__support_xen", "__support_kvm"}),
    "__support_kvm_gpu_type": frozenset({"__support_xen", "__support_kvm"}),
    "__support_xen_hana": frozenset({"__support_xen", "__support_kvm"}),
    "__support_kvm_infiniband": frozenset({"__support_xen"}),
}


def name(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ImsRefusal("IMG.0013", "name is missing; give the image a name")
    if len(value) > MAX_NAME:
        raise ImsRefusal("IMG.0002", f"name is too long: at most {MAX_NAME} characters, this has {len(value)}")
    if NAME.fullmatch(value) is None:
        raise ImsRefusal(
            "IMG.0003",
            "name may contain letters, digits, '.', '_', '-', and spaces that are neither first nor last",
        )
    return value


def description(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ImsRefusal("IMG.0054", f"description must be a string, not {kind_of(value)}")
    if len(value) > MAX_DESCRIPTION:
        raise ImsRefusal(
            "IMG.0004", f"description is too long: at most {MAX_DESCRIPTION} characters, this has {len(value)}"
        )
    if FORBIDDEN_IN_DESCRIPTION & set(value) or "\0" in value:
        raise ImsRefusal("IMG.0054", "description may not contain line breaks, '<' or '>'")
    return value


def memory(what: str, value: Any) -> int:
    """MiB, as a number or as text."""
    return _integer(what, value, 0, 2**31 - 1)


def disk(value: Any, *, least: int = 1, most: int = MAX_MIN_DISK) -> int:
    """GiB."""
    if value is None:
        raise ImsRefusal("IMG.0055", f"min_disk is missing; give the size of the disk in GB, {least} to {most}")
    return _integer("min_disk", value, least, most)


def _integer(what: str, value: Any, least: int, most: int) -> int:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or re.fullmatch(r"[0-9]{1,10}", text) is None or not least <= int(text) <= most:
        raise ImsRefusal("IMG.0055", f"{what} must be an integer from {least} to {most}")
    return int(text)


def firmware(value: Any) -> str:
    if value not in FIRMWARES:
        raise ImsRefusal("IMG.0141", f"hw_firmware_type must be one of {', '.join(FIRMWARES)}")
    return str(value)


def architecture(value: Any) -> str:
    if value not in ("x86", "arm"):
        raise ImsRefusal("IMG.0212", "architecture must be x86 or arm")
    return str(value)


def version(value: Any, more: Collection[str] | None = ()) -> str:
    """*more*: versions known beside the documented ones; None takes any."""
    if not isinstance(value, str) or not value or len(value) > 255:
        raise ImsRefusal("IMG.0056", "os_version must be a non-empty string of at most 255 characters")
    if more is not None and value not in documented() and value not in more:
        raise ImsRefusal(
            "IMG.0056", f"os_version {value[:64]!r} is not known; GET /v1/cloudimages/os_version lists the known ones"
        )
    return value


def enterprise_project(value: Any) -> None:
    if value not in DEFAULT_ENTERPRISE_PROJECT:
        raise ImsRefusal("IMG.0155", 'there is no such enterprise project; this service has only the default one, "0"')


def coerced(value: Any) -> Any:
    """Return a property's value as the text that IMS keeps: clients send booleans and numbers as well."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def of_creation(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a new image of the image API as IMS understands them: properties are text.

    Raises:
        ImsRefusal: If a value breaks a rule of IMS.
    """
    visibility = document.get("visibility")
    if visibility in SHARED_LATER:
        raise ImsRefusal("IMG.0001", f"a new image is private, not {visibility}; create it, then add members to it")
    return {name: _native(name, value) for name, value in document.items()}


def of_patch(operations: Iterable[Operation]) -> list[Operation]:
    """Return *operations* of the image API as IMS understands them: ``add`` replaces, and properties are text.

    Raises:
        ImsRefusal: If a value breaks a rule of IMS.
    """
    return [replace(each, strict=False, value=_native(each.name, each.value)) for each in operations]


def _native(attribute: str, value: Any) -> Any:
    """Return *value* if *attribute* may have it. Values that no image can have are left to `images.creation`."""
    if attribute not in BASE:
        return coerced(value)
    if attribute == "name" and isinstance(value, str) and value:
        return name(value)
    if attribute == "min_disk" and isinstance(value, int) and value > MAX_MIN_DISK:
        return disk(value)
    return value


def check_patch(operations: Iterable[Operation], more_versions: Collection[str] | None) -> Sequence[Operation]:
    """Return *operations* as IMS understands them.

    Raises:
        ImsRefusal: If a name or value breaks a rule of IMS.
        Forbidden: If the attribute is one that only the service sets.
    """
    return [checked for operation in operations if (checked := _checked(operation, more_versions)) is not None]


def _checked(operation: Operation, more_versions: Collection[str] | None) -> Operation | None:
    attribute = operation.name
    if attribute in SYSTEM - {"enterprise_project_id"}:
        raise Forbidden(f"attribute {attribute!r} is set by the service; leave it out")
    if attribute != attribute.lower():
        raise ImsRefusal("IMG.0001", f"attribute {attribute[:64]!r} may not contain upper-case letters")
    if attribute == "enterprise_project_id":
        enterprise_project(operation.value)
        return None
    if operation.op == "remove":
        return operation
    check = CHECKS.get(attribute)
    if attribute == VERSION:
        value = version(operation.value, more_versions)
    else:
        value = _any_value(operation) if check is None else check(operation.value)
    return Operation(operation.op, attribute, value)


def _any_value(operation: Operation) -> Any:
    return operation.value if operation.name in BASE else coerced(operation.value)


def _max_ram(value: Any) -> str:
    return str(memory("max_ram", value))


CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": name,
    "__description": description,
    "min_ram": lambda value: memory("min_ram", value),
    "max_ram": _max_ram,
    "min_disk": disk,
    "hw_firmware_type": firmware,
}


def require_compatible(properties: Mapping[str, str]) -> None:
    """Raise ImsRefusal if *properties* name kinds of hosts that exclude one another."""
    for attribute, others in EXCLUDING.items():
        both = sorted(others & properties.keys()) if attribute in properties else []
        if both:
            raise ImsRefusal("IMG.0035", f"{attribute} and {both[0]} exclude each other; remove one of them")
