"""The text of the descriptor that is embedded in a VMDK.

Source: VMware, "Virtual Disk Format 5.0", "The Descriptor File".
"""

DESCRIPTOR_SECTORS = 20
HEADS, TRACK = 255, 63  # of every disk of some size at this adapter


def descriptor_text(create_type: str, access: str, capacity: int, identity: bytes) -> bytes:
    """Return the descriptor of a disk whose one extent is the file that holds it.

    Args:
        create_type: As `Facts.subformat`.
        access: What may be done with the extent: ``RW``, or ``RDONLY`` for one that is a stream.
        capacity: Sectors of the disk.
        identity: 16 bytes. The content id is the end of the long one, as VMware has it.
    """
    long_id = identity[:12].hex() + f"{int.from_bytes(identity[12:16], 'big') & 0x7FFFFFFF:08x}"
    lines = [
        "# Disk DescriptorFile",
        "version=1",
        f"CID={long_id[-8:]}",
        "parentCID=ffffffff",
        f'createType="{create_type}"',
        "",
        "# Extent description",
        f'{access} {capacity} SPARSE "disk.vmdk"',
        "",
        "# The Disk Data Base",
        "#DDB",
        "",
        'ddb.virtualHWVersion = "7"',
        'ddb.adapterType = "lsilogic"',
        f'ddb.geometry.cylinders = "{capacity // (HEADS * TRACK)}"',
        f'ddb.geometry.heads = "{HEADS}"',
        f'ddb.geometry.sectors = "{TRACK}"',
        f'ddb.longContentID = "{long_id}"',
        "",
    ]
    return "\n".join(lines).encode()
