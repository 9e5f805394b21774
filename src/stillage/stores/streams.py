"""Stream a blob by reading it block by block, one block ahead: for stores in which a single read costs little."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

from stillage.spans import Span

B = TypeVar("B", bytes, bytes | bytearray)


async def blocks_of(read: Callable[[int, int], Awaitable[B]], span: Span, block: int) -> AsyncGenerator[B]:
    """Yield the bytes of *span*, as *read* returns them, at most *block* bytes at once; end where *read* finds none."""
    first = span.first
    if first >= span.end:
        return
    ahead = asyncio.ensure_future(read(first, min(block, span.end - first)))
    try:
        while data := await ahead:
            first += len(data)
            if first >= span.end:
                yield data
                return
            # The consumer takes its time with a block; read the next one meanwhile.
            ahead = asyncio.ensure_future(read(first, min(block, span.end - first)))
            yield data
    finally:
        ahead.cancel()
