"""The documentation names every member of the documents that it explains, and no other."""

import re
from dataclasses import fields
from pathlib import Path

from stillage.api.image_v2.uploads.documents import Upload
from stillage.formats.verdict import HazardView, VerdictView

DOCS = Path(__file__).parents[2] / "docs"


def members_in(page: str, heading: str) -> set[str]:
    """Return the names in the first column of the table under *heading*."""
    table = (DOCS / page).read_text(encoding="utf-8").partition(heading)[2].partition("\n\n")[0]
    return {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_verdict_on_an_image() -> None:
    assert members_in("formats.md", "| field | meaning |") == {field.name for field in fields(VerdictView)}
    [hazards] = re.findall(r"\| `hazards` \|.*", (DOCS / "formats.md").read_text(encoding="utf-8"))
    assert set(re.findall(r"`(\w+)`", hazards)) == {"hazards", *(field.name for field in fields(HazardView))}


def test_the_document_of_an_upload() -> None:
    assert members_in("resumable.md", "| Member | |") == set(Upload.__annotations__) - {"proof"}
