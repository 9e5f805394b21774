"""Writes docs/rules.md, the page of every rule that an image can break, from the rules themselves."""

from pathlib import Path

from stillage.formats.allowable import ALLOWABLE
from stillage.formats.base import Rule
from stillage.formats.registry import rules

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"
HEAD = """\
# Why an image is refused

Every image is inspected while it is uploaded, by the inspectors of all formats, whatever it is declared to be. The
first rule that it breaks ends the upload. The answer, the image (`os_stillage_reason`) and the log name the rule, the
byte offset where it shows, and the fix, if there is a command that makes an acceptable image: `IN` is the refused file,
`OUT` the new one, `FORMAT` its format. If several rules are broken, the most important one is named.

This page is written by `scripts/rules_page.py`.

| rule | what it means | fix |
|---|---|---|
"""


ALLOWED = """
## Rules that may be allowed

[`allowed_rules`](formats.md#what-a-deployment-decides) may name these rules and no others:

"""


def page() -> str:
    allowable = "".join(f"* `{rule}`\n" for rule in sorted(ALLOWABLE))
    return HEAD + "".join(map(_row, rules())) + ALLOWED + allowable


def _row(rule: Rule) -> str:
    fix = f"`{rule.fix}`" if rule.fix else ""
    cells = (cell.replace("|", "\\|") for cell in (f"`{rule.id}`", rule.meaning, fix))
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
