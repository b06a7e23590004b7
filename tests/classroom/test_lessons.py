"""The lessons run as script, walk and notebook; rules give each verdict; the ledger is complete."""

import builtins
import contextlib
import fcntl
import io
import json
import os
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest

from minitx.classroom import lesson
from minitx.classroom import walk as stepper
from minitx.errors import InputError
from minitx.runs import zoo

NAMES = list(stepper.lessons())
PARTS = (
    "**Claims:**", "many believe", "## Predict", "## Worked example", "## The rules", "## Run",
    "## Exercises", "Why the belief", "## Verdicts", "real model", "quiz(", "claim(",
)  # fmt: skip
EXAMPLES = tomllib.loads((Path(__file__).parent / "rule_examples.toml").read_text("utf-8"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """One cache for all workers, trained once from nothing; $MINITX_TEST_ZOO names a kept one."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    cache = os.environ.get("MINITX_TEST_ZOO") or str(base / "zoo-cache")
    os.makedirs(cache, exist_ok=True)
    before = os.environ.get("MINITX_CACHE")
    os.environ["MINITX_CACHE"] = cache
    with open(os.path.join(cache, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in zoo.ZOO:
            zoo.load(name)
    yield cache
    os.environ.pop("MINITX_CACHE")
    if before is not None:
        os.environ["MINITX_CACHE"] = before


@pytest.fixture(autouse=True)
def own_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITX_ANSWERS", str(tmp_path / "answers"))
    monkeypatch.setattr(lesson.room, "results", {})
    monkeypatch.setattr(lesson.room, "ask", None)
    lesson._unwritten.cache_clear()
    monkeypatch.setattr(lesson.room, "warned", False)
    return tmp_path / "answers"


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_runs_every_way(name, trained, own_answers, tmp_path, capsys):
    """One test, so that what the script compiled serves the walk and the notebook too."""
    mine = {id for id, row in lesson.claims().items() if row["lesson"].split(",")[0] == name}
    found = runpy.run_path(str(stepper.lessons()[name]), run_name="__main__")
    ledger = json.loads((own_answers / "ledger.json").read_text())
    assert set(ledger) == mine
    assert all(row["numbers"] and row["run"] and row["lesson"] == name for row in ledger.values())

    for id in mine:
        assert set(EXAMPLES[id]) == set(lesson.VERDICTS), id
        for verdict, numbers in EXAMPLES[id].items():
            assert found[id.lower()](*numbers) == verdict, (id, verdict)

    for picture in (own_answers / "figures").glob("*.png"):
        assert picture.read_bytes()[:4] == b"\x89PNG"
        table = picture.with_suffix(".csv").read_text()
        assert "null" in table and table.startswith("panel,series,x,mean,low,high")
    assert list((own_answers / "figures").glob("*.png"))
    out = capsys.readouterr().out
    assert out.count("not done yet") == 3

    (own_answers / "ledger.json").unlink()
    stepper.walk(name, straight=True)
    assert set(json.loads((own_answers / "ledger.json").read_text())) == mine
    assert lesson.recall(name)["done"] is True

    path = stepper.notebook(name, tmp_path / f"{name}.ipynb")
    (own_answers / "ledger.json").unlink()
    namespace = {"__name__": "__main__"}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
    assert set(json.loads((own_answers / "ledger.json").read_text())) == mine


def test_a_lesson_has_all_its_parts():
    for name in NAMES:
        text = stepper.lessons()[name].read_text()
        for part in PARTS:
            assert part in text, (name, part)
        assert text.count("quiz(") == 3 and text.count("predict(") >= 2
        listed = re.sub("[.,#]", " ", text.split("**Claims:**")[1].split("**Question")[0])
        claims = {id for id, row in lesson.claims().items() if row["lesson"].split(",")[0] == name}
        assert set(listed.split()) == claims, name


# --- the walk, on a lesson of its own ------------------------------------------------------------

TOY = '''# %% [markdown]
# # L00 Toy
#
# Words with **stress**.

# %%
from minitx.classroom.lesson import check, predict

seen = ["one"]

# %%
guess = predict("L00.a", "how much?", low=0, high=1)
seen.append("two")
print("SEEN", seen, guess)


# %% exercise L00.e1
@check("L00.e1")
def double(x):
    """Twice x."""
    ...

# %%
print("END")
'''
SOLUTIONS = """from minitx.classroom.exercises import Exercise


def double(x):
    return 2 * x


EXERCISES = {"L00.e1": Exercise(double, ("add", "x + x"), lambda random: (random.random(),),
                                {"you squared": lambda x: x**2})}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    folder = tmp_path / "lessons"
    (folder / "solutions").mkdir(parents=True)
    (folder / "l00_toy.py").write_text(TOY)
    (folder / "solutions" / "l00.py").write_text(SOLUTIONS)
    monkeypatch.setattr(lesson, "LESSONS", folder)
    lesson._exercises.cache_clear()
    yield folder
    lesson._exercises.cache_clear()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def type_in(monkeypatch, *answers):
    answers = iter(answers)

    def answer(prompt=""):
        given = next(answers, EOFError())
        if isinstance(given, BaseException):
            raise given
        return given() if callable(given) else given

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(builtins, "input", answer)


def test_a_walk_asks_checks_and_ends(toy, monkeypatch, capsys, own_answers):
    def solve(body):
        path = own_answers / "L00_e1.py"
        path.write_text(path.read_text().replace("...", body))
        return ""

    type_in(
        monkeypatch, "", "", "0.3", "h", lambda: solve("return x**2"),
        lambda: (own_answers / "L00_e1.py").write_text("def double(x:") and "",
        lambda: (own_answers / "L00_e1.py").unlink() or "s", "",
    )  # fmt: skip
    stepper.walk("L00")
    out = capsys.readouterr().out
    for words in ("SEEN ['one', 'two'] 0.3", "of 3: add", "you squared", "SyntaxError", "END"):
        assert words in out, words
    assert lesson.recall("L00")["done"] is True


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), "q", EOFError()])
def test_a_walk_that_is_left_goes_on_there(toy, monkeypatch, capsys, stop):
    type_in(monkeypatch, "", stop)
    with contextlib.suppress(KeyboardInterrupt):
        stepper.walk("L00")
    assert "SEEN ['one'" not in capsys.readouterr().out
    type_in(monkeypatch, "", "nonsense", "", "", "s", "")
    stepper.walk("L00")
    out = capsys.readouterr().out
    assert "going on where you left" in out and "SEEN ['one', 'two'] None" in out and "END" in out
    assert "stress" not in out


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"COLUMNS": "20"}])
def test_a_walk_needs_no_colours(toy, monkeypatch, capsys, settings):
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    stepper.walk("L00", straight=True)
    out = capsys.readouterr().out
    assert "\x1b[" not in out and "END" in out


