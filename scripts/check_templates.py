"""Checks that every htm template of the console closes its tags.

htm is no HTML: it knows no elements that close themselves, and a tag that is left open takes in all that follows, which
shows as an empty page. Prints each finding as FILE:LINE, and exits 1 if there are any.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "src" / "stillage" / "console"
SKIPPED = re.compile(r"//[^\n]*|/\*.*?\*/|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
# A division is no regular expression: that follows an operator, an opening bracket or a comma.
PATTERN = re.compile(r"(?<=[(,=:\[!&|?{};\n])\s*/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
TAG = re.compile(
    r"<!--.*?-->|<(?P<end>/)?(?P<name>\x00|[A-Za-z][\w-]*|/)?(?P<rest>(?:\"[^\"]*\"|'[^']*'|[^>\"'<])*)>", re.DOTALL
)
VALUE = "\x00"
"""Stands for ``${…}`` in what is read of a template."""


@dataclass
class Template:
    """One template. *text*: with `VALUE` for each value, and line ends kept."""

    line: int
    text: str = ""


@dataclass
class Reader:
    """Finds the templates of one module, those in the values of others too."""

    source: str
    found: list[Template] = field(default_factory=list)

    def code(self, at: int, closing: str = "") -> int:
        """Read JavaScript from *at* to *closing* of the same depth, and return where that is."""
        depth = 0
        while at < len(self.source):
            character = self.source[at]
            if closing and character == closing and not depth:
                return at
            depth += (character == "{") - (character == "}")
            if skipped := SKIPPED.match(self.source, at) or PATTERN.match(self.source, at):
                at = max(skipped.end(), at + 1)
            elif character == "`":
                at = self.template(at + 1, is_html=self.source[max(0, at - 4) : at] == "html")
            else:
                at += 1
        return at

    def template(self, at: int, *, is_html: bool) -> int:
        """Read a template from behind its first backtick, and return where what follows it begins."""
        template = Template(self.source.count("\n", 0, at) + 1)
        while at < len(self.source) and self.source[at] != "`":
            if self.source.startswith("${", at):
                end = self.code(at + 2, "}")
                template.text += VALUE + "\n" * self.source.count("\n", at, end)
                at = end + 1
            else:
                length = 2 if self.source[at] == "\\" else 1
                template.text += self.source[at : at + length]
                at += length
        if is_html:
            self.found.append(template)
        return at + 1


def findings(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and message of each tag of *source* that is not closed, or closes nothing."""
    reader = Reader(source)
    reader.code(0)
    for template in reader.found:
        yield from _of_template(template)


def _of_template(template: Template) -> Iterator[tuple[int, str]]:
    opened: list[tuple[str, int]] = []
    for tag in TAG.finditer(template.text):
        line = template.line + template.text.count("\n", 0, tag.start())
        name = tag["name"] or ""
        shown = name.replace(VALUE, "${…}")
        if tag["end"] is None:
            if name and not tag["rest"].rstrip().endswith("/"):
                opened.append((name, line))
        elif not opened:
            yield line, f"</{shown}> closes nothing"
        elif name not in ("/", "") and opened[-1][0] != name:
            yield line, f"</{shown}> closes <{opened[-1][0].replace(VALUE, '${…}')}> of line {opened[-1][1]}"
            opened.pop()
        else:
            opened.pop()
    for name, line in opened:
        yield line, f"<{name.replace(VALUE, '${…}')}> is not closed"


def main() -> int:
    count = 0
    for path in sorted(FOLDER.rglob("*.js")):
        if path.parent.name == "vendor":
            continue
        for line, message in findings(path.read_text(encoding="utf-8")):
            print(f"{path.relative_to(FOLDER.parents[2])}:{line}: {message}", file=sys.stderr)
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
