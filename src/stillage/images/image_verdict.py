"""The verdict on the bytes of an image, as it is kept after the upload. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stillage.images.image import Image


@dataclass(frozen=True, slots=True)
class ImageVerdict:
    """Whether the bytes were accepted, and why not.

    Attributes:
        accepted: None if there was no verdict: nothing was sent, or the last upload failed for another reason.
        message: Why there are no bytes; None if there are, or nothing was sent.
        refusal: The broken rule, its offset, what was found and declared, and the fix; empty if no rule was broken.
        facts: Of the disk, if the bytes were accepted: format, subformat, virtual_size, details.
    """

    accepted: bool | None
    message: str | None = None
    refusal: Mapping[str, Any] | None = None
    facts: Mapping[str, Any] | None = None


def verdict_of(image: Image, refusal: Mapping[str, Any] | None, facts: Mapping[str, Any] | None) -> ImageVerdict:
    """Return the verdict on *image*.

    Args:
        image: As last read.
        refusal: The last one, which may be of an upload before the last.
        facts: What an inspector found in the bytes that the image has; None if that was not kept.
    """
    if image.has_data:
        return ImageVerdict(accepted=True, facts=facts or _of_record(image))
    if image.reason is not None and refusal is not None and refusal["reason"] == image.reason:
        return ImageVerdict(accepted=False, message=refusal["message"], refusal=refusal)
    return ImageVerdict(accepted=None, message=image.reason)


def _of_record(image: Image) -> Mapping[str, Any]:
    return {"format": image.disk_format, "subformat": "", "virtual_size": image.virtual_size, "details": {}}
