"""What is on the disk inside an image."""

import pytest

from image_api import Person
from samples import load

MIB = 1 << 20


async def test_the_map_says_how_much_of_each_cell_holds_data(erin: Person) -> None:
    image = await erin.stored(b"x" * MIB + bytes(6 * MIB) + b"y" * MIB)
    answer = await erin("GET", f"/v2/images/{image['id']}/map?cells=4")
    file = {"size": 8 * MIB, "data": [0.5, 0, 0, 0.5], "compressed": [0] * 4, "holes": [0.5, 1, 1, 0.5]}
    assert answer.json == {"size": 8 * MIB, "data": 2 * MIB, "cells": [0.5, 0, 0, 0.5], "file": file}


async def test_a_small_disk_has_no_more_cells_than_blocks(erin: Person) -> None:
    image = await erin.stored(b"x" * 512)
    answer = await erin("GET", f"/v2/images/{image['id']}/map")
    assert {name: answer.json[name] for name in ("size", "data", "cells")} == {"size": 512, "data": 512, "cells": [1]}


@pytest.mark.parametrize("cells", ["0", "4097", "-1", "ten", "", "%E0%A5%A7"])
async def test_a_number_of_cells_that_cannot_be_is_refused(erin: Person, cells: str) -> None:
    image = await erin.stored()
    answer = await erin("GET", f"/v2/images/{image['id']}/map?cells={cells}")
    assert (answer.status, "from 1 to 4096" in answer.message) == (400, True)


async def test_the_layout_names_partitions_and_file_systems(erin: Person) -> None:
    ext = bytearray(2 * MIB)
    ext[1024 + 56 : 1024 + 58] = b"\x53\xef"
    ext[1024 + 120 : 1024 + 124] = b"home"
    table = bytearray(512)
    table[446 + 4] = 0x83
    table[446 + 8 : 446 + 16] = (2048).to_bytes(4, "little") + (4096).to_bytes(4, "little")
    table[510:] = b"\x55\xaa"
    image = await erin.stored(bytes(table).ljust(MIB, b"\0") + bytes(ext))
    answer = await erin("GET", f"/v2/images/{image['id']}/layout")
    partition = {"number": 1, "first": MIB, "length": 2 * MIB, "type": "83", "name": ""}
    assert answer.json == {
        "size": 3 * MIB,
        "table": "mbr",
        "file_system": None,
        "label": "",
        "partitions": [{**partition, "file_system": "ext2", "label": "home"}],
    }


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("qcow2-v3-plain.qcow2", {"data"}),
        ("qcow2-v3-zlib.qcow2", {"compressed"}),
        ("qcow-v1-plain.qcow", {"data"}),
        ("qed-plain.qed", {"data"}),
        ("small.iso", {"data", "holes"}),
    ],
)
async def test_the_map_says_what_the_bytes_of_the_file_are(erin: Person, name: str, kinds: set[str]) -> None:
    image = await erin.stored(load(name), disk_format=name.rpartition(".")[2])
    found = (await erin("GET", f"/v2/images/{image['id']}/map?cells=64")).json["file"]
    assert (found["size"], len(found["data"])) == (image["size"], min(64, image["size"]))
    assert {kind for kind in ("data", "compressed", "holes") if any(found[kind])} == kinds
    parts = zip(found["data"], found["compressed"], found["holes"], strict=True)
    shares = [sum(part) for part in parts]
    assert all(0 <= share <= 1.001 for share in shares)
    assert (await erin("GET", f"/v2/images/{image['id']}/layout")).status == 200


async def test_who_may_not_download_an_image_learns_nothing_of_its_contents(
    erin: Person, rita: Person, olga: Person
) -> None:
    image = await erin.stored()
    for what in ("map", "layout"):
        statuses = [(await person("GET", f"/v2/images/{image['id']}/{what}")).status for person in (rita, olga)]
        assert statuses == [403, 404]
