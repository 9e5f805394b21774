"""Image ids are in lower case: in other letters a UUID is the same one.

Of two images whose ids differ in case only, the one in other letters gets a new id. Its owner finds it by its name.

Revision: 0009, after 0008.
"""

from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

NAMING = ("image_tags", "image_properties", "image_members", "blobs", "uploads", "upload_results")


def upgrade() -> None:
    connection = op.get_bind()
    metadata = sa.MetaData()
    metadata.reflect(connection, only=["images", *NAMING])
    images = metadata.tables["images"]
    ids = connection.execute(sa.select(images.c.id).where(images.c.id != sa.func.lower(images.c.id))).scalars().all()
    for old in ids:
        is_taken = connection.execute(sa.select(images.c.id).where(images.c.id == old.lower())).first() is not None
        _rename(connection, metadata, old, str(uuid4()) if is_taken else old.lower())


def _rename(connection: sa.Connection, metadata: sa.MetaData, old: str, new: str) -> None:
    """Copy the image's row first, and remove the old one last: the others refer to one of them at every moment."""
    images = metadata.tables["images"]
    columns = [sa.literal(new) if column.name == "id" else column for column in images.c]
    same = sa.select(*columns).where(images.c.id == old)
    connection.execute(sa.insert(images).from_select(list(images.c), same))
    for name in NAMING:
        table = metadata.tables[name]
        connection.execute(sa.update(table).where(table.c.image_id == old).values(image_id=new))
    connection.execute(sa.delete(images).where(images.c.id == old))
