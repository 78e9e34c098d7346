"""The list of wrong changes fits the code: every piece of text stands once in its file, every test can be found."""

from pathlib import Path

import pytest

from tests.mutants import MUTANTS, ROOT, Mutant, copied, survives


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_change_fits_its_file(mutant: Mutant) -> None:
    assert (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert mutant.new != mutant.old
    assert (ROOT / mutant.tests).is_file()


def test_names_are_different() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.slow
def test_a_change_that_matters_is_noticed_and_one_that_does_not_is_told(tmp_path: Path) -> None:
    copy = copied(tmp_path)
    file, tests = "gistdesk/core/interval.py", "tests/trainer/benchmark/test_evaluate.py"
    z = (ROOT / file).read_text(encoding="utf-8")
    assert survives(Mutant("", file, "z = 1.959964", "z = 1.0", tests, "wilson"), copy) == ""
    assert survives(Mutant("", file, "z = 1.959964", "z = 1.9599640", tests, "wilson"), copy) == "survived"
    assert "exit 5" in survives(Mutant("", file, "z = 1.959964", "z = 1.0", tests, "no_such_test"), copy)
    assert (copy / file).read_text(encoding="utf-8") == z
