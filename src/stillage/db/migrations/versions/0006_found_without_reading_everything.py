"""What belongs to a row is found without reading everything, however much there is.

Revision: 0006, after 0005.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_uploads_blob_key", "uploads", ["blob_key"], unique=False)
    op.create_index("ix_tokens_application_credential_id", "tokens", ["application_credential_id"], unique=False)
    op.create_index("ix_blobs_image_id_state", "blobs", ["image_id", "state"], unique=False)
    op.drop_index("ix_blobs_image_id", "blobs")
