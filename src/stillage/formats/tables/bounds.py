"""Refuses a file that was cut short: one that ends before something that it refers to."""

from collections.abc import Generator

from stillage.formats.base import MalformedImage, Region, Rule, Stream


def read_whole(rule: Rule, at: int, length: int, what: str) -> Generator[Region, bytes, bytes]:
    """Return exactly *length* bytes from byte *at*, where *what* is.

    Raises:
        MalformedImage: Under *rule*, if the file ends before that.
    """
    data = yield Region(at, length)
    if len(data) < length:
        raise MalformedImage(rule, at, f"{what} ends at byte {at + length}; the file has {at + len(data)}")
    return data


def require_within(stream: Stream, rule: Rule, end: int, at: int, what: str) -> None:
    """Raise `MalformedImage` under *rule* if *what*, which the field at byte *at* places, ends behind the file.

    While the file's length is unknown nothing is raised: ask again when the stream has ended.
    """
    if stream.size is not None and end > stream.size:
        raise MalformedImage(rule, at, f"{what} ends at byte {end}; the file has {stream.size}")
