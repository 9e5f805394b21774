"""The snippets of docs/resumable.md, word by word."""

import re
from pathlib import Path

import pytest

from clients import Account, digest

PAGE = Path(__file__).parents[2] / "docs" / "resumable.md"
SNIPPETS = {
    title: code
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for code in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
}


def test_every_protocol_has_a_snippet() -> None:
    assert list(SNIPPETS) == ["Pieces", "tus", "The IETF's draft"]


@pytest.mark.parametrize("title", SNIPPETS)
def test_snippets_do_what_they_say(erin: Account, disk: Path, title: str) -> None:
    (erin.home / "disk.img").write_bytes(disk.read_bytes())
    authority = str(erin.server.data_folder / "tls" / "ca.pem")
    variables = (f"TOKEN={erin.token()}", f"CURL_CA_BUNDLE={authority}")
    done = erin.run("env", *variables, "sh", "-euc", f'{SNIPPETS[title]}\necho "$ID"')
    *_, status, image_id = done.out.splitlines()
    assert status.endswith("204"), done.out
    image = erin.call("GET", f"/v2/images/{image_id}").json
    assert (image["status"], image["os_hash_value"]) == ("active", digest(disk))
