"""Verify a file of Glance as an upload of its bytes would be: size, digests, format."""

import asyncio
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from stillage.errors import ImageTooLarge, NotAdopted, StoreFailed
from stillage.images.glance import GlanceImage
from stillage.images.image import Content, Image
from stillage.operations.upload.acceptance import UploadRules, content_of, require_may_be_empty, verification_of
from stillage.operations.upload.verification import BLOCK


@contextmanager
def opened(folder: Path, name: str) -> Iterator[int]:
    """Open a file of Glance; NotAdopted if there is none."""
    path = folder / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise NotAdopted(f"its file {path} cannot be opened: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAdopted(f"{path} is not a file")
        yield descriptor
    finally:
        os.close(descriptor)


async def verified(found: GlanceImage, image: Image, file: int, rules: UploadRules) -> Content:
    """Read *file* and return what it holds; *image* is the record here.

    Raises:
        NotAdopted: If it has another size, or another digest, than Glance recorded.
        ContentRejected: If this deployment refuses such an image.
        ImageTooLarge, EmptyBody, StoreFailed: As they say.
    """
    size = os.fstat(file).st_size
    if size != found.size:
        raise NotAdopted(f"its file has {size} bytes, and Glance recorded {found.size}")
    if size > rules.max_image_bytes:
        raise ImageTooLarge(rules.max_image_bytes, size)
    if size == 0:
        require_may_be_empty(image, rules)
    known = [(name, value) for name, value in found.digests if name in hashlib.algorithms_available]
    if found.os_hash_algo in dict(known):
        rules = replace(rules, hash_algorithm=found.os_hash_algo)
    async with verification_of(image, rules, size, known) as verification:
        for at in range(0, size, BLOCK):
            await verification.feed(await asyncio.to_thread(_read, file, BLOCK, at))
        whole = await verification.conclude(lambda offset, length: _read(file, length, offset))
    for name, recorded in known:
        if whole.digests[name] != recorded:
            raise NotAdopted(f"the {name} of its file is {whole.digests[name]}, and Glance recorded {recorded}")
    return content_of(image, whole, rules)


def _read(file: int, length: int, offset: int) -> bytes:
    try:
        return os.pread(file, length, offset)
    except OSError as error:
        raise StoreFailed(f"its file cannot be read at byte {offset}: {error.strerror}") from error
