"""Makes text from an image printable: no control character reaches a terminal or a log.

Inspectors quote names and kinds from untrusted bytes. `formats.stream` passes everything that they find through
here, so no inspector has to think of it.
"""

from dataclasses import replace

from stillage.formats.base import Facts, Hazard

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """*text* with `REPLACEMENT` for each character that `str.isprintable` does not count as printable."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else REPLACEMENT for character in text)


def printable_facts(facts: Facts) -> Facts:
    details = {name: printable(value) for name, value in facts.details.items()}
    return replace(facts, subformat=printable(facts.subformat), details=details)


def printable_hazard(hazard: Hazard) -> Hazard:
    return replace(hazard, message=printable(hazard.message))
