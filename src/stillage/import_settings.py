"""The settings of imports: which methods there are, besides where images may come from."""

from typing import Any, Literal

from pydantic import Field, field_validator

from stillage.bucket_settings import ObjectSettings
from stillage.source_settings import SourceSettings, listed

Method = Literal["glance-direct", "web-download", "copy-image", "glance-download"]
Output = Literal["raw", "qcow2", "qcow", "qed", "vdi", "vhd", "vhdx", "vmdk", "zvhd", "zvhd2"]


class ImportSettings(SourceSettings, ObjectSettings):
    """How images may be imported, and from where; see [importing images](importing.md)."""

    import_methods: tuple[Method, ...] = Field(
        ("glance-direct", "web-download", "copy-image"),
        description="methods of import, in the order in which clients are told of them; none disables imports",
    )

    import_convert_to: Output | None = Field(
        None, description="convert imported disks to this format, unless the image has `os_stillage_convert_to`"
    )

    @field_validator("import_methods", mode="before")
    @classmethod
    def _import_methods(cls, value: Any) -> Any:
        given = listed(value) if isinstance(value, str) else value
        return tuple(dict.fromkeys(given)) if isinstance(given, list | tuple) else given
