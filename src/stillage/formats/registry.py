"""The list of all formats that are looked for, and of those that are read.

A new format is a folder beside this module and a line here.
"""

from collections.abc import Mapping

from stillage.formats import foreign, safety, stream
from stillage.formats.base import Format, Rule
from stillage.formats.disk import Readable
from stillage.formats.iso import inspect as iso
from stillage.formats.ploop import inspect as ploop
from stillage.formats.qcow import inspect as qcow
from stillage.formats.qcow import read as qcow_read
from stillage.formats.qcow2 import inspect as qcow2
from stillage.formats.qcow2 import read as qcow2_read
from stillage.formats.qed import inspect as qed
from stillage.formats.qed import read as qed_read
from stillage.formats.raw import inspect as raw
from stillage.formats.raw import read as raw_read
from stillage.formats.vdi import inspect as vdi
from stillage.formats.vdi import read as vdi_read
from stillage.formats.vhd import inspect as vhd
from stillage.formats.vhd import read as vhd_read
from stillage.formats.vhdx import inspect as vhdx
from stillage.formats.vhdx import read as vhdx_read
from stillage.formats.vmdk import inspect as vmdk
from stillage.formats.vmdk import read as vmdk_read
from stillage.formats.zvhd import inspect as zvhd
from stillage.formats.zvhd import read as zvhd_read
from stillage.formats.zvhd2 import inspect as zvhd2
from stillage.formats.zvhd2 import read as zvhd2_read

FORMATS: tuple[Format, ...] = (raw, iso, qcow, qcow2, qed, vmdk, vhd, vhdx, vdi, zvhd, zvhd2, foreign, ploop)

READERS: Mapping[str, Readable] = {
    "raw": raw_read,
    "iso": raw_read,
    "qcow": qcow_read,
    "qcow2": qcow2_read,
    "qed": qed_read,
    "vdi": vdi_read,
    "vhd": vhd_read,
    "vhdx": vhdx_read,
    "vmdk": vmdk_read,
    "zvhd": zvhd_read,
    "zvhd2": zvhd2_read,
}
"""By ``disk_format``: the formats whose disk can be read at random, with `formats.reading`."""


def rules() -> list[Rule]:
    """Every rule that an image can break, by id."""
    declared = [module.RULES for module in FORMATS] + [safety.RULES, stream.RULES]
    return sorted({rule for rules_of_one in declared for rule in rules_of_one}, key=lambda rule: rule.id)
