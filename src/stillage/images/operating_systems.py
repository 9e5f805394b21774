"""Operating systems as Huawei-style clouds name them: the documented versions, and what a version says of an image.

Source: IMS API Reference, "Values of Related Parameters", Table 1; IMS User Guide, "External Image File Formats and
Supported OSs".
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

# One line for each template: {a,b} stands for one of the texts in it.
DOCUMENTED = """
Windows 10 64bit
Windows 7 {Enterprise 64bit,Professional 64bit,Professional 32bit}
Windows Server 2022 {Standard,Datacenter} 64bit
Windows Server 2019 {Standard,Datacenter} 64bit
Windows Server 2016 {Standard,Datacenter} 64bit
Windows Server 2012 {R2 Standard,Essentials R2,R2 Datacenter,Datacenter,Standard} 64bit
Windows Server 2012 R2 Essentials 64bit
Windows Server 2008 R2 {WEB,Standard,Enterprise,Datacenter} 64bit
Windows Server 2008 WEB R2 64bit
SUSE Linux Enterprise Server {15 SP5,15 SP4,15 SP3,15 SP2,15 SP1,15,12 SP5,12 SP4,12 SP3,12 SP2,12 SP1,12} 64bit
SUSE Linux Enterprise Server 11 {SP4 64bit,SP3 64bit,SP1 64bit,SP3 32bit}
Oracle Linux Server release {7.6,7.5,7.4,7.3,7.2,7.1,7.0,6.10,6.9,6.8,6.7,6.5} 64bit
Redhat Linux Enterprise {8.0,7.5,7.4,7.3,7.2,7.1,7.0,6.10,6.9,6.8,6.7,6.6,6.5,6.4} 64bit
Redhat Linux Enterprise {6.6,6.4} 32bit
Redhat 7.6 64bit
Red Hat Linux Enterprise {9.1,9.0,8.7,8.6,8.5,8.4,8.3,8.2,8.1,8.0} 64bit
Red Hat Linux Enterprise {7.6,7.5,7.4,7.3,7.2,7.1,7.0,6.10,6.9,6.8,6.7,6.6,6.5,6.4} 64bit
Red Hat Linux Enterprise {6.6,6.4} 32bit
Ubuntu {19.04,18.04,16.04,14.04.5,14.04.4,14.04.3,14.04.1,14.04} server 64bit
Ubuntu {14.04.4,14.04.3,14.04.1,14.04} server 32bit
Ubuntu {22.04,20.04,19.04,18.04.2,18.04.1,18.04,16.04.6,16.04.5,16.04.4,16.04.3,16.04.2,16.04} Server 64bit
Ubuntu {14.04.5,14.04.4,14.04.3,14.04.1,14.04} Server 64bit
Ubuntu {14.04.4,14.04.3,14.04.1,14.04} Server 32bit
openSUSE {15.5,15.4,15.3,15.2,15.1,15.0,42.3,42.2,42.1,13.2,11.3} 64bit
CentOS {8.5,8.4,8.3,8.2,8.1,8.0,7.9,7.8,7.7,7.6,7.5,7.4,7.3,7.2,7.1,7.0} 64bit
CentOS {6.10,6.9,6.8,6.7,6.6,6.5,6.4,6.3} 64bit
CentOS {7.0,6.10,6.9,6.7,6.6,6.5,6.4,6.3} 32bit
CentOS Stream {9.6,8.6} 64bit
Debian GNU/Linux {12.0.0,11.7.0,11.6.0,11.5.0,11.4.0,11.3.0,11.2.0,11.1.0,11.0.0} 64bit
Debian GNU/Linux {10.13.0,10.12.0,10.11.0,10.10.0,10.9.0,10.8.0,10.7.0,10.6.0,10.5.0,10.4.0,10.3.0,10.2.0,10.1.0} 64bit
Debian GNU/Linux {10.0.0,9.3.0,9.0.0,8.10.0,8.8.0,8.7.0,8.6.0,8.5.0,8.4.0,8.2.0,8.1.0} 64bit
Fedora {39,38,37,36,35,34,33,32,31,30,29,28,27,26,25,24,23,22} 64bit
EulerOS {2.12,2.11,2.10,2.9,2.8,2.7,2.5,2.3,2.2,2.1} 64bit
CoreOS {1068.10.0,1010.5.0,1298.6.0}
openEuler {22.03 SP1,22.03,20.03 SP3,20.03 SP2,20.03 SP1,20.03} 64bit
Rocky Linux {9.2,9.1,9.0,8.8,8.7,8.6,8.5,8.4,8.3} 64bit
FreeBSD {13.2,13.1,13.0,12.4,12.3,12.2,12.1,12.0,11.4,11.3,11.2,11.1,11.0} 64bit
Other Linux({64,32} bit)
Other Windows({64,32} bit)
Other({64,32} bit)
"""
UNKNOWN_VERSION = "Other Linux(64 bit)"
"""The version of an image for which none was given."""

# The first prefix that matches decides. Everything else is Other, which is also what a Huawei-style cloud calls
# systems that it has no platform for.
PLATFORMS: Mapping[str, str] = {
    "Windows": "Windows",
    "SUSE": "SUSE",
    "Oracle": "Oracle Linux",
    "Redhat": "Red Hat",
    "Red Hat": "Red Hat",
    "Ubuntu": "Ubuntu",
    "openSUSE": "OpenSUSE",
    "CentOS Stream": "Other",
    "CentOS": "CentOS",
    "Debian": "Debian",
    "Fedora": "Fedora",
    "EulerOS": "EulerOS",
    "CoreOS": "CoreOS",
}
BITS_32 = re.compile(r"32[ _]?bit")
ALTERNATIVES = re.compile(r"\{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class OperatingSystem:
    """What a version says.

    Attributes:
        kind: ``Linux``, ``Windows`` or ``Other``.
        bits: 32 or 64.
    """

    version: str
    platform: str
    kind: str
    bits: int


@lru_cache(1024)
def system_of(version: str) -> OperatingSystem:
    """Return what *version* says, documented or not."""
    platform = next((name for prefix, name in PLATFORMS.items() if version.startswith(prefix)), "Other")
    bits = 32 if BITS_32.search(version) else 64
    return OperatingSystem(version, platform, _kind(version, platform), bits)


def _kind(version: str, platform: str) -> str:
    if platform == "Windows" or version.startswith(("Other Windows", "Other_Windows")):
        return "Windows"
    return "Other" if version.startswith("Other(") else "Linux"


@cache
def documented() -> Mapping[str, OperatingSystem]:
    """Return every documented version, in the order of the document."""
    lines = DOCUMENTED.strip().splitlines()
    return {version: system_of(version) for line in lines for version in _expanded(line)}


def _expanded(template: str) -> Iterator[str]:
    texts = ALTERNATIVES.split(template)
    choices = [text.split(",") if number % 2 else [text] for number, text in enumerate(texts)]
    return map("".join, itertools.product(*choices))
