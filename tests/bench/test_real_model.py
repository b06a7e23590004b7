"""A real model here and in transformers: two processes that work in turn."""

import os

import numpy as np
import pytest

from minitx.bench import real_model
from minitx.errors import InputError


def test_the_sides_work_in_turn_and_each_gets_its_own_median():
    done = []

    def side(name, times):
        def do(task):
            done.append((name, task))
            return times[task].pop(0)

        return do

    ours = side("ours", {"trace": [1.0, 9.0, 2.0], "text": [30.0, 20.0, 40.0]})
    theirs = side("theirs", {"trace": [5.0, 6.0, 4.0], "text": [70.0, 60.0, 50.0]})
    seconds = real_model.in_turn({"ours": ours, "theirs": theirs}, rounds=3)
    assert seconds == {
        ("ours", "trace"): 2.0, ("theirs", "trace"): 5.0,
        ("ours", "text"): 30.0, ("theirs", "text"): 60.0,
    }  # fmt: skip
    assert done[:4] == [
        ("ours", "trace"),
        ("theirs", "trace"),
        ("ours", "text"),
        ("theirs", "text"),
    ]
    assert done[4:8] == done[:4]


def test_agreement_leaves_the_last_state_out():
    rng = np.random.default_rng(0)
    theirs = {
        "states": rng.standard_normal((4, 1, 5, 3)),
        "logits": rng.standard_normal((1, 5, 7)),
        "tokens": np.array([[1, 2, 3]]),
    }
    ours = {key: value.copy() for key, value in theirs.items()}
    ours["states"][-1] += 10
    ours["states"][1, 0, 2, 1] += 0.25
    ours["tokens"][0, 1] = 6
    found = real_model.agreement(ours, theirs)
    assert found["logits_relative_error"] == 0
    largest = np.abs(theirs["states"][1]).max()
    assert found["states_relative_error"] == pytest.approx(0.25 / largest)
    assert found["same_tokens"] == 2


def refuses(name):
    raise InputError(f"{name} does not exist: name another")


def dies(name):
    os._exit(3)


@pytest.mark.parametrize("make, why", [(refuses, "no-model does not exist"), (dies, "has died")])
def test_a_side_that_cannot_go_on_says_why(make, why):
    with real_model.in_a_process(make, "no-model") as ask, pytest.raises(InputError, match=why):
        ask("results")


def two_tasks(name):  # states, logits; tokens
    return lambda: ([[1.0, 2.0], [3.0, 4.0]], [5.0]), lambda: np.array([[6, 7]])


def test_a_side_gives_its_results_and_the_seconds_of_each_task():
    with real_model.in_a_process(two_tasks, "any") as ask:
        results = ask("results")
        assert np.array_equal(results["states"], [[1, 2], [3, 4]])
        assert results["logits"].tolist() == [5] and results["tokens"].tolist() == [[6, 7]]
        assert all(isinstance(ask(task), float) for task in ("trace", "text"))
