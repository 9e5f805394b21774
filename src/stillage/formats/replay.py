"""Serves an inspector bytes that were read already, so that it need not ask for what has gone by."""

from stillage.formats.base import Inspection, Region


def replay(front: bytes, offset: int, inspection: Inspection) -> Inspection:
    """Run *inspection*; what it wants of *front* comes from there, everything else from the stream.

    Args:
        front: Bytes of the stream, from *offset* on.
        offset: Their place in the stream.
        inspection: Not begun.
    """
    found = next(inspection, None)
    while found is not None:
        if isinstance(found, Region) and offset <= found.offset < offset + len(front):
            answer = front[found.offset - offset :][: found.length]
            if missing := found.length - len(answer):
                answer += yield Region(found.offset + len(answer), missing)
        else:
            answer = yield found
        try:
            found = inspection.send(answer)
        except StopIteration:
            return
