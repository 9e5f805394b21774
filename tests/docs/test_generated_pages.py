"""Pages made from the code are what the code says."""

import runpy
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*_page.py")), ids=lambda path: path.stem)
def test_a_generated_page_is_what_the_code_says(script: Path) -> None:
    made = runpy.run_path(str(script))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "the page is stale: run `make docs-pages`"


def test_every_route_says_what_it_does() -> None:
    rows = [row.split("|") for row in (SCRIPTS.parent / "docs" / "routes.md").read_text().splitlines() if "| `" in row]
    assert len(rows) > 50
    assert [route for _, route, summary, *_ in rows if len(summary.split()) < 2] == []
