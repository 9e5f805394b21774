import struct
from pathlib import Path

import pytest

from qemu_images import contents, inspected, run, virtual_size

pytestmark = pytest.mark.oracle

SIZES = [512, 65536, 1_000_448, 5_000_192, 33 << 20]


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("exact", ["on", "off"])
def test_a_converted_disk_is_accepted(tmp_path: Path, subformat: str, size: int, exact: str) -> None:
    contents(tmp_path / "raw", size)
    image = tmp_path / "disk.vhd"
    options = f"subformat={subformat},force_size={exact}"
    run("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, tmp_path / "raw", image)
    assert inspected(image, "vhd") == (None, virtual_size(image, "vpc"))


@pytest.mark.parametrize("size", ["1M", "100M", "40G", "2040G"])
@pytest.mark.parametrize("exact", ["on", "off"])
def test_an_empty_disk_is_accepted(tmp_path: Path, size: str, exact: str) -> None:
    if (size, exact) == ("2040G", "off"):
        size = "127G"  # the largest that cylinders, heads and sectors can say
    image = tmp_path / "disk.vhd"
    run("qemu-img", "create", "-f", "vpc", "-o", f"force_size={exact}", image, size)
    assert inspected(image, "vhd") == (None, virtual_size(image, "vpc"))


@pytest.mark.parametrize("exact", ["on", "off"])
def test_a_disk_written_out_of_order_is_accepted(tmp_path: Path, exact: str) -> None:
    image = tmp_path / "disk.vhd"
    run("qemu-img", "create", "-f", "vpc", "-o", f"force_size={exact}", image, "100M")
    writes = ["write -P 7 70M 1M", "write -P 9 3000000 5000", "write -z 70M 512k", "write -P 1 90M 3M", "flush"]
    run("qemu-io", "-f", "vpc", *[word for write in writes for word in ("-c", write)], image)
    assert inspected(image, "vhd") == (None, virtual_size(image, "vpc"))


CREATORS = [b"vpc ", b"qemu", b"vbox", b"win ", b"qem2", b"d2v ", b"tap\0", b"tap ", b"CTXS", b"wa\0\0", bytes(4)]
GEOMETRIES = [(65535, 16, 255), (65535, 16, 254), (65535, 255, 16), (2, 4, 17), (0, 0, 0), (120, 4, 17), (121, 4, 17)]


@pytest.mark.parametrize("subformat", ["dynamic", "fixed"])
def test_the_creator_and_the_geometry_decide_as_they_do_for_qemu(tmp_path: Path, subformat: str) -> None:
    image = tmp_path / "disk.vhd"
    run("qemu-img", "create", "-f", "vpc", "-o", f"subformat={subformat},force_size=on", image, "4M")
    made = image.read_bytes()
    for creator in CREATORS:
        for geometry in GEOMETRIES:
            footer = sealed(made[-512:], creator, geometry)
            image.write_bytes((footer + made[512:-512] if subformat == "dynamic" else made[:-512]) + footer)
            reason, size = inspected(image, "vhd")
            if reason is None:
                assert size is not None
                # A geometry is rounded down to whole cylinders, and then ours is the larger size.
                assert 0 <= size - virtual_size(image, "vpc") < 4 * 17 * 512, (creator, geometry)
            else:
                assert reason.startswith(("vhd.geometry", "vhd.table-size")), (creator, geometry)
                assert subformat == "dynamic" or abs(virtual_size(image, "vpc") - (4 << 20)) >= 4 * 17 * 512


def sealed(footer: bytes, creator: bytes, geometry: tuple[int, int, int]) -> bytes:
    changed = footer[:28] + creator + footer[32:56] + struct.pack(">HBB", *geometry) + footer[60:]
    total = sum(changed) - sum(changed[64:68])
    return changed[:64] + struct.pack(">I", ~total & 0xFFFFFFFF) + changed[68:]
