"""The setting of what happens to deleted images."""

from pydantic import BaseModel, Field


class TrashSettings(BaseModel, defer_build=True):
    """See [families](families.md)."""

    trash_days: int = Field(
        0, ge=0, le=36_500, description="days in which a deleted image can be restored; 0 deletes at once"
    )
