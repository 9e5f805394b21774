from pathlib import Path

import pytest

from qemu_images import contents, inspected, run, virtual_size

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("options", ["static=off", "static=on", "preallocation=off"])
@pytest.mark.parametrize("size", [512, 65536, 1 << 20, 1_000_448, (5 << 20) + 512, 33 << 20])
def test_a_converted_disk_is_accepted(tmp_path: Path, options: str, size: int) -> None:
    contents(tmp_path / "raw", size)
    image = tmp_path / "disk.vdi"
    run("qemu-img", "convert", "-f", "raw", "-O", "vdi", "-o", options, tmp_path / "raw", image)
    assert inspected(image, "vdi") == (None, virtual_size(image, "vdi"))


@pytest.mark.parametrize("size", ["1", "5000001", "100M", "40G", "1T"])
def test_an_empty_disk_is_accepted(tmp_path: Path, size: str) -> None:
    image = tmp_path / "disk.vdi"
    run("qemu-img", "create", "-f", "vdi", image, size)
    assert inspected(image, "vdi") == (None, virtual_size(image, "vdi"))


def test_a_disk_written_out_of_order_is_accepted(tmp_path: Path) -> None:
    image = tmp_path / "disk.vdi"
    run("qemu-img", "create", "-f", "vdi", image, "100M")
    writes = ["write -P 7 70M 1M", "write -P 9 3000000 5000", "write -z 70M 512k", "write -P 1 99M 1M", "flush"]
    run("qemu-io", "-f", "vdi", *[word for write in writes for word in ("-c", write)], image)
    assert inspected(image, "vdi") == (None, virtual_size(image, "vdi"))
