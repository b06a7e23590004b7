"""The files of lessons: their parts, how they are found, and what comes next."""

import ast
import re
import subprocess
import sys

import pytest

from minitx.classroom import lessons
from minitx.classroom.answers import remember
from minitx.classroom.exercises import exercises_of
from minitx.classroom.questions import quiz_of
from minitx.errors import InputError
from minitx.evidence.claims import known_claims
from minitx.evidence.judging import EVIDENCE
from minitx.page import writer

NAMES = list(lessons.paths())
PARTS = (
    "**What many believe.**", "Claims: ", "## Predict", "## Touch it", "## Worked example",
    "## Run it", "## Your turn", "## Why the belief fails", "## Verdicts",
    "## The same on a real model", "## In short",
)  # fmt: skip
LINES = range(90, 171)  # of a lesson, without blank lines and the marks of cells
SHOWN = 120  # lines that a learner sees unasked: prose, code, stubs
CODE_LINES = 15  # of a cell that a learner reads


def calls(lesson: str, function: str) -> list[ast.Call]:
    """Return the calls of a function in a lesson, in order."""
    tree = ast.parse(lessons.paths()[lesson].read_text("utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [call for call in found if getattr(call.func, "id", "") == function]
    return sorted(named, key=lambda call: call.lineno)


def words_of(calls: list[ast.Call]) -> list[str]:
    """Return the arguments of calls that are words, one call after the other."""
    arguments = [argument for call in calls for argument in call.args]
    return [a.value for a in arguments if isinstance(a, ast.Constant)]


def claims_of(lesson: str) -> set[str]:
    """Return the claims that a lesson is the first to test."""
    return {id for id, row in known_claims().items() if row["lesson"].startswith(lesson)}


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_has_all_its_parts_in_order(name):
    text = lessons.paths()[name].read_text("utf-8")
    places = [text.find(part) for part in PARTS]
    assert -1 not in places, PARTS[places.index(-1)]
    assert places == sorted(places)
    header = lessons.cells(name)[0].text
    assert re.match(rf"# {name} .*\n## .*\?\n", header), "its title, and its question"
    assert re.search(r"\d+ minutes", header)
    assert len(calls(name, "panel")) <= 1  # a figure that can be changed may take its place
    assert words_of(calls(name, "quiz")) == words_of(calls(name, "finish")) == [name]
    assert text.rstrip().endswith(f'finish("{name}")')


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_names_and_judges_its_own_claims(name):
    header = lessons.cells(name)[0].text.partition("Claims: ")[2]
    in_brackets = re.findall(r"\(([ABC]\d+(?:, [ABC]\d+)*)\)", header)  # (A9) or (B2, C7)
    named = [id for ids in in_brackets for id in ids.split(", ")]
    assert len(named) == len(set(named)) and set(named) == claims_of(name)
    judged = words_of(calls(name, "judge"))
    assert len(judged) == len(set(judged)) and set(judged) == claims_of(name)
    on_real_model = set(words_of(calls(name, "judge_real_model")))
    assert on_real_model <= claims_of(name)
    assert all(EVIDENCE[id].needs_one_model for id in on_real_model)


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_is_short_enough_to_be_read(name):
    lines = lessons.paths()[name].read_text("utf-8").splitlines()
    read = [line for line in lines if line.strip(" #") and not line.startswith("# %%")]
    assert len(read) in LINES


@pytest.mark.parametrize("name", NAMES)
def test_every_prediction_is_answered(name):
    asked = [words_of([call])[0] for call in calls(name, "predict")]
    told = [words_of([call])[0] for call in calls(name, "reveal")]
    assert len(asked) in (2, 3) and sorted(told) == sorted(asked)
    for id in asked:
        assert re.fullmatch(rf"{name}\.[a-c]", id)


@pytest.mark.parametrize("name", NAMES)
def test_a_learner_sees_few_lines_unasked(name):
    shown = [cell for cell in lessons.cells(name) if cell.kind not in ("quiet", "folded")]
    words = "\n".join(cell.text for cell in shown).splitlines()
    assert len([line for line in words if line.strip()]) <= SHOWN
    for cell in shown:
        count = len([line for line in cell.text.splitlines() if line.strip()])
        assert cell.kind != "code" or count <= CODE_LINES, cell.text[:60]


@pytest.mark.parametrize("name", NAMES)
def test_code_that_a_learner_reads_does_not_tell_what_comes_out(name):
    for cell in lessons.cells(name):
        assert cell.kind != "code" or "reveal(" not in cell.text, cell.line


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_has_three_exercises_and_three_questions(name):
    wanted = [f"{name}.e{number}" for number in (1, 2, 3)]
    assert lessons.exercise_ids(name) == list(exercises_of(name)) == wanted
    quiz = quiz_of(name)
    assert list(quiz) == [f"{name}.q{number}" for number in (1, 2, 3)]
    for question in quiz.values():
        assert 2 <= len(question.choices) == len(set(question.choices))
        assert 0 <= question.answer < len(question.choices)
        assert question.words and question.why


@pytest.mark.parametrize("name", [name for name in NAMES if name != "L00"])
def test_one_question_is_about_an_earlier_lesson(name):
    words = " ".join(question.words for question in quiz_of(name).values())
    numbers = [int(number) for number in re.findall(r"[Ll]esson (\d+)", words)]
    assert numbers and max(numbers) < int(name[1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_does_not_give_its_quiz_away(name):
    lines = lessons.paths()[name].read_text("utf-8").splitlines()
    text = " ".join(" ".join(line.removeprefix("#") for line in lines).split()).lower()
    for id, question in quiz_of(name).items():
        given_away = [question.why.lower()]
        right = question.choices[question.answer].lower()
        if len(right.split()) > 2:  # a number or a single word may stand anywhere
            given_away.append(right)
        for words in given_away:
            assert words not in text, (id, words)


def test_right_answers_do_not_stand_at_one_place():
    """A learner who always takes the same letter would learn nothing and be right."""
    places = [question.answer for name in NAMES for question in quiz_of(name).values()]
    if len(NAMES) > 1:
        assert max(map(places.count, places)) <= 0.7 * len(places)


def settings_of(panel: str) -> set[str]:
    """Return what a lesson can set in a panel: its controls, the prompt and the position."""
    names = re.findall(r'\bname: "([\w-]+)"', writer.source(f"panels/{panel}.js"))
    return {"prompt", "position", *names}


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_sets_what_its_panel_has(name):
    for call in calls(name, "panel"):
        panel = call.args[0].value
        assert panel in writer.PANELS
        assert {keyword.arg for keyword in call.keywords} <= settings_of(panel) | {"family"}


def test_cells_know_their_lines(toy):
    lines = (toy / "l00_toy.py").read_text().splitlines()
    cells = lessons.cells("L00")
    assert [cell.kind for cell in cells] == [
        "markdown", "quiet", "folded", "code", "exercise", "quiet", "code", "quiet",
    ]  # fmt: skip
    assert cells[0].text == "# L00 Toy\n\nWords with **stress**."
    assert cells[2].title == "Count to two" and cells[4].id == "L00.e1"
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
    assert lessons.progress("L00") == "part 3 of 8     0 of 1 exercises"
    remember("L00", {"done": True, "L00.e1": True})
    assert lessons.progress("L00") == "done            1 of 1 exercises"


def test_the_list_hints_and_the_ledger_need_neither_jax_nor_matplotlib():
    code = """
import sys
from minitx.classroom import hint, lessons
from minitx.evidence.claims import known_claims
from minitx.evidence.verdicts import read_all
for name in lessons.paths():
    lessons.title(name), lessons.progress(name)
lessons.next_command()
hint("L08.e1"), hint("L08.q1")
known_claims(), read_all()
assert not {"jax", "flax", "matplotlib", "scipy"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", code], check=True)
