"""What any bytes whatever must leave true of the inspectors. A broken promise is an AssertionError."""

import random
import time
import zlib
from collections.abc import Iterator, Sequence

from fuzz.packing import Unpacked
from stillage.errors import ContentRejected
from stillage.formats import foreign
from stillage.formats.base import LONGEST, Format
from stillage.formats.registry import FORMATS
from stillage.formats.safety import Declaration, Policy, format_found, refusal
from stillage.formats.stream import Examination, Findings

DECLARED = (None, "raw", "qcow2", "vmdk", "zvhd2")
POLICY = Policy()
LONGEST_MESSAGE = 600
BEGINNING = JOINED = 64 << 10
# Instrumented code is many times slower than what a server runs; this finds what is not linear.
CPU_S = 5.0


def keep(image: Unpacked, formats: Sequence[Format] = FORMATS) -> None:
    """Examine *image* as a whole and in one other way, and compare.

    The image itself says in which way, so that a finding can be had again: all three for each would be half as many.
    """
    started = time.process_time()
    declarations = _declarations(formats)
    seed = zlib.crc32(image.piece(0, BEGINNING)) + len(image)
    whole = _examined(image, image.natural_lengths(), formats, declarations, size=None)
    _check(whole, declarations)
    if seed % 3 == 0:
        lengths = _random_lengths(image, random.Random(seed))
        assert _examined(image, lengths, formats, declarations, size=None) == whole, "the findings depend on the cuts"
    elif seed % 3 == 1:
        expected = _examined(image, image.natural_lengths(), formats, declarations, size=len(image))
        _check(expected, declarations)
        for declared in declarations:
            refused, other = refusal(whole, declared, POLICY), refusal(expected, declared, POLICY)
            assert (refused is None) == (other is None), f"the size decides: {refused} or {other}"
    else:
        _check(_begun(image, formats), ())
    assert time.process_time() - started < CPU_S, "too slow"


def _check(findings: Findings, declarations: Sequence[Declaration]) -> None:
    for hazard in findings.hazards:
        assert hazard.offset is None or 0 <= hazard.offset <= LONGEST, hazard
        assert 0 < len(hazard.message) <= LONGEST_MESSAGE, hazard
        assert hazard.message.isprintable(), hazard
    for declared in declarations:
        refused = refusal(findings, declared, POLICY)
        if refused is not None:
            assert refused.rule.partition(".")[2], refused.rule
            assert str(refused), refused.rule
        elif findings.matched:
            format_found(findings)


def _declarations(formats: Sequence[Format]) -> tuple[Declaration, ...]:
    names = {None, "raw", formats[0].FORMAT} - {foreign.FORMAT} if len(formats) == 1 else DECLARED
    return tuple(map(Declaration, names))


def _examined(
    image: Unpacked,
    lengths: Sequence[int],
    formats: Sequence[Format],
    declarations: Sequence[Declaration],
    *,
    size: int | None,
) -> Findings:
    examination = Examination(formats, size=size)
    refused: dict[Declaration, ContentRejected] = {}
    findings = None
    at = 0
    for length in lengths:
        examination.feed(image.piece(at, length))
        at += length
        # The same object as before as long as nothing new was found.
        if examination.findings is not findings:
            findings = examination.findings
            _note_refusals(findings, declarations, refused)
    assert at == len(image), "the cuts do not cover the image"
    examination.close(image.piece)
    final = examination.findings
    for declared, early in refused.items():
        # An upload ends at the first refusal: it must be one that the rest of the bytes cannot take back.
        assert refusal(final, declared, POLICY) is not None, f"refused in the middle and not at the end: {early}"
    return final


def _begun(image: Unpacked, formats: Sequence[Format]) -> Findings:
    """What shows in *image* if it is the beginning of the longest stream that there can be."""
    examination = Examination(formats, size=LONGEST)
    examination.feed(image.piece(0, BEGINNING))
    return examination.findings


def _note_refusals(
    findings: Findings, declarations: Sequence[Declaration], refused: dict[Declaration, ContentRejected]
) -> None:
    for declared in declarations:
        if declared not in refused and (found := refusal(findings, declared, POLICY)) is not None:
            refused[declared] = found


def _random_lengths(image: Unpacked, source: random.Random) -> list[int]:
    """Cuts anywhere but in long zeros."""
    lengths: list[int] = []
    held = 0
    for length in image.natural_lengths():
        if length <= JOINED:
            held += length
            continue
        lengths += [*_pieces(source, held), length]
        held = 0
    return [*lengths, *_pieces(source, held)]


def _pieces(source: random.Random, left: int) -> Iterator[int]:
    fine = min(left, source.choice([0, 64, 600, 2000]))
    while left > 0:
        if fine > 0:
            length = source.choice([1, 2, 7, 64, 512])
            fine -= length
        else:
            length = source.choice([511, 512, 4096, 65537, 1 << 18])
        yield min(length, left)
        left -= length
