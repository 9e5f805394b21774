"""Ids that rooms share: of images, blobs, uploads, jobs, users and projects. The type checker keeps them apart."""

import re
from dataclasses import dataclass
from typing import NewType

ImageId = NewType("ImageId", str)
ProjectId = NewType("ProjectId", str)
UserId = NewType("UserId", str)
UploadId = NewType("UploadId", str)
JobId = NewType("JobId", str)
"""A UUID with hyphens."""
BlobKey = NewType("BlobKey", str)
"""Names a blob in a store; new for every upload attempt, never used again."""
StoreId = NewType("StoreId", str)
"""Names a store, in the settings and to clients."""


@dataclass(frozen=True, slots=True, order=True)
class BlobRef:
    """Where a blob is: the store, and its key there. No two blobs have the same key, in any store."""

    store: StoreId
    key: BlobKey


UUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


def job_id_of(text: str) -> JobId:
    """Return the id of a job, which may be written without hyphens; what is no id is no job's."""
    if re.fullmatch(r"[0-9a-fA-F]{32}", text):
        text = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return JobId(text.lower())


def image_id_of(text: str) -> ImageId:
    """Return the image id that *text* is. A UUID is the same one in any case of letters; we write it in lower case."""
    return ImageId(text.lower() if UUID.fullmatch(text) else text)
