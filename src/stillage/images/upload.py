"""Resumable uploads: which bytes of an image are there, and what a request brings. Pure.

Sources: docs/resumable.md; tus 1.0.0; draft-ietf-httpbis-resumable-upload.
"""

from dataclasses import dataclass, field
from datetime import datetime

from stillage.accounts.principal import Kind
from stillage.ids import BlobRef, ImageId, ProjectId, StoreId, UploadId, UserId
from stillage.images.image import Image
from stillage.images.upload_query import UploadStatus
from stillage.spans import Span

Digests = tuple[tuple[str, str], ...]
"""Algorithm (a `hashlib` name) and hex digest, sorted."""


@dataclass(frozen=True, slots=True)
class Window:
    """What was received in a part of an upload: *spans*, in order, and nothing else before *until*."""

    spans: tuple[Span, ...]
    until: int


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a store keeps bytes of a partial blob, if it cannot tell by their offsets.

    Attributes:
        span: Which bytes.
        name: The store's own, of something that never changes; it tells at which offset that begins.
        replaces: Names of what the same request has kept of *span* before, whose bytes this repeats.
    """

    span: Span
    name: str
    replaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ranges:
    """What was received of an upload: the first *spans*, in order, and the total number of bytes."""

    spans: tuple[Span, ...]
    received: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What a client says of the bytes of an image before it sends any of them.

    Attributes:
        size: In bytes; None if it is unknown, or told later.
        digests: Of the whole; verified before anything is published.
        metadata: What else a resumable upload is opened with; kept for its client to read.
        store: Where the bytes are to be kept; None leaves it to the server.
    """

    size: int | None = None
    digests: Digests = ()
    metadata: str | None = None
    store: StoreId | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What one request brings.

    Attributes:
        first: Offset of its first byte.
        length: In bytes; None if only the end of the body tells.
        size: Of the whole upload, if this request declares it.
        last: The upload ends with this piece, which determines its size.
        digests: Of the piece, which counts only if its bytes match them.
        in_order: *first* must be the end of the contiguous beginning.
        zeros: The piece is *length* zeros, which are not sent.
    """

    first: int
    length: int | None = None
    size: int | None = None
    last: bool = False
    digests: Digests = ()
    in_order: bool = False
    zeros: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Whose rights an upload needs. They are looked up again whenever it is resumed without a token.

    Attributes:
        user_id: Who opened it, or took it over.
        project_id: In which project.
        kind: See `accounts.principal`.
        through: See `accounts.principal`; with a Keystone it is encrypted.
    """

    user_id: UserId
    project_id: ProjectId
    kind: Kind
    through: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """A resumable upload, as last read.

    Attributes:
        blob: Where its bytes go.
        size: Of the whole; None until it is declared.
        digests: Declared of the whole.
        offset: Length of the contiguous beginning that is durable.
        has_bytes: At least one byte was received, anywhere.
        verified: How many bytes from the beginning were hashed and inspected.
        metadata: The client's own, as it was sent.
        complete: It succeeded: its bytes are published.
        rights: Whose rights it needs; None for one from before these were recorded, which has none.
        generation: How often another user took it over. Capabilities of earlier generations are void.
        suspended: Why it cannot be resumed without a token; None if it can, or it was not checked.
        staged: Its bytes wait for an import, which verifies them.
    """

    id: UploadId
    image_id: ImageId
    project_id: ProjectId
    blob: BlobRef
    created_at: datetime
    expires_at: datetime
    size: int | None = None
    digests: Digests = ()
    offset: int = 0
    has_bytes: bool = False
    verified: int = 0
    complete: bool = False
    metadata: str | None = None
    rights: Grant | None = None
    generation: int = 0
    suspended: str | None = None
    staged: bool = False

    @property
    def is_whole(self) -> bool:
        """True if every byte was received. It may still be refused."""
        return self.size is not None and self.offset >= self.size

    @property
    def status(self) -> UploadStatus:
        """What it waits for, while it is open."""
        if not self.is_whole:
            return UploadStatus.RECEIVING
        return UploadStatus.STAGED if self.staged else UploadStatus.VERIFYING


@dataclass(frozen=True, slots=True)
class Progress:
    """The result of a piece.

    Attributes:
        image: The image, if this piece made it active.
    """

    upload: Upload
    image: Image | None = None
