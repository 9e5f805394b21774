"""What the client of a server was told of its images, and what therefore must be true from then on."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from promises import State
from server import Answer, Server
from stillage.spans import Span


@dataclass
class Told:
    """Times are the numbers of answers that the client has had.

    Attributes:
        data: What the client gave, or will give, to each image.
    """

    data: dict[str, bytes] = field(default_factory=dict)
    _statuses: dict[str, list[tuple[int, frozenset[str]]]] = field(default_factory=dict)
    _counted: list[tuple[int, str, Span]] = field(default_factory=list)

    def is_one_of(self, time: int, image_id: str, *statuses: str) -> None:
        """From *time* on the image has one of *statuses*."""
        self._statuses.setdefault(image_id, []).append((time, frozenset(statuses)))

    def counts(self, time: int, image_id: str, span: Span) -> None:
        """From *time* on *span* counts of the image's upload, for as long as there is one."""
        self._counted.append((time, image_id, span))

    def certain(self, time: int, status: str) -> list[str]:
        """Return the images that have *status* by *time*, and no other."""
        last = {image_id: [s for when, s in known if when <= time][-1:] for image_id, known in self._statuses.items()}
        return [image_id for image_id, statuses in last.items() if statuses == [{status}]]

    def broken(self, time: int, state: State, counted: dict[str, list[Span]]) -> Iterator[str]:
        """Yield what is not as the client was told by *time*. *counted*: what counts, by the image."""
        for image_id, known in self._statuses.items():
            said = [statuses for when, statuses in known if when <= time]
            row = state.images.get(image_id)
            if said and (row is None or row.status not in said[-1]):
                yield f"image {image_id} is {row and row.status}, and was said to be one of {sorted(said[-1])}"
        for when, image_id, span in self._counted:
            there = counted.get(image_id)
            if (
                when <= time
                and there is not None
                and not any(s.first <= span.first <= span.end <= s.end for s in there)
            ):
                yield f"{span} of image {image_id} was said to count, and what counts is {there}"
        for image_id, row in state.images.items():
            stored = [state.files.get(blob.key) for blob in state.published_of(image_id)]
            if row.status == "active" and stored != [self.data[image_id]]:
                yield f"image {image_id} is active with other bytes than its client sent"


class Informed(Server):
    """A server whose answers are counted."""

    answers = 0

    def call(self, *arguments: Any, **named: Any) -> Answer:
        answer = super().call(*arguments, **named)
        self.answers += 1
        return answer
