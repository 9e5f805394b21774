"""Find the digest of a file in a ``SHA256SUMS`` file, as distributions publish it beside their images.

Pure. Both forms of lines are known, that of GNU coreutils and that of BSD.
"""

import re

MOST_SUMS = 1 << 20
GNU = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")
BSD = re.compile(r"SHA256 ?\((.+)\) ?= ?([0-9a-fA-F]{64})")


def digest_in(text: str, name: str) -> str | None:
    """Return the SHA-256 that *text* gives for the file *name*, in lower case; None if it gives none, or two.

    Folders before the name do not count: sums are often of ``./name``.
    """
    found = {digest.lower() for line in text.splitlines() for listed, digest in _entry(line) if _base(listed) == name}
    return found.pop() if len(found) == 1 else None


def _entry(line: str) -> list[tuple[str, str]]:
    line = line.strip()
    if match := GNU.fullmatch(line):
        return [(match[2], match[1])]
    if match := BSD.fullmatch(line):
        return [(match[1], match[2])]
    return []


def _base(listed: str) -> str:
    return listed.rpartition("/")[2]
