"""What a backup of a node consists of: the names in its folder, and what it tells of itself."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stillage.errors import BadSettings
from stillage.stores.files.disk import write_whole

DATABASE = "stillage.db"
SECRET = "secret.key"  # noqa: S105 - the name of its file
KEYS = ("node-id", "clouds.yaml", "tls/*")
"""Files of the data folder beside the secret, as patterns."""
BUCKETS = "buckets"
STORES = "stores"
SUMMARY = "backup.json"
FORMAT = 1
DAMAGED = ".damaged"
"""Suffix of bytes that are kept although they are not those that were uploaded."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a complete backup tells of itself.

    Attributes:
        made_at: When, as RFC 3339.
        blobs: How many it has, of how many bytes.
        copied: How many of them an earlier run had not.
        damaged: Keys of those whose bytes are not the ones that were uploaded.
        left_out: Stores that are not in it: buckets.
    """

    version: str
    made_at: str
    images: int
    blobs: int
    bytes: int
    copied: int
    damaged: tuple[str, ...]
    left_out: tuple[str, ...]

    def write(self, folder: Path) -> None:
        document = {"format": FORMAT, **asdict(self)}
        write_whole(folder / SUMMARY, json.dumps(document, indent=1).encode())


def read_summary(folder: Path) -> Mapping[str, Any]:
    """Return what the backup in *folder* tells of itself.

    Raises:
        BadSettings: If there is none, or it never became complete, or this version does not know its format.
    """
    try:
        document = json.loads((folder / SUMMARY).read_bytes())
        known = document["format"] == FORMAT
    except FileNotFoundError:
        raise BadSettings(
            f"{folder} has no complete backup; if 'stillage backup' was interrupted, run it again"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSettings(f"cannot read {folder / SUMMARY}: {error}") from error
    if not known:
        raise BadSettings(f"{folder / SUMMARY} is of another version of Stillage; restore it with that version")
    return dict(document)
