from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from stillage.formats.guids import derived, stored, written


@given(st.uuids())
def test_a_guid_is_stored_and_written_as_microsoft_does_it(guid: UUID) -> None:
    assert stored(str(guid)) == guid.bytes_le
    assert written(guid.bytes_le) == str(guid)


def test_a_name_always_gets_the_same_identifier() -> None:
    assert derived("vmdk 00") == UUID("e45df5d4-282b-538c-8972-2b36e62d2a6f")
