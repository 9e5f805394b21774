"""The list of uncompressed outputs: which view makes which, and the version of its layout."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from stillage.formats.block_map import BlockMap
from stillage.formats.views import qcow, qcow2, qed, raw, vdi, vhd, vhdx, vmdk
from stillage.formats.views.base import Target, View


class Output(NamedTuple):
    """An uncompressed output.

    Attributes:
        make: Raises `DiskDoesNotFit`.
        version: Of the layout: the same disk gives the same bytes until it changes.
        needs_map: False if the layout does not depend on where the disk holds data.
    """

    make: Callable[[Target], View]
    version: int
    needs_map: bool = True


OUTPUTS: Mapping[tuple[str, str], Output] = {
    ("raw", ""): Output(raw.view, raw.VERSION, needs_map=False),
    ("qcow2", ""): Output(qcow2.view, qcow2.VERSION),
    ("qcow", ""): Output(qcow.view, qcow.VERSION),
    ("qed", ""): Output(qed.view, qed.VERSION),
    ("vdi", "dynamic"): Output(vdi.view, vdi.VERSION),
    ("vhd", "dynamic"): Output(vhd.dynamic, vhd.VERSION),
    ("vhd", "fixed"): Output(vhd.fixed, vhd.VERSION, needs_map=False),
    ("vhdx", "dynamic"): Output(vhdx.view, vhdx.VERSION),
    ("vmdk", vmdk.SUBFORMAT): Output(vmdk.view, vmdk.VERSION),
}
"""By format and subformat, as in `Facts`. The first one of a format is made if no subformat is asked for."""


def view_of(disk_format: str, subformat: str, size: int, data: BlockMap, identity: bytes, made_at: datetime) -> View:
    """Return the view of a disk of *size* bytes, whole sectors.

    Args:
        disk_format: One of `OUTPUTS`, as *subformat*.
        subformat: The finer kind.
        size: At least one sector.
        data: Where the disk holds data, in blocks of `views.base.CLUSTER`.
        identity: What stands for the content of the disk; identifiers in headers follow from it.
        made_at: For formats that keep the time of their creation; aware.

    Raises:
        DiskDoesNotFit: If the format cannot hold it.
    """
    return OUTPUTS[disk_format, subformat].make(Target(size, data, identity, made_at))
