"""The list of all formats that are looked for. Those whose disk can be read are in `readers`.

A new format is a folder beside this module and a line here.
"""

from stillage.formats import foreign, safety, stream
from stillage.formats.base import Format, Rule
from stillage.formats.iso import inspect as iso
from stillage.formats.ploop import inspect as ploop
from stillage.formats.qcow import inspect as qcow
from stillage.formats.qcow2 import inspect as qcow2
from stillage.formats.qed import inspect as qed
from stillage.formats.raw import inspect as raw
from stillage.formats.vdi import inspect as vdi
from stillage.formats.vhd import inspect as vhd
from stillage.formats.vhdx import inspect as vhdx
from stillage.formats.vmdk import inspect as vmdk
from stillage.formats.zvhd import inspect as zvhd
from stillage.formats.zvhd2 import inspect as zvhd2

FORMATS: tuple[Format, ...] = (raw, iso, qcow, qcow2, qed, vmdk, vhd, vhdx, vdi, zvhd, zvhd2, foreign, ploop)


def rules() -> list[Rule]:
    """Every rule that an image can break, by id."""
    declared = [module.RULES for module in FORMATS] + [safety.RULES, stream.RULES]
    return sorted({rule for rules_of_one in declared for rule in rules_of_one}, key=lambda rule: rule.id)
