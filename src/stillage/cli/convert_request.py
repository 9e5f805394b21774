"""What a user asks of ``stillage convert``."""

from dataclasses import dataclass
from pathlib import Path, PurePath

SUFFIXES = {
    ".raw": "raw",
    ".img": "raw",
    **{f".{name}": name for name in ("qcow2", "vmdk", "vhd", "vhdx", "vdi", "qed", "qcow", "zvhd", "zvhd2")},
}


@dataclass(frozen=True, slots=True)
class ConvertRequest:
    """The names of two files, the format to make, and the format that IN should have."""

    source: str
    output: str
    output_format: str
    subformat: str | None = None
    compression: str | None = None
    disk_format: str | None = None
    check: bool = False
    force: bool = False
    as_json: bool = False
    config_file: Path | None = None


def format_by_suffix(name: str) -> str | None:
    """Return the format that a file of this *name* should have, None if its suffix does not say."""
    return SUFFIXES.get(PurePath(name).suffix.lower())
