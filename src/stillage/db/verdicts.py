"""What is known of an image's bytes, or of those that were refused. Plain functions of a connection."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from stillage.db.placements import PUBLISHED
from stillage.db.tables import blobs, images, placements
from stillage.ids import ImageId

Stored = Mapping[str, Any]


def find(connection: Connection, image_id: ImageId) -> tuple[Stored | None, Stored | None]:
    """Return the last refusal (`refusals.refusal_of`) and the facts (`Content.facts`) of the image's bytes, or None."""
    refusal = connection.execute(select(images.c.refusal).where(images.c.id == image_id)).scalar()
    of_it = (placements.c.image_id == image_id) & PUBLISHED
    its_blobs = select(blobs.c.facts).join(placements, placements.c.blob_key == blobs.c.key).where(of_it)
    facts = connection.execute(its_blobs.order_by(placements.c.position).limit(1)).scalar()
    return refusal, facts
