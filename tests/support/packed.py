"""Packs disks in memory, and makes disks to be packed."""

import random

from hypothesis import strategies as st

from stillage.formats.packing.base import Packer


def packed(packer: Packer, guest: bytes) -> bytes:
    """The whole file that *packer* makes of *guest*."""
    made = bytearray(packer.head())
    for at in range(0, len(guest), packer.batch):
        made += packer.place(packer.pack(at, memoryview(guest)[at : at + packer.batch]))
    made += packer.tail()
    for offset, data in packer.patches():
        made[offset : offset + len(data)] = data
    return bytes(made)


# Around the units of all formats, and what one table of them maps.
EDGES = (512, 65536, 1 << 20, 2 << 20, 32 << 20)


def sizes(most: int = 34 << 20) -> st.SearchStrategy[int]:
    """Sizes of disks, most of them next to a boundary; multiples of 512."""
    near = st.builds(
        lambda edge, times, sectors: max(512, edge * times + 512 * sectors),
        st.sampled_from(EDGES),
        st.integers(1, 3),
        st.integers(-2, 2),
    )
    return (near | st.integers(1, 4096).map(lambda sectors: 512 * sectors)).filter(lambda size: size <= most)


@st.composite
def disks(draw: st.DrawFn) -> bytes:
    """Disks of zeros with a few runs of noise, of one byte and of text."""
    size = draw(sizes())
    guest = bytearray(size)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, size // 512 - 1)) * 512
        length = min(size - at, draw(st.sampled_from((512, 4096, 65536, 200_192))))
        kind, seed = draw(st.sampled_from(["noise", "byte", "text"])), draw(st.integers(1, 255))
        guest[at : at + length] = run(kind, seed, length)
    return bytes(guest)


def run(kind: str, seed: int, length: int) -> bytes:
    """*length* bytes that compress not at all, or to almost nothing, or well."""
    if kind == "noise":
        return random.Random(seed).randbytes(length)
    if kind == "byte":
        return bytes([seed]) * length
    return (b"%d bottles of beer on the wall, " % seed * (length // 20 + 1))[:length]
