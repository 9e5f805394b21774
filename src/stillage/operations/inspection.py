"""Judge bytes as an upload would, and keep nothing of them."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from stillage.errors import ImageTooLarge, SizeMismatch
from stillage.formats.catalogue import FORMATS
from stillage.formats.safety import Declaration, Policy
from stillage.formats.stream import Examination
from stillage.formats.verdict import Verdict, verdict
from stillage.images.access import Access, Caller
from stillage.lanes import Lane
from stillage.operations.pipeline import blocks_of


class Inspect:
    """``POST /v2/images/inspect``."""

    def __init__(self, *, access: Access, policy: Policy, may_be_empty: frozenset[str], max_image_bytes: int) -> None:
        self._access = access
        self._policy = policy
        self._may_be_empty = may_be_empty
        self._limit = max_image_bytes

    async def __call__(
        self,
        caller: Caller,
        body: AsyncIterator[bytes],
        declaration: Declaration,
        *,
        size: int | None,
        partial: bool,
    ) -> Verdict:
        """Return the verdict as soon as something speaks against the image, else when *body* has ended.

        Args:
            caller: Whoever may create images may have them inspected.
            body: The image, or its beginning.
            declaration: What the image's record would say.
            size: Of the whole image, None if nobody said.
            partial: *body* is only the beginning, so what the end of the stream would show is not judged.

        Raises:
            Forbidden: If *caller* may not create images.
            ImageTooLarge: By announcement, or when the bytes cross the limit.
            SizeMismatch: If they are not as many as announced.
            StillageError: What *body* raises.
        """
        self._access.require_role(caller, "add_image", "have images inspected")
        if size is not None and size > self._limit:
            raise ImageTooLarge(self._limit, size)
        examination = Examination(FORMATS, size=size)
        received = 0

        def judged() -> Verdict:
            findings = examination.findings
            return verdict(findings, declaration, self._policy, size=received, may_be_empty=self._may_be_empty)

        def take(block: bytes) -> Verdict:
            examination.feed(block)
            return judged()

        def conclude() -> Verdict:
            if not partial:
                examination.close(None)
            return judged()

        async with Lane("inspect") as lane, aclosing(blocks_of(body)) as blocks:
            async for block in blocks:
                received += len(block)
                self._check_size(received, size)
                found = await lane.call(take, block)
                if found.hazards:
                    return found
            if size is not None and received != size and not partial:
                raise SizeMismatch(size, received)
            return await lane.call(conclude)

    def _check_size(self, received: int, size: int | None) -> None:
        if received > self._limit:
            raise ImageTooLarge(self._limit)
        if size is not None and received > size:
            raise SizeMismatch(size, received)
