"""How a resumable upload ended: the error for later requests, the same in every process."""

from typing import Any

from stillage.db.uploads import UploadResult
from stillage.errors import ContentRejected, DiskTooLarge, InvalidInput, StillageError, UploadComplete, UploadGone
from stillage.ids import UploadId
from stillage.operations.upload.refusals import FACTS


def error_of(upload_id: UploadId, result: UploadResult | None) -> StillageError:
    """Return the error for a request to an upload that has ended, with or without success."""
    if result is not None and result.size is not None:
        return UploadComplete(upload_id)
    if result is None or result.refusal is None:
        return UploadGone(upload_id, (result.reason if result else None) or "the server no longer knows why")
    message = result.refusal["message"]
    facts: dict[str, Any] = {name: result.refusal.get(name) for name in FACTS}
    if facts["rule"] is None:
        return InvalidInput(message)
    kind = DiskTooLarge if result.refusal["disk_too_large"] else ContentRejected
    return kind(message, **facts)
