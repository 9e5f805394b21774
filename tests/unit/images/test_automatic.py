"""Attributes that every image has by itself, and how lists are filtered by them."""

import pytest

from builders import image
from stillage.images.automatic import INDEX_PREFIX, indexed
from stillage.images.automatic_filters import translate

WINDOWS = {"__os_version": "Windows 7 Professional 32bit", "__support_arm": "true"}


def index_of(**attributes: str) -> dict[str, str]:
    return {INDEX_PREFIX + name: value for name, value in attributes.items()}


def test_what_most_images_are_stands_in_the_index_as_well() -> None:
    common = {"__os_type": "Linux", "__platform": "Other", "__os_bit": "64", "virtual_env_type": "FusionCompute"}
    assert indexed(image()) == index_of(__os_version="Other Linux(64 bit)", architecture="x86", **common)
    rare = {"__os_type": "Windows", "__platform": "Windows", "__os_bit": "32", "virtual_env_type": "IsoImage"}
    windows = image(disk_format="iso", properties=WINDOWS)
    assert indexed(windows) == index_of(__os_version=WINDOWS["__os_version"], architecture="arm", **rare)


def test_a_value_that_a_client_sets_counts_in_place_of_what_follows_from_the_version() -> None:
    set_by_client = image(properties=WINDOWS | {"__os_type": "Other"})
    assert indexed(set_by_client)[f"{INDEX_PREFIX}__os_type"] == "Other"


@pytest.mark.parametrize(("name", "value"), [("__platform", "Other"), ("__platform", "Ubuntu"), ("__os_bit", "64")])
def test_a_filter_looks_up_the_index_whatever_the_value(name: str, value: str) -> None:
    translated = translate([(name, value)])
    assert translated.properties == [(INDEX_PREFIX + name, value)]
    assert translated.pairs == []
