"""Every format that is looked for. A new format is a module beside this one and a line here."""

from stillage.formats import iso, qcow, qcow2, qed, raw, safety, strangers, stream, vdi, vhd, vhdx, vmdk, zvhd, zvhd2
from stillage.formats.base import Format, Rule
from stillage.formats.ploop import inspect as ploop

FORMATS: tuple[Format, ...] = (raw, iso, qcow, qcow2, qed, vmdk, vhd, vhdx, vdi, zvhd, zvhd2, strangers, ploop)


def rules() -> list[Rule]:
    """Every rule that an image can break, by id."""
    declared = [module.RULES for module in FORMATS] + [safety.RULES, stream.RULES]
    return sorted({rule for rules_of_one in declared for rule in rules_of_one}, key=lambda rule: rule.id)
