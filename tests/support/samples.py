"""Reads the sample disk images.

    for entry in entries(disk_format="vhd", verdict="accept"):
        data = load(entry["file"])

`tests/data/samples/README.md` says what they are and where they come from.
"""

import gzip
import json
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@cache
def manifest() -> dict[str, dict[str, Any]]:
    """Every entry of the manifest, by the image's name."""
    listed = json.loads((SAMPLES / "MANIFEST.json").read_text())["samples"]
    return {entry["file"]: entry for entry in listed}


def entries(**wanted: Any) -> list[dict[str, Any]]:
    """The entries whose fields have these values, for instance ``disk_format="vhd", verdict="accept"``."""
    return [entry for entry in manifest().values() if all(entry[name] == value for name, value in wanted.items())]


@lru_cache(maxsize=4)  # all of them together are 220 MiB
def load(name: str) -> bytes:
    """The image itself, unpacked."""
    entry = manifest()[name]
    stored = (SAMPLES / entry["stored_as"]).read_bytes()
    return gzip.decompress(stored) if entry["encoding"] == "gzip" else stored
