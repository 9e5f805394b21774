"""The list of the formats whose disk can be read. Apart from `registry`: an inspection needs none of them.

A new reader is a module `read` in its format's folder and a line here.
"""

from collections.abc import Mapping

from stillage.formats.disk import Readable
from stillage.formats.qcow import read as qcow_read
from stillage.formats.qcow2 import read as qcow2_read
from stillage.formats.qed import read as qed_read
from stillage.formats.raw import read as raw_read
from stillage.formats.vdi import read as vdi_read
from stillage.formats.vhd import read as vhd_read
from stillage.formats.vhdx import read as vhdx_read
from stillage.formats.vmdk import read as vmdk_read
from stillage.formats.zvhd import read as zvhd_read
from stillage.formats.zvhd2 import read as zvhd2_read

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
