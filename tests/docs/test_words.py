"""One word means one thing: words that were given up for another are in no name, message, comment or page."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("src", "tests", "bench", "fuzz", "scripts", "docs", "changes", "README.md", "CONTRIBUTING.md", "SECURITY.md")
SUFFIXES = {".py", ".md", ".toml", ".sh", ""}
NOT_OURS = ("tests/data", "tests/docs/test_words.py", "fuzz/corpus", "__pycache__")


@dataclass(frozen=True)
class Word:
    """A word that is not used.

    Attributes:
        pattern: Matches it where no letter stands before it. Small letters match both cases.
        instead: What to say.
        phrases: Where it means something else.
        paths: Files and folders that may have it.
    """

    pattern: str
    instead: str
    phrases: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


IETF = (
    "IETF's draft",
    "draft-ietf-",
    "upload-draft-",
    "upload_draft_",
    "ietf-draft-",
    "--draft",
    "the draft before it",
)
WORDS = (
    Word("judg", "verify, inspect or verdict"),
    Word("strays?(?![a-z])", "orphan"),
    Word("doom", "pending_delete"),
    Word("crew", "supervisor"),
    Word("patien(ce|t)", "retry, or the name of the time limit"),
    Word("endings", "results"),
    Word("mend(s|ed|ing)?(?![a-z])", "fix or repair"),
    Word(
        "draft", "partial blob; the protocol is the IETF's", phrases=IETF,
        paths=("docs/resumable.md", "src/stillage/api/image_v2/uploads"),
    ),
    Word("doors?(?![a-z])", "protocol"),
    Word("announc", "declare; what is to come is expected"),
    Word("Opening(?![a-z])", "Expected"),
    Word("pac(e|es|ed|ing)(?![a-z])", "rate or time limit"),
    Word("callers?(?![a-z])", "principal, or user"),
    Word("askers?(?![a-z])", "principal"),
    Word("Signer(?![a-z])", "Principal"),
    Word("Initiator(?![a-z])", "Principal"),
    Word("watch(er|ing)(?![a-z])", "progress"),
    Word("Home(?![a-z])", "DataFolder, or data_folder", ('press("Home")',)),
    Word("Claims(?![a-z])", "Overlaps"),
    Word("strangers?[./_-]", "foreign", paths=("tests",)),
)  # fmt: skip


def files() -> Iterator[Path]:
    for place in PLACES:
        start = ROOT / place
        for path in (start,) if start.is_file() else sorted(start.rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.is_file() and path.suffix in SUFFIXES and not any(part in name for part in NOT_OURS):
                yield path


@pytest.fixture(scope="module")
def lines() -> list[tuple[str, int, str]]:
    """Of every file: its name, and the number and the text of the line. The first one is the name of the file."""
    return [
        (path.relative_to(ROOT).as_posix(), number, line)
        for path in files()
        for number, line in enumerate([path.name, *path.read_text().splitlines()])
    ]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.pattern)
def test_a_word_that_was_given_up_is_not_used(word: Word, lines: list[tuple[str, int, str]]) -> None:
    flags = re.IGNORECASE if word.pattern[0].islower() else 0
    pattern = re.compile(rf"(?<![A-Za-z]){word.pattern}", flags)
    phrases = re.compile("|".join(map(re.escape, word.phrases)) or "(?!)", re.IGNORECASE)
    found = [
        f"{name}:{number}: {line.strip()}"
        for name, number, line in lines
        if pattern.search(phrases.sub("", line)) and not name.startswith(word.paths or ("\0",))
    ]
    assert not found, f"say {word.instead}:\n" + "\n".join(found)
