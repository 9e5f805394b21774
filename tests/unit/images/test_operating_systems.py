"""What the version of an operating system says of an image.

Source: IMS API Reference, "Values of Related Parameters".
"""

import pytest

from stillage.images.operating_systems import UNKNOWN_VERSION, documented, system_of


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("Windows Server 2016 Datacenter 64bit", ("Windows", "Windows", 64)),
        ("Windows 7 Professional 32bit", ("Windows", "Windows", 32)),
        ("Redhat 7.6 64bit", ("Red Hat", "Linux", 64)),
        ("Red Hat Linux Enterprise 6.4 32bit", ("Red Hat", "Linux", 32)),
        ("openSUSE 15.5 64bit", ("OpenSUSE", "Linux", 64)),
        ("SUSE Linux Enterprise Server 11 SP3 32bit", ("SUSE", "Linux", 32)),
        ("Oracle Linux Server release 6.5 64bit", ("Oracle Linux", "Linux", 64)),
        ("CentOS Stream 9.6 64bit", ("Other", "Linux", 64)),
        ("Debian GNU/Linux 12.0.0 64bit", ("Debian", "Linux", 64)),
        ("CoreOS 1010.5.0", ("CoreOS", "Linux", 64)),
        ("Other Windows(32 bit)", ("Other", "Windows", 32)),
        ("Other_Windows (64_bit)", ("Other", "Windows", 64)),
        ("Other_Linux (32_bit)", ("Other", "Linux", 32)),
        ("Other(64 bit)", ("Other", "Other", 64)),
        (UNKNOWN_VERSION, ("Other", "Linux", 64)),
        ("TempleOS", ("Other", "Linux", 64)),
    ],
)
def test_what_a_version_says(version: str, expected: tuple[str, str, int]) -> None:
    system = system_of(version)
    assert (system.platform, system.kind, system.bits) == expected


def test_the_documented_versions() -> None:
    versions = documented()
    assert len(versions) == 262 + 6
    assert not [version for version in versions if "{" in version or "," in version]
    assert UNKNOWN_VERSION in versions
