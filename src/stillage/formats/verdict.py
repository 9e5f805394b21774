"""Would this file be accepted? The answer for `stillage inspect` and for inspection requests."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from stillage.errors import ContentRejected
from stillage.formats.base import Facts
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
        may_be_empty: Declared formats for which zero bytes are a valid image.
    """
    hazards = list(refusals(findings, declaration, policy))
    declared = declaration.disk_format
    if findings.complete and not size and not hazards and declared not in may_be_empty:
        hazards.append(ContentRejected("the file is empty", rule=EMPTY.id, declared=declared))
    complete = findings.complete and not findings.unread
    facts = _facts(findings, complete=complete)
    return Verdict(
        accepted=False if hazards else True if complete else None,
        declared=declared,
        format=facts.format or None,
        subformat=facts.subformat,
        virtual_size=facts.virtual_size,
        details=facts.details,
        size=size,
        hazards=tuple(hazards),
        complete=complete,
    )


def _facts(findings: Findings, *, complete: bool) -> Facts:
    """What is known of the disk; of no format while several are possible."""
    decided = complete or any(facts.format != "raw" for facts in findings.matched) or not findings.undecided
    return format_found(findings) if decided else Facts("")


@dataclass(frozen=True, slots=True)
class HazardView:
    """A rule that the image breaks."""

    rule: str
    offset: int | None  # of the bytes that break it; None where no single place does
    message: str
    fix: str | None  # a command that makes an acceptable image of it; None where there is none


@dataclass(frozen=True, slots=True)
class VerdictView:
    """Whether an upload would be accepted, and why not."""

    accepted: bool | None
    complete: bool
    declared: str | None
    format: str | None
    subformat: str | None
    virtual_size: int | None
    size: int
    details: Mapping[str, str]
    hazards: list[HazardView]


def verdict_view(verdict: Verdict) -> dict[str, Any]:
    """The verdict as JSON, a `VerdictView`: an answer of the API, and what the command line prints."""
    view = VerdictView(
        accepted=verdict.accepted,
        complete=verdict.complete,
        declared=verdict.declared,
        format=verdict.format,
        subformat=verdict.subformat or None,
        virtual_size=verdict.virtual_size,
        size=verdict.size,
        details=dict(verdict.details),
        hazards=[HazardView(broken.rule, broken.offset, str(broken), broken.fix) for broken in verdict.hazards],
    )
    return asdict(view)
