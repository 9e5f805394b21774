"""docs/troubleshooting.md quotes sentences that the code still says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "troubleshooting.md").read_text()
SENTENCES = re.findall(r"^### `(.+)`$", TEXT, re.MULTILINE)
ELLIPSIS = "…"


def texts() -> Iterator[str]:
    for file in (ROOT / "src").rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text())))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node.value


def test_every_entry_is_a_sentence() -> None:
    assert len(SENTENCES) == TEXT.count("\n### ")
    assert len(set(SENTENCES)) == len(SENTENCES)


def test_the_code_says_each_sentence() -> None:
    # What a format string has between its values is a constant of its own.
    said = "\n".join(texts())
    for sentence in SENTENCES:
        parts = [part.strip(" ;:,") for part in sentence.split(ELLIPSIS)]
        assert max(map(len, parts)) >= len("has ended"), sentence
        assert [part for part in parts if part not in said] == [], sentence
