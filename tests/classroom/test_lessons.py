"""The files of lessons: their parts, how they are found, and what comes next."""

import re
import subprocess
import sys

import pytest

from minitx.classroom import lessons
from minitx.classroom.answers import remember
from minitx.classroom.claims import known_claims
from minitx.errors import InputError

NAMES = list(lessons.paths())
PARTS = (
    "**Claims:**", "many believe", "## Predict", "## Worked example", "## The rules", "## Run",
    "## Exercises", "Why the belief", "## Verdicts", "real model", "quiz(", "claim(",
)  # fmt: skip


def test_a_lesson_has_all_its_parts():
    for name in NAMES:
        text = lessons.paths()[name].read_text("utf-8")
        for part in PARTS:
            assert part in text, (name, part)
        assert text.count("quiz(") == 3 and text.count("predict(") >= 2
        listed = re.sub("[.,#]", " ", text.split("**Claims:**")[1].split("**Question")[0])
        claims = {id for id, row in known_claims().items() if row["lesson"].split(",")[0] == name}
        assert set(listed.split()) == claims, name


def test_cells_know_their_lines(toy):
    lines = (toy / "l00_toy.py").read_text().splitlines()
    cells = lessons.cells("L00")
    assert [cell.kind for cell in cells] == ["markdown", "code", "code", "exercise", "code"]
    assert cells[0].text == "# L00 Toy\n\nWords with **stress**."
    assert cells[3].id == "L00.e1"
    for cell in cells[1:]:
        assert lines[cell.line - 1] == cell.text.splitlines()[0]


@pytest.mark.parametrize("words", ["8", "08", "l8", "L08"])
def test_lessons_are_found_by_number(words):
    assert lessons.find(words) == "L08"


@pytest.mark.parametrize("words", ["99", "", "seven", "-1", "7.5", "9" * 5000])
def test_unknown_lessons_are_named(words):
    with pytest.raises(InputError, match="there is no lesson"):
        lessons.find(words)


def test_the_next_command_goes_on_with_what_was_begun():
    assert lessons.next_command() == "minitx lesson 0"
    remember("L00", {"reached": 20, "done": True})
    assert lessons.next_command() == "minitx lesson 1"
    remember("L03", {"reached": 2})
    assert lessons.next_command() == "minitx lesson 3"
    for name in NAMES:
        remember(name, {"done": True})
    assert lessons.next_command() == "minitx ledger"


def test_progress_is_the_part_and_the_exercises_solved(toy):
    assert lessons.progress("L00") == "-"
    remember("L00", {"reached": 2})
    assert lessons.progress("L00") == "part 3 of 5     0 of 1 exercises"
    remember("L00", {"done": True, "L00.e1": True})
    assert lessons.progress("L00") == "done            1 of 1 exercises"


def test_the_list_hints_and_the_ledger_need_neither_jax_nor_matplotlib():
    code = """
import sys
from minitx.classroom import claims, hint, lessons
for name in lessons.paths():
    lessons.title(name), lessons.progress(name)
lessons.next_command()
hint("L08.e1")
claims.full_ledger()
assert not {"jax", "flax", "matplotlib", "scipy"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