def test_a_walk_needs_no_folder_and_no_display(toy, monkeypatch, capsys, own_answers):
    own_answers.write_text("a file in the folder's place")
    (toy / "l00_toy.py").write_text(TOY.replace('print("END")', 'print("FIGURE nowhere.png")'))
    monkeypatch.setattr(stepper.webbrowser, "open", lambda url: False)
    stepper.walk("L00", straight=True, show=True)
    captured = capsys.readouterr()
    assert "open nowhere.png yourself" in captured.out and "nothing is kept" in captured.err


@pytest.mark.parametrize("name", ["7", "07", "l7", "L07"])
def test_lessons_are_found_by_number(name):
    assert stepper.find(name) == "L07"


@pytest.mark.parametrize("name", ["99", "", "seven", "-1", "7.5", "9" * 5000])
def test_unknown_lessons_are_named(name):
    with pytest.raises(InputError, match="there is no lesson"):
        stepper.find(name)


def test_advice_is_what_was_begun_then_what_is_not_done(own_answers):
    assert stepper.advice() == "minitx lesson 0"
    lesson.remember("L00", reached=20, done=True)
    assert stepper.advice() == "minitx lesson 1"
    lesson.remember("L03", reached=2)
    assert stepper.advice() == "minitx lesson 3"
    for name in NAMES:
        lesson.remember(name, done=True)
    assert stepper.advice() == "minitx ledger"
