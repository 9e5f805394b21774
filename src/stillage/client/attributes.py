"""Attributes that the user gives a new image. Needs no network code, so that commands start fast."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attributes of a new image's record. None leaves it to the server."""

    name: str
    disk_format: str | None = None
    container_format: str = "bare"
    visibility: str | None = None
    protected: bool | None = None
    min_disk: int | None = None
    min_ram: int | None = None
    tags: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        own = {
            "name": self.name,
            "disk_format": self.disk_format,
            "container_format": self.container_format,
            "visibility": self.visibility,
            "protected": self.protected,
            "min_disk": self.min_disk,
            "min_ram": self.min_ram,
            "tags": list(self.tags) or None,
        }
        return {**self.properties, **{key: value for key, value in own.items() if value is not None}}
