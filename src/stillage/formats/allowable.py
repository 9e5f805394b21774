"""Which rules `allowed_rules` may name.

To allow a rule must open no more than the rule says. So everything else in the image must have been examined all the
same, and the disk must have the size that is reported, to every reader. Whatever is not listed here cannot be allowed:
a new rule is closed until somebody has thought about it.
"""

from stillage.formats.registry import rules

ALLOWABLE = frozenset(
    {
        # Nothing of the image is left out; each of these says what is then taken.
        "format.empty",
        "format.mismatch",
        "virtual-size.absurd",
        "virtual-size.min-disk",
        # Another file holds a part of the disk: the docs warn of these. The image itself is examined as any other.
        "qcow.backing-file",
        "qcow2.backing-file",
        "qcow2.data-file",
        "qed.backing-file",
        "vdi.differencing",
        "vhd.differencing",
        "vhd.parent",
        "vhdx.differencing",
        "vhdx.parent",
        "vmdk.external-file",
        "vmdk.parent",
        # What the guest sees is encrypted. The tables around it are not, and are examined.
        "luks.encrypted",
        "qcow.encrypted",
        "qcow2.encrypted",
        "vmdk.encrypted",
        # Marks that change neither the tables nor the size: readers rebuild refcounts, which are nobody's disk.
        "ploop.dirty",
        "qcow2.corrupt",
        "qcow2.dirty",
        "qed.dirty",
        "vhd.checksum",
        "vhd.saved-state",
        "vmdk.dirty",
        "vmdk.line-ends",
        # The larger size is the one that is reported and compared with the limits.
        "vhd.geometry",
        # Snapshots are examined as the disk is, and none may be larger than it.
        "qcow2.internal-snapshot",
        # No disks. What is a disk to QEMU or libvirt is named before these, whatever else the file may be.
        "foreign.7z",
        "foreign.ar",
        "foreign.bzip2",
        "foreign.cab",
        "foreign.cpio",
        "foreign.elf",
        "foreign.gzip",
        "foreign.html",
        "foreign.lz4",
        "foreign.lzip",
        "foreign.lzop",
        "foreign.ova",
        "foreign.ovf",
        "foreign.pdf",
        "foreign.rar",
        "foreign.rpm",
        "foreign.tar",
        "foreign.text",
        "foreign.xml",
        "foreign.xz",
        "foreign.zip",
        "foreign.zstd",
    }
)

_ENDS = "the inspection ends where an image breaks it, and the rest of the image would not be looked at"
_UNKNOWN = "a reader that knows what is unknown here may see another disk, or open another file"
_DESCRIPTOR = "readers disagree on what such a descriptor says: on the size of the disk and on the files that it has"
_DISK = "a reader that recognises it sees a disk inside, which was not looked at and has another size"
_REASONS = {
    "format.ambiguous": "two programs would see two disks, and only one of them has the size that is reported",
    "ploop.extension": _UNKNOWN,
    "vhdx.dirty": "a reader replays the log, and the log can hold another size of the disk, or a parent",
    "vhdx.unknown-metadata": _UNKNOWN,
    "vhdx.unknown-region": _UNKNOWN,
    "vmdk.create-type": _DESCRIPTOR,
    "vmdk.descriptor": _DESCRIPTOR,
    "vmdk.extent-path": _DESCRIPTOR,
    "vmdk.external-extent": _DESCRIPTOR,
    "vmdk.size-mismatch": _DESCRIPTOR,
}


def why_not_allowable(rule_id: str) -> str | None:
    """Return why `allowed_rules` may not name this rule; None if it may, also where there is no such rule."""
    if rule_id in ALLOWABLE or rule_id not in {rule.id for rule in rules()}:
        return None
    if rule_id.endswith(".unknown-features"):
        return _UNKNOWN
    return _REASONS.get(rule_id, _DISK if rule_id.startswith("foreign.") else _ENDS)
