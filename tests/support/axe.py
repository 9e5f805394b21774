"""axe-core in a page of the console: what it says is wrong for people with disabilities."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@cache
def source() -> str:
    """Return axe-core, which npm brings with the digest of the lock."""
    subprocess.run([ROOT / "scripts/console/check", "--tools"], check=True)
    return (ROOT / ".tools/node/node_modules/axe-core/axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """Return one line for each element that breaks a rule."""
    page.evaluate(source())
    found: dict[str, Any] = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", TAGS
    )
    return [
        f"{rule['id']}: {node['html'][:120]}: {node['failureSummary'][:200]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]
