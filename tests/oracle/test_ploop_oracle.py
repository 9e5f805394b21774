from pathlib import Path

import pytest

from qemu_images import contents, inspected, run, virtual_size

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("size", [512, 65_536, 1_000_448, 5 << 20])
@pytest.mark.parametrize("cluster", ["65536", "1048576"])
def test_a_converted_disk_is_accepted(tmp_path: Path, size: int, cluster: str) -> None:
    contents(tmp_path / "raw", size)
    image = tmp_path / "disk.hdd"
    options = f"cluster_size={cluster}"
    run("qemu-img", "convert", "-f", "raw", "-O", "parallels", "-o", options, tmp_path / "raw", image)
    assert inspected(image, "ploop") == (None, virtual_size(image, "parallels"))


@pytest.mark.parametrize("size", ["1M", "100M", "40G"])
def test_an_empty_disk_is_accepted(tmp_path: Path, size: str) -> None:
    image = tmp_path / "disk.hdd"
    run("qemu-img", "create", "-f", "parallels", image, size)
    assert inspected(image, "ploop") == (None, virtual_size(image, "parallels"))


def test_a_disk_written_out_of_order_is_accepted(tmp_path: Path) -> None:
    image = tmp_path / "disk.hdd"
    run("qemu-img", "create", "-f", "parallels", image, "100M")
    writes = ["write -P 7 70M 1M", "write -P 9 3000000 5000", "write -P 1 99M 1M", "flush"]
    run("qemu-io", "-f", "parallels", *[word for write in writes for word in ("-c", write)], image)
    assert inspected(image, "ploop") == (None, virtual_size(image, "parallels"))
