"""Exercises: right answers pass, mistakes are named, hints come one by one."""

from functools import partial

import numpy as np
import pytest

from minitx.classroom import lessons
from minitx.classroom.exercises import complaint_about, exercise, exercises_of, hint
from minitx.errors import InputError


@pytest.mark.parametrize("name", lessons.paths())
def test_every_solution_passes_and_every_mistake_is_named(name):
    known = exercises_of(name)
    assert len(known) == 3
    for id, wanted in known.items():
        assert complaint_about(wanted, wanted.solve) is None, id
        assert len(wanted.mistakes) >= 2, id
        for message, mistake in wanted.mistakes.items():
            complaint = complaint_about(wanted, mistake)
            assert complaint and message in complaint, (id, message, complaint)


@pytest.mark.parametrize("name", lessons.paths())
def test_every_stub_fails_as_not_done(name):
    stubs = [cell for cell in lessons.cells(name) if cell.kind == "exercise"]
    assert {cell.id for cell in stubs} == exercises_of(name).keys()
    for cell in stubs:
        found = {}
        exec(cell.text, {"np": np, "check": lambda id, found=found: partial(found.setdefault, id)})
        ((id, stub),) = found.items()
        assert id == cell.id
        assert "not done yet" in complaint_about(exercise(id), stub)


def test_a_wrong_function_is_described():
    wanted = exercise("L09.e1")
    complaint = complaint_about(wanted, lambda x, e: x @ x)
    assert "it broke with ValueError" in complaint and "an array (4, 7)" in complaint
    assert "the shape should be" in complaint_about(wanted, lambda x, e: x[0])
    assert "given" in complaint_about(wanted, lambda x, e: x * 0)
    assert "given" in complaint_about(exercise("L01.e2"), lambda w, t: ["no"])


def test_a_function_may_change_its_arguments():
    wanted = exercise("L09.e1")

    def solve(x_BD, epsilon):
        answer = wanted.solve(x_BD, epsilon)
        x_BD[:] = 0
        return answer

    assert complaint_about(wanted, solve) is None


def test_hints_come_one_by_one():
    hints = [hint("L08.e1") for _ in range(4)]
    assert "hint 1 of 3" in hints[0] and "hint 2 of 3" in hints[1]
    assert "return 1 / np.sqrt(1 + r * r)" in hints[2] and hints[2] == hints[3]


@pytest.mark.parametrize("id", ["L08.e9", "L77.e1", "nonsense", ""])
def test_unknown_ids_are_named(id):
    with pytest.raises(InputError, match="known names"):
        hint(id)
