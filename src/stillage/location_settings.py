"""The settings of locations: whether clients are shown where a store keeps the bytes of an image."""

from pydantic import BaseModel, Field


class LocationSettings(BaseModel, defer_build=True):
    """Whom images tell where their bytes are; see [locations](api.md#locations)."""

    show_image_direct_url: bool = Field(
        default=False, description="show the owners of images where the bytes are: direct_url"
    )
    show_multiple_locations: bool = Field(
        default=False, description="show the owners of images where every copy of the bytes is: locations"
    )
