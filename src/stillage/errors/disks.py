"""What stops a disk from being read or converted."""

from collections.abc import Mapping
from typing import Any

from stillage.errors.base import Conflict


class DiskDoesNotFit(Conflict):
    """The disk is larger than the wanted format can hold."""

    code = "disk_does_not_fit"
    fix = "choose a format that holds larger disks: raw, qcow2 or vhdx"

    def __init__(self, what: str, limit: int, size: int) -> None:
        super().__init__(f"{what} holds at most {limit} bytes, and this disk has {size}; {self.fix}")
        self.limit = limit
        self.size = size

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"limit": self.limit, "size": self.size}
