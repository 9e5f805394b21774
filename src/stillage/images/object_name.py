"""Names of files in object stores, as IMS writes them: ``BUCKET:OBJECT``. Pure.

Source: IMS API Reference, "Creating an Image", "Exporting an Image", "Error Codes".
"""

import re
from typing import Any, NamedTuple

from stillage.errors import ImsRefusal

BUCKET = re.compile(r"[a-z0-9.-]{3,63}")
MAX_OBJECT = 1024


class ObjectName(NamedTuple):
    """An object of a bucket; *key* may have folders, with ``/`` between."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.bucket}:{self.key}"


def parse(what: str, value: Any) -> ObjectName:
    """Return the object that *value* names. *what*: the member of the request.

    Raises:
        ImsRefusal: If it is none. A URL, an absolute path and a path with ``..`` never are.
    """
    if not isinstance(value, str) or ":" not in value:
        raise ImsRefusal("IMG.0001", f"{what} must be BUCKET:OBJECT, such as incoming:web.qcow2")
    bucket, _, key = value.partition(":")
    if not bucket:
        raise ImsRefusal("IMG.0068", f"{what} has no bucket before ':'; use BUCKET:OBJECT")
    if not BUCKET.fullmatch(bucket) or ".." in bucket or bucket[0] in ".-":
        raise ImsRefusal("IMG.0109", f"the bucket in {what} must have 3 to 63 characters: a-z, 0-9, '.' and '-'")
    if not key:
        raise ImsRefusal("IMG.0073", f"{what} has no object after ':'; use BUCKET:OBJECT")
    if len(key.encode("utf-8", "surrogatepass")) > MAX_OBJECT:
        raise ImsRefusal("IMG.0074", f"the object in {what} is too long: at most {MAX_OBJECT} bytes")
    if key.startswith("//"):
        raise ImsRefusal("IMG.0001", f"{what} is a URL; give BUCKET:OBJECT")
    if any(part in ("", ".", "..") for part in key.split("/")) or not key.isprintable():
        raise ImsRefusal(
            "IMG.0075", f"the object in {what} may have no empty part, no '.' or '..', and no control characters"
        )
    return ObjectName(bucket, key)
