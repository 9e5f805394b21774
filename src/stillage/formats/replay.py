"""Serves an inspector bytes that were read already, so that it need not ask for what has gone by."""

from stillage.formats.base import Inspection, Region


def replay(front: bytes, offset: int, inspection: Inspection) -> Inspection:
    """Run *inspection*; what it wants of *front* comes from there, everything else from the stream.

    Args:
        front: Bytes of the stream, from *offset* on.
        offset: Their place in the stream.
        inspection: Not begun.
    """
    step = next(inspection, None)
    while step is not None:
        if isinstance(step, Region) and offset <= step.offset < offset + len(front):
            answer = front[step.offset - offset :][: step.length]
            if missing := step.length - len(answer):
                answer += yield Region(step.offset + len(answer), missing)
        else:
            answer = yield step
        try:
            step = inspection.send(answer)
        except StopIteration:
            return
