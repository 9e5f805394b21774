"""What any bytes whatever must leave true of the inspectors. A broken promise is an AssertionError."""

import random
import time
import zlib
from collections.abc import Iterator, Sequence

from stillage.errors import ContentRejected
from stillage.formats.base import Format
from stillage.formats.catalogue import FORMATS
from stillage.formats.safety import Declaration, Policy, format_found, refusal
from stillage.formats.stream import Examination, Findings

BLOCK = 1 << 20
DECLARED = tuple(Declaration(name) for name in (None, "raw", "qcow2", "vmdk", "zvhd2"))
POLICY = Policy()
LONGEST_MESSAGE = 600
# Instrumented code is many times slower than what a server runs; this finds what is not linear.
CPU_S = 5.0


def keep(image: bytes, formats: Sequence[Format] = FORMATS) -> None:
    """Judge *image* in several ways and compare."""
    started = time.process_time()
    whole = _judged(image, [BLOCK] * (len(image) // BLOCK + 1), formats, size=None)
    assert _judged(image, _lengths(image), formats, size=None) == whole, "the findings depend on the cuts"
    announced = _judged(image, [BLOCK] * (len(image) // BLOCK + 1), formats, size=len(image))
    for declared in DECLARED:
        refused, other = refusal(whole, declared, POLICY), refusal(announced, declared, POLICY)
        assert (refused is None) == (other is None), f"the size announced decides: {refused} or {other}"
        if refused is not None:
            _check_refusal(refused)
        elif whole.matched:
            format_found(whole)
    for hazard in (*whole.hazards, *announced.hazards):
        assert hazard.offset is None or 0 <= hazard.offset < 1 << 64, hazard
        assert 0 < len(hazard.message) <= LONGEST_MESSAGE, hazard
    assert time.process_time() - started < CPU_S, "too slow"


def _judged(image: bytes, lengths: Sequence[int], formats: Sequence[Format], *, size: int | None) -> Findings:
    examination = Examination(formats, size=size)
    refused: dict[Declaration, ContentRejected] = {}
    at = 0
    for length in lengths:
        if at >= len(image):
            break
        examination.feed(image[at : at + length])
        at += length
        _judge(examination.findings, refused)
    assert at >= len(image), "the cuts do not cover the image"
    examination.close(lambda offset, length: image[offset : offset + length])
    final = examination.findings
    for declared, early in refused.items():
        # An upload ends at the first refusal: it must be one that the rest of the bytes cannot take back.
        assert refusal(final, declared, POLICY) is not None, f"refused in the middle and not at the end: {early}"
    return final


def _judge(findings: Findings, refused: dict[Declaration, ContentRejected]) -> None:
    for declared in DECLARED:
        if declared not in refused and (found := refusal(findings, declared, POLICY)) is not None:
            refused[declared] = found


def _check_refusal(refused: ContentRejected) -> None:
    assert refused.rule.partition(".")[2], refused.rule
    assert str(refused), refused.rule


def _lengths(image: bytes) -> list[int]:
    """Cuts that depend on nothing but the image, so that a finding can be had again."""
    source = random.Random(zlib.crc32(image))
    return list(_pieces(source, len(image)))


def _pieces(source: random.Random, left: int) -> Iterator[int]:
    fine = min(left, source.choice([0, 64, 600, 5000]))
    while left > 0:
        if fine > 0:
            length = source.choice([1, 2, 7, 64, 512])
            fine -= length
        else:
            length = source.choice([511, 512, 4096, 65537, 1 << 18, BLOCK, 2 * BLOCK])
        yield length
        left -= length
