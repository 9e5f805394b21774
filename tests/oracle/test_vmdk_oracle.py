from pathlib import Path

import pytest

from qemu_images import contents, inspected, run, virtual_size

pytestmark = pytest.mark.oracle

SELF_CONTAINED = ["monolithicSparse", "streamOptimized"]
IN_OTHER_FILES = ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"]
SIZES = [512, 65536, 1_000_448, 5 << 20, 33 << 20]


@pytest.mark.parametrize("subformat", SELF_CONTAINED)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("option", ["adapter_type=ide", "adapter_type=lsilogic", "compat6=on", "hwversion=11"])
def test_a_converted_disk_is_accepted(tmp_path: Path, subformat: str, size: int, option: str) -> None:
    contents(tmp_path / "raw", size)
    image = tmp_path / "disk.vmdk"
    options = f"subformat={subformat},{option}"
    run("qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", options, tmp_path / "raw", image)
    assert inspected(image, "vmdk") == (None, virtual_size(image, "vmdk"))


@pytest.mark.parametrize("subformat", SELF_CONTAINED)
@pytest.mark.parametrize("size", ["1M", "100M", "40G"])
def test_an_empty_disk_is_accepted(tmp_path: Path, subformat: str, size: str) -> None:
    image = tmp_path / "disk.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-o", f"subformat={subformat}", image, size)
    assert inspected(image, "vmdk") == (None, virtual_size(image, "vmdk"))


@pytest.mark.parametrize("zeroed", ["on", "off"])
def test_a_disk_written_out_of_order_is_accepted(tmp_path: Path, zeroed: str) -> None:
    image = tmp_path / "disk.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-o", f"zeroed_grain={zeroed}", image, "100M")
    writes = ["write -P 7 70M 1M", "write -P 9 3000000 5000", "write -z 70M 512k", "write -P 1 99M 1M", "flush"]
    run("qemu-io", "-f", "vmdk", *[word for write in writes for word in ("-c", write)], image)
    assert inspected(image, "vmdk") == (None, virtual_size(image, "vmdk"))


def test_a_stream_written_out_of_order_is_accepted(tmp_path: Path) -> None:
    image = tmp_path / "disk.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-o", "subformat=streamOptimized", image, "100M")
    writes = ["write -c -P 7 70M 64k", "write -c -P 9 3M 64k", "write -c -P 1 99M 64k", "write -c -P 1 0 64k"]
    run("qemu-io", "-f", "vmdk", *[word for write in writes for word in ("-c", write)], image)
    assert inspected(image, "vmdk") == (None, virtual_size(image, "vmdk"))


def test_a_stream_of_noise_is_accepted(tmp_path: Path) -> None:
    run("qemu-img", "create", "-f", "raw", tmp_path / "raw", "1M")
    state = 1
    noise = bytearray()
    while len(noise) < 1 << 20:
        state = state * 6364136223846793005 % (1 << 64) + 1442695040888963407
        noise += (state >> 32 & 0xFFFFFFFF).to_bytes(4, "little")
    (tmp_path / "raw").write_bytes(noise)
    image = tmp_path / "disk.vmdk"
    run("qemu-img", "convert", "-O", "vmdk", "-f", "raw", "-o", "subformat=streamOptimized", tmp_path / "raw", image)
    assert inspected(image, "vmdk") == (None, virtual_size(image, "vmdk"))


@pytest.mark.parametrize("subformat", IN_OTHER_FILES)
@pytest.mark.parametrize("size", ["1M", "3G"])
def test_a_disk_in_several_files_is_refused_for_it(tmp_path: Path, subformat: str, size: str) -> None:
    image = tmp_path / "disk.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-o", f"subformat={subformat}", image, size)
    reason, _ = inspected(image, "vmdk")
    assert reason is not None
    assert reason.startswith("vmdk.external-extent")


def test_one_extent_of_several_is_refused_for_it(tmp_path: Path) -> None:
    run("qemu-img", "create", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", tmp_path / "disk.vmdk", "3G")
    reason, _ = inspected(tmp_path / "disk-s001.vmdk", "vmdk")
    assert reason is not None
    assert reason.startswith("vmdk.no-descriptor")


def test_an_overlay_is_refused_for_its_parent(tmp_path: Path) -> None:
    run("qemu-img", "create", "-f", "vmdk", tmp_path / "base.vmdk", "1M")
    image = tmp_path / "disk.vmdk"
    run("qemu-img", "create", "-f", "vmdk", "-b", tmp_path / "base.vmdk", "-F", "vmdk", image)
    reason, _ = inspected(image, "vmdk")
    assert reason is not None
    assert reason.startswith("vmdk.parent")
