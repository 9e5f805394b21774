"""The list of mutants keeps up with the code and the tests. `make mutants` applies it."""

import runpy
from pathlib import Path
from typing import Any

import pytest

TREE = Path(__file__).parent.parent.parent
MUTANTS: list[Any] = runpy.run_path(str(TREE / "scripts" / "mutants.py"))["load"]()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_what_stands_in_the_code_and_names_tests_that_exist(mutant: Any) -> None:
    assert (TREE / mutant.file).read_text().count(mutant.before) == 1
    assert mutant.before != mutant.after
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (TREE / file).read_text(), test


def test_every_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
