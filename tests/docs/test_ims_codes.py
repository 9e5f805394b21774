"""Every code of the IMS document is given somewhere, or the page says why never."""

import re
from pathlib import Path

from stillage.api.ims.codes import MEANINGS, NEVER, OF_HUAWEI

ROOT = Path(__file__).parents[2]


def test_every_code_is_given_or_there_is_a_reason() -> None:
    sources = [file for file in (ROOT / "src").rglob("*.py") if file.name != "codes.py"]
    given = {code for file in sources for code in re.findall(r"IMG\.[0-9]{4}", file.read_text())}
    never = [code for codes in NEVER.values() for code in codes]
    assert len(MEANINGS) == 177
    assert len(never) == len(set(never))
    assert given - MEANINGS.keys() == OF_HUAWEI.keys()
    assert given & set(never) == set()
    assert MEANINGS.keys() - given == set(never)
