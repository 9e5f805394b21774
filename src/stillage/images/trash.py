"""A deleted image that can still be restored."""

from dataclasses import dataclass
from datetime import datetime

from stillage.images.image import Image


@dataclass(frozen=True, slots=True)
class Trashed:
    """A deleted image.

    Attributes:
        image: As it was.
        deleted_at: When it was deleted.
        purge_at: From when on it cannot be restored: upkeep removes its bytes.
    """

    image: Image
    deleted_at: datetime
    purge_at: datetime
