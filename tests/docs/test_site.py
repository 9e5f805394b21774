"""Every page of docs/ has a place in the navigation of the site."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAV = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]


def test_every_page_is_in_the_navigation_once() -> None:
    named = sorted(page for section in NAV for pages in section.values() for page in pages)
    assert named == sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md"))
