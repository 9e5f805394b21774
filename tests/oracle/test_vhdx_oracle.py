from pathlib import Path

import pytest

from qemu_images import contents, inspected, run, virtual_size

pytestmark = pytest.mark.oracle

OPTIONS = [
    "subformat=dynamic",
    "subformat=fixed",
    "subformat=dynamic,block_size=1M",
    "subformat=fixed,block_size=1M",
    "subformat=dynamic,block_size=8M,block_state_zero=off",
    "subformat=dynamic,block_size=2M,log_size=4M",
    "subformat=fixed,block_size=16M,log_size=2M",
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("size", [65536, 1_000_448, 9_000_448])
def test_a_converted_disk_is_accepted(tmp_path: Path, options: str, size: int) -> None:
    contents(tmp_path / "raw", size)
    image = tmp_path / "disk.vhdx"
    run("qemu-img", "convert", "-f", "raw", "-O", "vhdx", "-o", options, tmp_path / "raw", image)
    assert inspected(image, "vhdx") == (None, virtual_size(image, "vhdx"))


@pytest.mark.parametrize("size", ["1M", "100M", "40G", "1T", "64T"])
@pytest.mark.parametrize("block_size", ["8M", "256M"])
def test_an_empty_disk_is_accepted(tmp_path: Path, size: str, block_size: str) -> None:
    image = tmp_path / "disk.vhdx"
    run("qemu-img", "create", "-f", "vhdx", "-o", f"block_size={block_size}", image, size)
    assert inspected(image, "vhdx") == (None, virtual_size(image, "vhdx"))


@pytest.mark.parametrize("block_size", ["1M", "8M"])
def test_a_disk_written_out_of_order_and_grown_is_accepted(tmp_path: Path, block_size: str) -> None:
    image = tmp_path / "disk.vhdx"
    run("qemu-img", "create", "-f", "vhdx", "-o", f"block_size={block_size}", image, "100M")
    writes = ["write -P 7 70M 1M", "write -P 9 3000000 5000", "write -z 70M 512k", "write -P 1 99M 1M", "flush"]
    run("qemu-io", "-f", "vhdx", *[word for write in writes for word in ("-c", write)], image)
    assert inspected(image, "vhdx") == (None, virtual_size(image, "vhdx"))
