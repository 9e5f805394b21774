"""What became of the images of a Glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of one image."""

    ADOPTED = "adopted"
    RECORDED = "recorded"
    """It has no data in Glance either."""
    PRESENT = "present"
    """An earlier run adopted it."""
    REFUSED = "refused"
    """Its bytes are not served; it is queued, if it can be recorded at all."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an image, or would.

    Attributes:
        reason: Why it is refused; None otherwise.
        rule: That its bytes break, if that is why.
        note: What differs from what Glance said.
        file: That Glance keeps it in; None if it is not in the folder.
        taken: The bytes are in our own store, and Glance's name of the file is not needed.
    """

    image_id: str
    name: str | None
    outcome: Outcome
    size: int | None = None
    reason: str | None = None
    rule: str | None = None
    note: str | None = None
    file: str | None = None
    taken: bool = False


@dataclass(frozen=True, slots=True)
class NamespaceResult:
    """What became of a namespace of metadata definitions. *reason*: why it was refused."""

    name: str
    outcome: Outcome
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """*deleted*: files of Glance that were deleted, because that was asked for."""

    images: Sequence[Result]
    namespaces: Sequence[NamespaceResult]
    deleted: int = 0

    def count(self, outcome: Outcome) -> int:
        return sum(result.outcome is outcome for result in self.images)

    @property
    def refused_any(self) -> bool:
        outcomes = [each.outcome for each in self.images] + [each.outcome for each in self.namespaces]
        return Outcome.REFUSED in outcomes

    def as_json(self) -> dict[str, Any]:
        counted = {str(outcome): self.count(outcome) for outcome in Outcome}
        size = sum(each.size or 0 for each in self.images if each.outcome is Outcome.ADOPTED)
        namespaces = [
            {"name": each.name, "outcome": str(each.outcome), "reason": each.reason} for each in self.namespaces
        ]
        return {
            **counted,
            "bytes": size,
            "deleted_files": self.deleted,
            "images": [_shown(each) for each in self.images],
            "namespaces": namespaces,
        }


def _shown(result: Result) -> dict[str, Any]:
    return {
        "id": result.image_id,
        "name": result.name,
        "outcome": str(result.outcome),
        "size": result.size,
        "reason": result.reason,
        "rule": result.rule,
        "note": result.note,
    }
