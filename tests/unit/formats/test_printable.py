"""Nothing that an image says reaches a terminal as it is, whichever inspector quotes it."""

import pytest

from disk_edits import facts
from examining import examine
from samples import load
from stillage.formats.base import Facts, Hazard, Inspection, MalformedImage, Region, Rule, Stream
from stillage.formats.printable import printable
from stillage.formats.registry import FORMATS
from stillage.formats.stream import Examination
from stillage.formats.vhdx import inspect as vhdx
from stillage.formats.vmdk import inspect as vmdk
from vmdk_images import descriptor

HOSTILE = "\x1b]0;title\x07\x9b31m\r\n\t\u202egpj.\u2066\x00\ud800\x7f"


class Quoting:
    """An inspector that quotes whatever it is given."""

    FORMAT = "quoting"
    RULES = ()

    def __init__(self, text: str, *, malformed: bool) -> None:
        self._text = text
        self._malformed = malformed

    def inspect(self, stream: Stream) -> Inspection:  # noqa: ARG002 - the Protocol's
        yield Region(0, 1)
        yield Facts(self.FORMAT, 1, self._text, {"name": self._text})
        yield Hazard(Rule("quoting.text", ""), 0, self._text)
        if self._malformed:
            raise MalformedImage(Rule("quoting.broken", ""), 0, self._text)


@pytest.mark.parametrize("malformed", [False, True])
def test_facts_and_hazards_of_any_inspector_are_printable(malformed: bool) -> None:
    found = examine(b"x", formats=(Quoting(HOSTILE, malformed=malformed),))
    texts = [found.matched[0].subformat, *found.matched[0].details.values(), *(h.message for h in found.hazards)]
    assert len(texts) == 3 + malformed
    for text in texts:
        assert text.isprintable()
        assert text == printable(HOSTILE)


def test_what_is_printable_stays_as_it_is() -> None:
    text = "streamOptimized, Größe 4 MiB, 磁盘 — “ok”"
    assert printable(text) is text
    found = facts(Quoting(text, malformed=False), b"x")
    assert found == Facts("quoting", 1, text, {"name": text})


def test_the_kind_of_a_vmdk_is_printable() -> None:
    text = descriptor(create_type="\x1b[2J\x9b31mflat", extents=['RW 1 FLAT "x\x1b[2J" 0'])
    found = examine(text, formats=(vmdk,))
    assert found.matched[0].subformat.isprintable()
    assert "flat" in found.matched[0].subformat
    assert all(hazard.message.isprintable() for hazard in found.hazards)


def test_the_creator_of_a_vhdx_is_printable() -> None:
    image = load("vhdx-dynamic.vhdx")
    named = image[:8] + "\x1b[2Jx".encode("utf-16-le").ljust(512, b"\0") + image[520:]
    for value in examine(named, formats=(vhdx,)).matched[0].details.values():
        assert value.isprintable()


def test_hazards_that_show_early_are_printable() -> None:
    examination = Examination(FORMATS)
    examination.feed(b"# Disk DescriptorFile\nversion=1\n\x1b[2J\n" + b'RW 1 FLAT "\x1b[2J" 0\n'.ljust(600, b"\0"))
    assert examination.findings.hazards
    assert all(hazard.message.isprintable() for hazard in examination.findings.hazards)
