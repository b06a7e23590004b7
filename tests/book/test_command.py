"""`minitx book`: which lessons, how many at once, where to, and what is refused."""

import os
import threading
import time

import pytest
import slow_lessons
from command_line import refused, works

from minitx.book import cache


def test_one_lesson_becomes_a_book(classroom, tmp_path, monkeypatch):
    monkeypatch.setenv("CI", "1")
    done = works("book", "3", "--out", tmp_path / "site", "--open")
    assert done.out == f"{tmp_path / 'site' / 'index.html'}\n"
    assert "L03 Toy: " in done.err and "(1 of 1)" in done.err and "no screen" in done.err
    assert (tmp_path / "site" / "l03_toy.html").is_file()


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["99"], ["there is no lesson '99'", "L03, L04"]),
        (["--jobs", "0"], ["jobs=0", "at least 1"]),
        (["--out", "letter.txt"], ["letter.txt is there and is not a book", "--out"]),
    ],
)
def test_wrong_input_is_refused_before_anything_is_run(
    classroom, tmp_path, monkeypatch, arguments, names
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letter.txt").write_text("dear")
    refused("book", *arguments, names=names)
    assert not (tmp_path / "cache" / "book").exists()


def test_a_broken_lesson_is_one_line_without_a_traceback(classroom, tmp_path):
    path = classroom / "l03_toy.py"
    path.write_text(path.read_text().replace('seen.append("two")', "nonsense"))
    refused(
        "book",
        "3",
        "--out",
        tmp_path / "site",
        names=["L03", "line 31 of l03_toy.py"],
        remarks=True,
    )
    assert not (tmp_path / "site").exists()


# --- processes -----------------------------------------------------------------------------------


def test_lessons_run_side_by_side_in_other_processes(monkeypatch):
    monkeypatch.setattr(cache, "timed", slow_lessons.run)
    found = {name: record for name, record, _ in cache.side_by_side(["L03", "L04"], 2)}
    assert found.keys() == {"L03", "L04"}
    assert os.getpid() not in {record["process"] for record in found.values()}


def test_the_first_broken_lesson_ends_the_others(monkeypatch):
    monkeypatch.setattr(cache, "timed", slow_lessons.run)
    started = threading.active_count()
    with pytest.raises(ValueError, match="this lesson breaks"):
        list(cache.side_by_side(["broken", "endless"], 2))
    for _ in range(100):
        if threading.active_count() <= started:
            return
        time.sleep(0.1)
    raise AssertionError("a process still runs")
