import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_of_rules_is_what_the_rules_say() -> None:
    page = runpy.run_path(str(ROOT / "scripts" / "rules_page.py"))["page"]()
    written = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert written == page, "docs/rules.md is old: run scripts/rules_page.py"
