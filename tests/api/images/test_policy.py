"""An operator's policy file: what it changes, what it leaves alone, and what it may not be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stillage.config import load
from stillage.errors import BadSettings
from stillage.images.access import DEFAULT_RULES, Access
from stillage.images.metadefs.rules import METADEF_RULES

Write = Callable[[str], Path]
REFERENCE = Path(__file__).parents[3] / "docs" / "policy.md"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return tmp_path / "policy.yaml"


@pytest.fixture
def write(policy: Path) -> Write:
    """``write("get_image: '@'")`` makes the file and returns its path."""

    def make(text: str) -> Path:
        policy.write_text(text)
        return policy

    return make


async def test_a_rule_of_the_file_takes_the_place_of_the_default(serve: Any, write: Write) -> None:
    async with serve(
        policy_file=write('"publicize_image": "role:publisher or rule:context_is_admin"\ndelete_image: "!"\n')
    ) as town:
        erin, pat = town.person(), town.person("press", "member,publisher")
        assert (await pat("POST", "/v2/images", {"visibility": "public"})).status == 201
        refused = await erin("POST", "/v2/images", {"visibility": "public"})
        assert refused.status == 403
        assert "publicize_image" in refused.message
        image_id = (await erin.create())["id"]
        for person in (erin, town.person("ops", "admin")):
            assert (await person("DELETE", f"/v2/images/{image_id}")).status == 403
        assert (await erin.patch(image_id)).status == 200, "other rules are what they were"


async def test_an_auditor_who_reads_everything(serve: Any, write: Write) -> None:
    text = DEFAULT_RULES["get_image"].replace('"', "'")
    async with serve(policy_file=write(f'get_image: "role:auditor or {text}"\n')) as town:
        image_id = (await town.person().create(visibility="private"))["id"]
        auditor = town.person("office", "auditor")
        assert (await auditor("GET", f"/v2/images/{image_id}")).status == 200
        assert (await auditor("GET", f"/v2/images/{image_id}/file")).status == 403
        assert (await auditor("DELETE", f"/v2/images/{image_id}")).status == 403
        assert (await town.person("works")("GET", f"/v2/images/{image_id}")).status == 404


async def test_readers_may_download_where_an_operator_says_so(serve: Any, write: Write) -> None:
    async with serve(policy_file=write('download_image: "role:reader and project_id:%(project_id)s"\n')) as town:
        image = await town.person().stored()
        assert (await town.person(roles="reader")("GET", f"/v2/images/{image['id']}/file")).status == 200


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("get_image: 'role:'", "is not a check"),
        ("get_image: 'role:a and'", "unexpected end"),
        ("get_image: '(role:a'", "unclosed parenthesis"),
        ("get_image: 'role:a)'", "unexpected"),
        ("get_image: 'rule:nothing'", "which does not exist"),
        ("get_image: 'rule:get_image'", "refers to itself"),
        ("get_image: 'http://example.test/check'", "another server"),
        ("get_image: [['role:a']]", "lists"),
        ("- get_image", "must map rule names"),
        ("get_image: [", "cannot read the policy file"),
        ("get_image: '" + "(" * 60 + "role:a" + ")" * 60 + "'", "too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_at_start(policy: Path, text: str, why: str) -> None:
    policy.write_text(text)
    with pytest.raises(BadSettings, match=why):
        Access(load(data=policy.parent, policy_file=policy).policy)


def test_a_file_that_is_not_there(policy: Path) -> None:
    with pytest.raises(BadSettings, match=r"policy\.yaml"):
        Access(load(data=policy.parent, policy_file=policy).policy)


def test_an_empty_file_changes_nothing(policy: Path) -> None:
    policy.write_text("# nothing yet\n")
    assert load(data=policy.parent, policy_file=policy).policy == {}


def test_every_default_rule_is_documented() -> None:
    text = REFERENCE.read_text()
    for name, rule in {**DEFAULT_RULES, **METADEF_RULES}.items():
        assert f"| `{name}` | `{rule or '@'}` |" in text, name
