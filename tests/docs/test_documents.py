"""The documentation names every member of the documents that it explains, and no other."""

import re
from pathlib import Path

from stillage.api.image_v2.uploads.documents import Upload

DOCS = Path(__file__).parents[2] / "docs"


def members_in(page: str, heading: str) -> set[str]:
    """Return the names in the first column of the table under *heading*."""
    table = (DOCS / page).read_text(encoding="utf-8").partition(heading)[2].partition("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_document_of_an_upload() -> None:
    assert members_in("resumable.md", "| Member | |") == set(Upload.__annotations__) - {"proof"}
