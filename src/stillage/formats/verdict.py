"""The answer to "would this be accepted?", for whoever asks without uploading."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stillage.errors import ContentRejected
from stillage.formats.safety import EMPTY, Declaration, Policy, format_found, refusals
from stillage.formats.stream import Findings


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a file, and what speaks against it.

    Attributes:
        accepted: None while nothing speaks against it and not every check could be made.
        format: None while several are possible.
        size: Bytes seen.
        hazards: Why it is refused, the most telling first.
        complete: True when every check was made: the whole file was seen, and what had gone by could be read again.
    """

    accepted: bool | None
    declared: str | None
    format: str | None
    subformat: str
    virtual_size: int | None
    details: Mapping[str, str]
    size: int
    hazards: tuple[ContentRejected, ...]
    complete: bool


def verdict(
    findings: Findings, declaration: Declaration, policy: Policy, *, size: int, may_be_empty: Collection[str]
) -> Verdict:
    """Return the verdict on *findings*, of the whole stream or of a part of it.

    Args:
        findings: Of all inspectors.
        declaration: What an image's record would say.
        policy: The deployment's.
        size: Bytes seen.
        may_be_empty: Declared formats of which zero bytes are an image.
    """
    hazards = list(refusals(findings, declaration, policy))
    declared = declaration.disk_format
    if findings.complete and not size and not hazards and declared not in may_be_empty:
        hazards.append(ContentRejected("the file is empty", rule=EMPTY.id, declared=declared))
    complete = findings.complete and not findings.unread
    decided = complete or any(facts.format != "raw" for facts in findings.matched) or not findings.undecided
    facts = format_found(findings) if decided else None
    return Verdict(
        accepted=False if hazards else True if complete else None,
        declared=declared,
        format=facts.format if facts else None,
        subformat=facts.subformat if facts else "",
        virtual_size=facts.virtual_size if facts else None,
        details=facts.details if facts else {},
        size=size,
        hazards=tuple(hazards),
        complete=complete,
    )


def verdict_view(found: Verdict) -> dict[str, Any]:
    """The verdict as JSON: what an upload would be answered, and what the command line prints."""
    return {
        "accepted": found.accepted,
        "complete": found.complete,
        "declared": found.declared,
        "format": found.format,
        "subformat": found.subformat or None,
        "virtual_size": found.virtual_size,
        "size": found.size,
        "details": dict(found.details),
        "hazards": [
            {"rule": broken.rule, "offset": broken.offset, "message": str(broken), "fix": broken.fix}
            for broken in found.hazards
        ],
    }
