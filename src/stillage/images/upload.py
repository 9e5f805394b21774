"""Resumable uploads: which bytes of an image are there, and what a request brings. Pure.

Sources: docs/resumable.md; tus 1.0.0; draft-ietf-httpbis-resumable-upload.
"""

from dataclasses import dataclass, field
from datetime import datetime

from stillage.accounts.principal import Kind
from stillage.ids import BlobKey, ImageId, ProjectId, UploadId, UserId
from stillage.images.image import Image
from stillage.spans import Span

Digests = tuple[tuple[str, str], ...]
"""Algorithm (a `hashlib` name) and hex digest, sorted."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is there in a part of an upload: *spans*, in order; up to *until* nothing else is."""

    spans: tuple[Span, ...]
    until: int


@dataclass(frozen=True, slots=True)
class Ranges:
    """What is there of an upload: the first *spans*, in order, and the bytes in all, *received*."""

    spans: tuple[Span, ...]
    received: int


@dataclass(frozen=True, slots=True)
class Expected:
    """What a client says of the bytes of an image before it sends any of them.

    Attributes:
        size: In bytes; None if it is unknown, or told later.
        digests: Of the whole; verified before anything is published.
        metadata: What else a resumable upload is opened with; kept for its client to read.
    """

    size: int | None = None
    digests: Digests = ()
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What one request brings.

    Attributes:
        first: Offset of its first byte.
        length: Bytes; None: until the body ends.
        size: The whole's, as this request tells it; None tells nothing.
        last: With the end of this piece the upload ends, and by it its size is known.
        digests: Of the piece; it counts only if its bytes have them.
        in_order: *first* must be where the upload's beginning ends.
        zeros: The bytes are *length* zeros, and are not sent.
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
    """Whose rights an upload needs, looked up again whenever it goes on without a token.

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
        size: Of the whole; None until somebody tells it.
        digests: Declared of the whole.
        offset: How many bytes are there from the beginning, and durable, without a gap.
        has_bytes: Some are there, at the beginning or behind it.
        verified: How many from the beginning are hashed and inspected.
        metadata: The client's own, as it was said.
        complete: It has ended well: its bytes are published.
        rights: Whose rights it needs; None for one from before these were recorded, which has none.
        generation: How often somebody else took it over. Capabilities from before open nothing.
        suspended: Why it does not go on without a token; None while it does, or where nobody has looked.
    """

    id: UploadId
    image_id: ImageId
    project_id: ProjectId
    blob_key: BlobKey
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

    @property
    def is_whole(self) -> bool:
        """Every byte is there. It still may be refused."""
        return self.size is not None and self.offset >= self.size


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a piece.

    Attributes:
        image: Active now, if the piece was what it waited for.
    """

    upload: Upload
    image: Image | None = None
