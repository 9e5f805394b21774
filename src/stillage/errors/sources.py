"""What is wrong with a source on the web that an image is to be imported from."""

from stillage.errors.base import InvalidInput, StillageError, Unavailable
from stillage.errors.images import DigestMismatch


class SourceForbidden(InvalidInput):
    """The settings do not allow imports from this URL, or from where its host name or a redirect leads."""

    code = "source_forbidden"
    fix = "use a public http:// or https:// URL, or ask the operator to allow this one"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"cannot import from {url}: {why}; {self.fix}")
        self.why = why


class SourceUnavailable(Unavailable):
    """The source cannot be reached, is silent, fails or breaks off again and again. Another attempt may succeed."""

    code = "source_unavailable"
    fix = "check the source, and start the import again later"

    def __init__(self, url: str, why: str, *, retry_after_s: int = 5) -> None:
        super().__init__(f"cannot read {url}: {why}; {self.fix}", retry_after_s=retry_after_s)
        self.why = why


class SourceRefused(InvalidInput):
    """The source answers, but not with the file: it is not there, needs a login, or the answer makes no sense."""

    code = "source_refused"
    fix = "check what the source has at this URL"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"cannot read {url}: {why}; {self.fix}")
        self.why = why


class SourceChanged(InvalidInput):
    """The source was replaced while it was read, so its bytes do not belong together."""

    code = "source_changed"
    fix = "start the import again"

    def __init__(self, url: str, offset: int) -> None:
        super().__init__(f"{url} changed while it was read (after {offset} bytes); {self.fix}")
        self.offset = offset


class SourceLengthMismatch(InvalidInput):
    """The source sends fewer or more bytes than it declared."""

    code = "source_length_mismatch"
    fix = "correct the source, and start the import again"

    def __init__(self, url: str, declared: int, received: int | None) -> None:
        count = "more" if received is None else str(received)
        super().__init__(f"{url} declared {declared} bytes and sent {count}; {self.fix}")
        self.declared = declared
        self.received = received


class SourceDigestMismatch(DigestMismatch):
    """The source does not have the digest that is expected of it, or no digest of it can be trusted."""

    code = "source_digest_mismatch"
    fix = "check the digest and the source, and start the import again"

    def __init__(self, url: str, why: str) -> None:
        StillageError.__init__(self, f"{url} is not what is expected: {why}; {self.fix}")


class SourceNotUnpacked(InvalidInput):
    """The source is compressed, and is damaged, incomplete, or expands to more than is allowed."""

    code = "source_not_unpacked"
    fix = "check the file, or unpack it and import the result"

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"cannot unpack {url}: {why}; {self.fix}")
        self.why = why
