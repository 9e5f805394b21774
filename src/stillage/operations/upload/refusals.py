"""What is stored of a verdict that refuses the bytes of an image."""

from collections.abc import Mapping
from typing import Any

from stillage.errors import ContentRejected, DiskTooLarge, InvalidInput

FACTS = ("rule", "offset", "found", "declared", "fix")
FINAL = (ContentRejected, InvalidInput)
"""Errors that are a verdict on the bytes. After any other error the upload is verified again."""


def refusal_of(failure: BaseException) -> Mapping[str, Any] | None:
    """Return what to store about a verdict; None if *failure* is none."""
    if not isinstance(failure, FINAL):
        return None
    facts = {name: getattr(failure, name) for name in FACTS} if isinstance(failure, ContentRejected) else {}
    of_class = {"reason": failure.reason, "disk_too_large": isinstance(failure, DiskTooLarge)}
    return {"message": str(failure), **of_class, **facts}
