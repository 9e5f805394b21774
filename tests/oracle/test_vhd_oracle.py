from pathlib import Path

import pytest

from oracle.qemu_images import contents, judged, run, virtual_size

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
    assert judged(image, "vhd") == (None, virtual_size(image, "vpc"))


@pytest.mark.parametrize("size", ["1M", "100M", "40G", "2040G"])
@pytest.mark.parametrize("exact", ["on", "off"])
def test_an_empty_disk_is_accepted(tmp_path: Path, size: str, exact: str) -> None:
    if (size, exact) == ("2040G", "off"):
        size = "127G"  # the largest that cylinders, heads and sectors can say
    image = tmp_path / "disk.vhd"
    run("qemu-img", "create", "-f", "vpc", "-o", f"force_size={exact}", image, size)
    assert judged(image, "vhd") == (None, virtual_size(image, "vpc"))


@pytest.mark.parametrize("exact", ["on", "off"])
def test_a_disk_written_out_of_order_is_accepted(tmp_path: Path, exact: str) -> None:
    image = tmp_path / "disk.vhd"
    run("qemu-img", "create", "-f", "vpc", "-o", f"force_size={exact}", image, "100M")
    writes = ["write -P 7 70M 1M", "write -P 9 3000000 5000", "write -z 70M 512k", "write -P 1 90M 3M", "flush"]
    run("qemu-io", "-f", "vpc", *[word for write in writes for word in ("-c", write)], image)
    assert judged(image, "vhd") == (None, virtual_size(image, "vpc"))
