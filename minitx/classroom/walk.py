"""A walk through a lesson in the terminal: prose, code, questions and figures, cell by cell."""

import contextlib
import io
import sys
from pathlib import Path

from minitx.classroom import answers, lessons
from minitx.classroom.exercises import hint
from minitx.classroom.learner import WIDEST, session, tell, tell_lines
from minitx.classroom.lessons import Cell

CODE_WIDTH = 100  # columns of the longest line of code in a lesson
OWN_FILE = "import numpy as np\n\nfrom minitx.classroom import check\n\n\n"  # how it begins

PROMPTS = {  # by kind of cell: what is asked before it runs, and the letters that answer
    "exercise": ("[Enter: check it | h: hint | s: skip | q: leave] ", ["", "h", "s", "q"]),
    "folded": ("[Enter: run this | c: read the code | q: leave] ", ["", "c", "q"]),
    "code": ("[Enter: run this | q: leave] ", ["", "q"]),
}
WELCOME = (
    "Enter goes on; q leaves, and keeps your place. Figures and panels open in your browser if "
    "there is a screen; otherwise their paths are printed. As a notebook: minitx lesson {number} "
    "--notebook."
)
LETTERS = {"code": "c", "hint": "h", "skip": "s", "quit": "q"}  # for a word that is typed in full


def walk(lesson: str, straight: bool = False, opens: bool = False, again: bool = False) -> None:
    """Go through a lesson: `straight` does not wait or ask, `opens` opens figures and panels.

    A lesson that was left goes on there, unless `again`: the cells before are run, but not shown.
    Raises KeyboardInterrupt on Ctrl-C, after the place was kept.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False)
    cells = lessons.cells(lesson)
    waits = not straight and sys.stdin is not None and sys.stdin.isatty()
    place = _place(lesson, len(cells)) if waits and not again else 0
    namespace = {"__name__": "__main__"}
    session.asks = False if straight else None
    session.opens = opens
    session.passed.clear()
    if waits and not place:
        tell(WELCOME.format(number=int(lesson[1:])))
        if console.width < CODE_WIDTH:
            tell(f"Lines of code have up to {CODE_WIDTH} columns; your window has {console.width}.")
    try:
        if place:
            where = f"part {place + 1} of {len(cells)}"
            console.print(f"{lesson}: going on where you left, at {where}.")
            _catch_up(lesson, cells[:place], namespace)
        while place < len(cells):
            cell = cells[place]
            if waits:
                answers.remember(lesson, {"reached": place})
            if cell.kind == "markdown":
                _print_prose(console, cell.text)
            else:
                if cell.kind == "folded":
                    _print_folded(cell)
                elif cell.kind != "quiet":
                    _print_code(console, cell.text)
                if waits and cell.kind != "quiet" and not _ready(console, lesson, cell):
                    return
                if cell.id not in session.passed:  # else the learner's own file was checked
                    _run_and_show(lesson, cell, namespace)
            place += 1
    except KeyboardInterrupt:
        words = f"left at part {place + 1} of {len(cells)}"
        print(f"\n{words}: `minitx lesson {int(lesson[1:])}` goes on there")
        raise
    finally:
        session.asks = None
        session.opens = False
    answers.remember(lesson, {"reached": len(cells)})


def _place(lesson: str, parts: int) -> int:
    """Return the index of the cell where the learner left; 0 after the lesson's end."""
    reached = int(answers.recall(lesson).get("reached", 0))
    return reached if reached < parts else 0


def _catch_up(lesson: str, cells: list[Cell], namespace: dict) -> None:
    """Run cells for what later cells need of them: nothing is shown and nothing is asked."""
    asks, opens = session.asks, session.opens
    session.asks = session.opens = False
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for cell in cells:
                if cell.kind != "markdown":
                    run_cell(lesson, cell, namespace)
    finally:
        session.asks, session.opens = asks, opens


def _print_prose(console, text: str) -> None:
    from rich.markdown import Markdown

    console.print()
    console.print(Markdown(text), width=min(console.width, WIDEST))


def _print_code(console, text: str) -> None:
    from rich.syntax import Syntax

    text = text.replace("  # fmt: skip", "")  # a note to the formatter, not to the learner
    console.print()
    console.print(
        Syntax(text, "python", theme="ansi_light", background_color="default", word_wrap=True)
    )
    console.print()


def _print_folded(cell: Cell) -> None:
    count = len(cell.text.splitlines())
    print(f"\n[{cell.title}: {count} lines of code]\n")


def _ready(console, lesson: str, cell: Cell) -> bool:
    """Wait for the learner, and return whether the walk goes on."""
    prompt, keys = PROMPTS[cell.kind]
    if cell.kind == "exercise":
        print(f"--- your turn: write it in {_own_file(cell)}, save, and come back.")
    while True:
        try:
            typed = input(prompt).strip().lower()
        except EOFError:
            return False
        typed = LETTERS.get(typed, typed)
        if typed not in keys:
            print(f"Press Enter, or type one of: {', '.join(keys[1:])}.")
        elif typed == "q":
            print(f"left; `minitx lesson {int(lesson[1:])}` goes on here")
            return False
        elif typed == "c":
            _print_code(console, cell.text)
        elif typed == "h":
            tell_lines(hint(cell.id))
        elif typed == "s":
            print(f"  skipped (help: minitx hint {cell.id})")
            session.passed[cell.id] = False  # so that the stub is not checked
            return True
        elif cell.kind != "exercise":
            return True
        else:
            has_file = _try_own_file(cell)
            if session.passed.get(cell.id) or not has_file:
                return True


def _own_path(cell: Cell) -> Path:
    return answers.folder() / f"{cell.id.replace('.', '_')}.py"


def _own_file(cell: Cell) -> Path:
    """Return the file for the learner's solution; if there is none, write the stub into it."""
    path = _own_path(cell)
    if not path.exists():
        answers.keep(path, f"{OWN_FILE}{cell.text}\n")
    return path


def _try_own_file(cell: Cell) -> bool:
    """Run the learner's file, which checks the solution; return whether there is a file."""
    path = _own_path(cell)
    if not path.is_file():
        return False
    try:
        _execute(path.read_text("utf-8"), path, {})
    except SyntaxError as error:
        tell(f"CHECK {cell.id}: line {error.lineno} of {path} is not Python: {error.msg}")
        session.passed[cell.id] = False
    except Exception as error:
        tell(f"CHECK {cell.id}: {path} broke with {type(error).__name__}: {error}")
        session.passed[cell.id] = False
    return True


def run_cell(lesson: str, cell: Cell, namespace: dict) -> None:
    """Run a cell in the lesson's namespace; tracebacks name its lines in the lesson's file."""
    blank_lines = "\n" * (cell.line - 1)
    _execute(blank_lines + cell.text, lessons.paths()[lesson], namespace)


def _run_and_show(lesson: str, cell: Cell, namespace: dict) -> None:
    """Run a cell, and open the figures that it saved, if figures are to be opened."""
    from minitx.page import browser

    before = len(session.figures)
    run_cell(lesson, cell, namespace)
    if session.opens:
        for path in session.figures[before:]:
            browser.open_page(path)


def _execute(source: str, path: Path, namespace: dict) -> None:
    """Run a lesson of ours, or the learner's own file, as `python FILE` would; nothing else."""
    exec(compile(source, str(path), "exec"), namespace)
