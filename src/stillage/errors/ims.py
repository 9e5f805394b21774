"""What Huawei-style clouds refuse that the image API allows."""

from collections.abc import Mapping
from typing import Any

from stillage.errors.base import InvalidInput


class ImsRefusal(InvalidInput):
    """The request breaks a rule of the IMS document.

    Attributes:
        ims_code: The document's own code for it.
    """

    code = "ims_refusal"
    fix = "correct the value that the message names; the member `code` is that of the IMS document"

    def __init__(self, ims_code: str, message: str) -> None:
        super().__init__(message)
        self.ims_code = ims_code

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"ims_code": self.ims_code}
