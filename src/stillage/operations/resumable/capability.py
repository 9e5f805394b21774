"""Upload capabilities: unguessable names in upload URLs that authorise resuming an upload without a token.

A capability is bound to an upload's image, project and generation. It is a MAC with the deployment's secret, and never
stored.
"""

import base64
import hmac

from stillage.ids import ImageId, ProjectId, UploadId

MAC_LENGTH = 32  # characters of base64url: 192 bits


class Capabilities:
    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"capabilities of uploads", "sha256")

    def name_of(self, upload_id: UploadId, image_id: ImageId, project_id: ProjectId, generation: int = 0) -> str:
        """Return ``{upload id}.{MAC}``."""
        return f"{upload_id}.{self._mac(upload_id, image_id, project_id, generation)}"

    def opens(self, name: str, image_id: ImageId, project_id: ProjectId, generation: int = 0) -> UploadId | None:
        """Return the upload's id if *name* is its capability for this image, project and generation; otherwise None."""
        upload_id, _, mac = name.partition(".")
        expected = self._mac(UploadId(upload_id), image_id, project_id, generation)
        return (
            UploadId(upload_id)
            if hmac.compare_digest(mac.encode("utf-8", "surrogatepass"), expected.encode())
            else None
        )

    def _mac(self, upload_id: UploadId, image_id: ImageId, project_id: ProjectId, generation: int) -> str:
        text = f"{upload_id}\0{image_id}\0{project_id}\0{generation}".encode("utf-8", "surrogatepass")
        return base64.urlsafe_b64encode(hmac.digest(self._key, text, "sha256")).decode()[:MAC_LENGTH]
