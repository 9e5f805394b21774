"""The text of a VMDK descriptor, as hostile as it may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillage.formats.vmdk import descriptor

WORDS = (b"version=1", b"RW", b"RDONLY", b"NOACCESS", b"8", b"SPARSE", b'"x"', b"CID", b"=", b'"', b"#", b"key")
BREAKS = (b"\n", b"\r", b"\r\n", b" ", b"\t", b"\x0b", b"\x0c", b"\0", b"\x1c", b"\x85", b"\xef\xbb\xbf")


@given(st.lists(st.sampled_from(WORDS + BREAKS), max_size=12).map(b"".join))
def test_any_text_can_be_read(text: bytes) -> None:
    parsed = descriptor.parse(text, 512)
    places = [*(entry.at for entry in parsed.entries.values()), *(extent.at for extent in parsed.extents)]
    assert all(512 <= at <= 512 + len(text) for at in places)


@pytest.mark.parametrize("line", [b"\x0b", b"\x0c", b"\x0b\x0c \x0b"])
def test_a_line_of_blanks_to_some_readers_alone_is_refused(line: bytes) -> None:
    problem = descriptor.parse(b"version=1\n" + line + b"\nCID=1\n", 0).problem
    assert problem is not None
    assert problem.rule is descriptor.DESCRIPTOR
