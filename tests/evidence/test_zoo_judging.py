"""Claims judged over the seeds of families: what makes a verdict sure."""

import numpy as np
import pytest

from minitx.evidence import zoo_judging
from minitx.evidence.evidence import Evidence, three_way


def above_1(size, other=0.0):
    """Above 1; refuted below 0."""
    return three_way(supported=size > 1, refuted=size < 0)


CLAIM = Evidence("X1", None, above_1, "nothing", "It is {size:.2f}.", of="families")


def judged(*sizes):
    return zoo_judging.judge_seeds(CLAIM, {"size": np.array(sizes)[:, None]})


def test_seeds_that_agree_give_a_verdict_with_an_interval():
    row = judged(3.0, 3.1, 3.2)
    number = row["numbers"]["size"]
    assert row["verdict"] == "supported" and row["sentence"] == "It is 3.10."
    assert number["mean"] == pytest.approx(3.1)
    # Student's t with two degrees of freedom: 4.303 standard errors of 0.0577.
    assert number["low"] == pytest.approx(3.1 - 0.248, abs=0.05)
    assert number["high"] == pytest.approx(3.1 + 0.248, abs=0.05)
    assert set(row["seeds"].values()) == {"supported"} and "why" not in row


def test_seeds_that_disagree_leave_it_undecided():
    row = judged(0.9, 4.0, 5.0)
    assert row["verdict"] == "undecided"
    assert row["why"] == "seeds disagree: seed 0 qualified, seed 1 supported, seed 2 supported"


def test_an_interval_that_holds_the_threshold_leaves_it_undecided():
    row = judged(1.05, 1.4, 1.8)
    assert set(row["seeds"].values()) == {"supported"}
    assert row["verdict"] == "undecided" and "of the redrawn samples" in row["why"]


def test_equal_seeds_leave_no_doubt():
    row = judged(2.0, 2.0, 2.0)
    assert row["verdict"] == "supported" and row["agreement"] == 1


def test_drawn_means_vary_together_as_seeds_do():
    size_EW = np.array([[1.0, 1.5], [2.0, 2.5], [4.0, 5.0]])
    together = {"size": size_EW, "other": -2 * size_EW}
    for numbers in zoo_judging.draw_means(together)[:50]:
        assert numbers["other"] == pytest.approx(-2 * numbers["size"])


def test_windows_that_differ_widen_the_interval_of_equal_seeds():
    of_windows = np.arange(20) / 2
    row = zoo_judging.judge_seeds(CLAIM, {"size": np.tile(of_windows, (3, 1))})
    error = of_windows.std() / np.sqrt(20)
    number = row["numbers"]["size"]
    assert number["mean"] == pytest.approx(4.75) and row["verdict"] == "supported"
    assert number["low"] == pytest.approx(4.75 - 1.96 * error, abs=0.2 * error)
    assert number["high"] == pytest.approx(4.75 + 1.96 * error, abs=0.2 * error)
    near = zoo_judging.judge_seeds(CLAIM, {"size": np.tile(of_windows - 3.2, (3, 1))})
    assert set(near["seeds"].values()) == {"supported"} and near["verdict"] == "undecided"


def test_mathematics_needs_no_model():
    claim = Evidence("X1", lambda: {"size": 2.0}, above_1, "none", "{size}", of="mathematics")
    assert zoo_judging.judge_claim(claim)["verdict"] == "supported"
