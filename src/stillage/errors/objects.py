"""What is wrong with a bucket of an object store, or with an object in it."""

from collections.abc import Iterable

from stillage.errors.base import Conflict, InvalidInput, Unavailable


class BucketNotFound(InvalidInput):
    """There is no such bucket for the project; whether another project has it is not said."""

    code = "bucket_not_found"
    fix = "use a bucket of your own project, or ask the operator to bind one to it"

    def __init__(self, bucket: str) -> None:
        super().__init__(f"the bucket {bucket[:64]!r} is not accessible; {self.fix}")


class ObjectNotFound(InvalidInput):
    """The bucket has no such object."""

    code = "object_not_found"
    fix = "put the file into the bucket first, and name it as it is there"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no object {name[:255]!r}; {self.fix}")


class ObjectExists(Conflict):
    """The bucket has an object of the name that an export was to make."""

    code = "object_exists"
    fix = "choose another name, or delete the object first"

    def __init__(self, name: str) -> None:
        super().__init__(f"the object {name[:255]!r} exists; {self.fix}")


class ObjectChanged(InvalidInput):
    """The object was replaced while it was read, so its bytes do not belong together."""

    code = "object_changed"
    fix = "try again when nobody writes the object"

    def __init__(self, name: str) -> None:
        super().__init__(f"the object {name[:255]!r} changed while it was read; {self.fix}")


class BucketFailed(Unavailable):
    """The folder or the server that has the bucket does not work. Another attempt may succeed."""

    code = "bucket_failed"
    fix = "try again later; the log of the server says more"

    def __init__(self, bucket: str, why: str) -> None:
        super().__init__(f"the bucket {bucket!r} cannot be used: {why}; {self.fix}")


class UnexpectedFormat(InvalidInput):
    """A file of a bucket has a format that the request excludes: it asks for a quick import, or for an ISO image."""

    code = "unexpected_format"
    fix = "use POST /v2/cloudimages/action without is_quick_import and without the type IsoImage; it takes every format"

    def __init__(self, found: str | None, allowed: Iterable[str]) -> None:
        formats = ", ".join(sorted(allowed))
        super().__init__(f"the file is {found or 'of no known format'}, and this import takes {formats}: {self.fix}")
