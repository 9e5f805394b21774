"""Keeps what another run of the command needs to resume an upload: its image, its file, its URL."""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from stillage.client.attributes import Attributes
from stillage.client.state import Entry
from stillage.spans import Span

# Their bytes are a package, and the disk in it may be in any format.
PACKAGES = ("ovf", "ova", "docker", "compressed")


@dataclass(slots=True)
class Begun:
    """An unfinished upload, as it is kept between two runs of the command.

    Attributes:
        file: Identity of the file.
        is_made: The record was created.
        is_done: The image is active.
        disk_format: Found by the inspection.
        zeros: Where the file has only zeros.
        url: URL of the open upload, with the capability.
    """

    entry: Entry
    file: list[int]
    image_id: str
    is_made: bool = False
    is_done: bool = False
    disk_format: str | None = None
    zeros: list[Span] = field(default_factory=list)
    url: str | None = None

    @classmethod
    def of(cls, entry: Entry) -> "Begun | None":
        kept = entry.read()
        if kept is None:
            return None
        with suppress(KeyError, TypeError, ValueError):
            return cls(
                entry=entry,
                file=list(kept["file"]),
                image_id=str(kept["image_id"]),
                is_made=bool(kept["is_made"]),
                disk_format=kept["disk_format"],
                zeros=[Span(start, end) for start, end in kept["zeros"]],
                url=kept["url"],
            )
        return None

    def keep(self) -> None:
        self.entry.write(
            {
                "file": self.file,
                "image_id": self.image_id,
                "is_made": self.is_made,
                "disk_format": self.disk_format,
                "zeros": self.zeros,
                "url": self.url,
            }
        )

    def attributes(self, given: Attributes | None) -> Attributes:
        """Return the user's attributes, with the format that was found if they named none."""
        assert given is not None  # noqa: S101 - an image that is named is there
        if given.disk_format is not None or self.disk_format is None or given.container_format in PACKAGES:
            return given
        return replace(given, disk_format=self.disk_format)
