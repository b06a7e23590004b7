"""All lessons run from start to end, here on untrained models."""

import pytest
from whole_lessons import NAMES, check_answers

from minitx.classroom.walk import walk

# They measure many models, or fit many lenses and maps.
SLOW = ("L07", "L13", "L14")
QUICK = [pytest.param(name, marks=pytest.mark.long if name in SLOW else ()) for name in NAMES]


@pytest.mark.parametrize("name", QUICK)
def test_a_lesson_runs_from_start_to_end(name, untrained_zoo, answers, capsys):
    walk(name, straight=True)
    check_answers(name, answers, capsys.readouterr().out)
