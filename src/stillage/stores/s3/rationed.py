"""A bucket that may have no more than so many bytes: S3 knows no limit of its own, and the bill grows with it."""

from stillage.stores.capacity import Capacity
from stillage.stores.s3.blobs import S3Store
from stillage.stores.s3.cache import SliceCache
from stillage.stores.s3.settings import S3Settings


class RationedS3Store(S3Store):
    def __init__(self, settings: S3Settings, capacity: Capacity, *, cache: SliceCache | None = None) -> None:
        super().__init__(settings, cache=cache)
        self._capacity = capacity

    async def left_bytes(self) -> int:
        return await self._capacity.left()
