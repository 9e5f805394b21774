"""Raw disks: whatever nothing else recognises.

A raw image has no header of its own, so this inspector matches every stream and `formats.safety` lets any other match
take precedence. The virtual size is the length of the file.
"""

from stillage.formats.base import Facts, Inspection, Stream, Tail

FORMAT = "raw"
RULES = ()


def inspect(stream: Stream) -> Inspection:
    yield Facts("raw", virtual_size=stream.size)
    yield Tail(0)
    yield Facts("raw", virtual_size=stream.size)
