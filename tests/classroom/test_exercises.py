"""Exercises: right answers pass, mistakes are named, hints come one by one."""

from functools import partial

import numpy as np
import pytest

from minitx.classroom import lessons
from minitx.classroom.exercises import check, complaint_about, exercise, exercises_of, hint
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
    assert "it broke with ValueError in line" in complaint and "an array (4, 7)" in complaint
    wrong_shape = complaint_about(wanted, lambda x, e: x[0])
    assert wrong_shape == "it returns an array (7,), but it should return an array (4, 7)"
    assert "given" in complaint_about(wanted, lambda x, e: x * 0)
    assert "given" in complaint_about(exercise("L01.e2"), lambda w, t: ["no"])


def test_a_function_may_change_its_arguments():
    wanted = exercise("L09.e1")

    def solve(x_BD, epsilon):
        answer = wanted.solve(x_BD, epsilon)
        x_BD[:] = 0
        return answer

    assert complaint_about(wanted, solve) is None


NONSENSE = (
    "hello", 0, True, {}, [], (None, None), [[1], [1, 2]], ["a", "b", "c"], float("nan"),
    np.zeros(3), (np.arange(3), np.arange(3)), print,
)  # fmt: skip


@pytest.mark.parametrize("name", lessons.paths())
def test_nonsense_is_described_and_breaks_nothing(name):
    for id, wanted in exercises_of(name).items():
        for answer in NONSENSE:
            complaint = complaint_about(wanted, lambda *arguments, answer=answer: answer)
            assert complaint, (id, answer)


@pytest.mark.parametrize("name", lessons.paths())
def test_what_was_to_be_said_first_is_settled_in_the_end(name):
    tasks = " ".join(cell.text for cell in lessons.cells(name) if cell.kind == "markdown")
    conclusions = [wanted.conclusion for wanted in exercises_of(name).values()]
    assert len(list(filter(None, conclusions))) >= tasks.count("Say first")


def test_a_right_answer_is_told_what_follows_from_it(capsys):
    wanted = exercise("L07.e2")
    check("L07.e2")(wanted.solve)
    assert capsys.readouterr().out == f"CHECK L07.e2: right. {wanted.conclusion}\n"


def test_hints_come_one_by_one():
    hints = [hint("L08.e1") for _ in range(4)]
    assert "hint 1 of 3" in hints[0] and "hint 2 of 3" in hints[1]
    assert "return 1 / np.sqrt(1 + r * r)" in hints[2] and hints[2] == hints[3]


@pytest.mark.parametrize("id", ["L08.e9", "L77.e1", "nonsense", ""])
def test_unknown_ids_are_named(id):
    with pytest.raises(InputError, match="known names"):
        hint(id)
