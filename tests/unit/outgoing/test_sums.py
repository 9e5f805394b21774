from hypothesis import given
from hypothesis import strategies as st

from stillage.outgoing.sums import digest_in

ONE, TWO = "1" * 64, "a" * 64
UBUNTU = f"{ONE} *disk.img\n{TWO} *disk.img.xz\n"
FEDORA = f"# disk.qcow2: 123 bytes\nSHA256 (disk.qcow2) = {TWO.upper()}\n"


def test_the_digest_of_a_file_is_found_in_the_lines_of_gnu_and_bsd() -> None:
    assert digest_in(UBUNTU, "disk.img") == ONE
    assert digest_in(UBUNTU, "disk.img.xz") == TWO
    assert digest_in(FEDORA, "disk.qcow2") == TWO
    assert digest_in(f"{ONE}  ./images/a disk.img\r\n", "a disk.img") == ONE
    assert digest_in(f"SHA256(disk.img)= {ONE}", "disk.img") == ONE


def test_no_other_digest_is_taken_for_it() -> None:
    for text in ("", f"{ONE} *other.img", f"{'1' * 128}  disk.img", f"SHA512 (disk.img) = {ONE}", f"x{ONE}  disk.img"):
        assert digest_in(text, "disk.img") is None


def test_two_different_digests_are_none() -> None:
    assert digest_in(f"{ONE}  a/disk.img\n{TWO}  b/disk.img\n", "disk.img") is None
    assert digest_in(f"{ONE}  a/disk.img\n{ONE}  b/disk.img\n", "disk.img") == ONE


@given(st.text())
def test_any_text_has_a_digest_or_none(text: str) -> None:
    assert digest_in(text, "disk.img") in (None, *text.lower().split())
