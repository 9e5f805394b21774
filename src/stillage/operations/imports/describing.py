"""What an image takes along from the image service that it is imported from: its formats, and some properties. Pure.

Source: Glance, import method ``glance-download`` and its option ``extra_properties``.
"""

from dataclasses import replace

from stillage.errors import InvalidInput
from stillage.images.creation import MAX_PROPERTIES, property_name, property_value, require_count, require_record
from stillage.images.image import CONTAINER_FORMATS, DISK_FORMATS, Content, Image
from stillage.operations.imports.sources import Described

TAKEN_ALONG = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
"""How the properties begin that are taken along."""


def as_described(image: Image, described: Described | None) -> Image:
    """Return *image* with the formats that the other service has on record.

    Raises:
        InvalidInput: If one of them is none that an image here can have.
    """
    if described is None:
        return image
    for name, value, known in (
        ("disk_format", described.disk_format, DISK_FORMATS),
        ("container_format", described.container_format, CONTAINER_FORMATS),
    ):
        if value is not None and value not in known:
            raise InvalidInput(f"the other service says {name} {value[:64]!r}, which no image here can have")
    return replace(
        image,
        disk_format=described.disk_format or image.disk_format,
        container_format=described.container_format or image.container_format,
    )


def with_described(content: Content, image: Image, described: Described | None, max_record_bytes: int) -> Content:
    """Return *content*, which is to become that of *image*, with what is taken along.

    Raises:
        InvalidInput, TooLarge: If the record of the image cannot hold it.
    """
    if described is None:
        return content
    taken = {
        property_name(name): property_value(name, value)
        for name, value in described.properties.items()
        if name.startswith(TAKEN_ALONG)
    }
    properties = {**image.properties, **taken, **content.properties}
    require_count("properties", len(properties), MAX_PROPERTIES)
    require_record(replace(image, properties=properties), max_record_bytes, before=image)
    return replace(content, container_format=described.container_format, properties={**taken, **content.properties})
