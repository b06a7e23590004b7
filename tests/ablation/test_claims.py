"""The claims in a grid: planted verdicts reach the counts and the figures, and a tiny grid runs."""

import csv
import dataclasses
import io
import itertools
import random

import pytest
from made_up import make_table
from refusal import refused

from minitx.ablation import dependence, folder, judged, number_panels, panels, verdict_panels
from minitx.ablation.cells import ablate, run_grid
from minitx.ablation.dependence import STEPS, Changes
from minitx.ablation.grid import Grid, read
from minitx.ablation.plan import plan
from minitx.cli.commands import experiments
from minitx.config import ModelConfig, TrainConfig
from minitx.evidence.evidence import VERDICTS
from minitx.text.data import prepare

VARY = {"init_std": (0.02, 0.1, 0.5), "weight_decay": (0.0, 5.0), "lr": (0.003, 0.01)}
MOMENTS = (0, 10, 30, 90)
NUMBERS = {
    "A8": {"share_that_grow": 1.0, "growth": 7.0},
    "A9": {
        "cosine": 0.95, "right_angle_growth": 0.9, "right_angle_step": 0.8, "with_embedding": 0.3,
    },
}  # fmt: skip


def planted(rule, vary=VARY, seeds_rule=None, final_loss=lambda settings: 2.0):
    """A table with a verdict that follows from settings and step, the same on A8 and A9.

    After all steps but 0 the loss is the final one, so that models have learned at once.
    """
    table = make_table(vary, final_loss, lambda settings: 4.0, MOMENTS, final_loss)
    for record in table.records:
        for entry in record["seeds"]:
            for moment in entry["history"]:
                verdict = rule(record["settings"], moment["step"])
                if seeds_rule:
                    verdict = seeds_rule(verdict, record["settings"], moment["step"], entry["seed"])
                moment[judged.KEY] = {
                    id: {"verdict": verdict, "numbers": numbers} for id, numbers in NUMBERS.items()
                }
    return table


def by_init(settings, step):
    return "refuted" if settings["init_std"] == 0.5 else "supported"


# --- the counts ----------------------------------------------------------------------------------


def test_judged_steps_triple_and_end_with_the_last():
    steps = [judged.judged_steps(TrainConfig(steps=n, eval_every=7)) for n in (5, 7, 21, 22, 70)]
    assert steps == [[0, 5], [0, 7], [0, 7, 21], [0, 7, 21, 22], [0, 7, 21, 63, 70]]


def test_a_verdict_that_depends_on_one_switch_is_counted_there_alone():
    found = dependence.changes(planted(by_init))
    # 3 x 2 x 2 cells after 3 numbers of steps; init_std has two neighbouring pairs of values.
    expected = {
        "init_std": Changes(1 * 2 * 2 * 3, 2 * 2 * 2 * 3),
        "weight_decay": Changes(0, 3 * 2 * 3),
        "lr": Changes(0, 3 * 2 * 3),
        STEPS: Changes(0, 3 * 2 * 2 * 2),
    }
    assert found == {"A8": expected, "A9": expected}
    assert dependence.strongest(expected) == ["init_std"]


def test_a_verdict_that_depends_on_the_steps_is_counted_there_alone():
    found = dependence.changes(planted(lambda settings, step: ["refuted", "qualified"][step > 10]))
    assert found["A8"][STEPS] == Changes(3 * 2 * 2, 3 * 2 * 2 * 2)
    assert [change.changed for change in found["A8"].values()] == [0, 0, 0, 12]


def test_states_that_are_undecided_or_did_not_learn_have_no_pairs():
    def disagree(verdict, settings, step, seed):
        place = (settings["init_std"], settings["weight_decay"], settings["lr"], step)
        return "qualified" if place == (0.1, 0.0, 0.003, 30) and seed == 4 else verdict

    whole = dependence.changes(planted(by_init))["A8"]
    fewer = dependence.changes(planted(by_init, seeds_rule=disagree))["A8"]
    # One state of the middle: two pairs along init_std (one of them a change) and along the steps.
    assert fewer["init_std"] == Changes(whole["init_std"].changed - 1, whole["init_std"].pairs - 2)
    lost = [whole[name].pairs - fewer[name].pairs for name in ("weight_decay", "lr", STEPS)]
    assert lost == [1, 1, 2]

    def no_learning(settings):
        return 3.01 if settings["weight_decay"] and settings["init_std"] == 0.02 else 2.0

    found = dependence.changes(planted(by_init, final_loss=no_learning))["A8"]
    assert found["weight_decay"] == Changes(0, 2 * 2 * 3)
    assert found["init_std"] == Changes(12, 24 - 2 * 3)


def test_numbers_that_cross_a_threshold_are_counted():
    table = planted(by_init)
    for record in table.records:
        near = 0.7 if record["settings"]["lr"] == 0.01 else 0.3
        for entry in record["seeds"]:
            for moment in entry["history"]:
                numbers = {**NUMBERS["A9"], "with_embedding": near}
                moment[judged.KEY]["A9"] = {"verdict": "qualified", "numbers": numbers}
    found = dependence.crossings(table)
    assert list(found) == [
        "growth", "cosine minus growth baseline", "cosine minus step baseline",
        "cosine with embedding",
    ]  # fmt: skip
    assert found["cosine with embedding"] == {
        "init_std": Changes(0, 24), "weight_decay": Changes(0, 18), "lr": Changes(18, 18),
        STEPS: Changes(0, 24),
    }  # fmt: skip
    assert dependence.total(found)["lr"] == Changes(18, 4 * 18)
    text = " ".join(table.summary().split())
    assert "thresholds are crossed most often with lr (18 of 72 pairs)" in text
    last = table.records[-1]["seeds"][3]["history"][-1]  # one seed disagrees in one state
    last[judged.KEY]["A9"]["numbers"]["with_embedding"] = 0.4
    assert dependence.crossings(table)["cosine with embedding"]["lr"] == Changes(17, 17)
    last[judged.KEY]["A9"]["numbers"]["with_embedding"] = None  # it was not finite
    assert dependence.crossings(table)["cosine with embedding"]["lr"] == Changes(17, 17)


def test_the_page_says_on_what_a_verdict_depends():
    page = planted(by_init).summary()
    text = " ".join(page.split())
    assert "36 states (a cell after so many steps), and every seed has learned in 36" in text
    assert (
        'A8 ("The state gets longer in every layer"): the verdict changes most often with' in text
    )
    assert "with init_std (12 of 24 pairs). It never changes with weight_decay or lr or" in text
    assert "| A9 | 24 | 12 |" in text and "undecided |" not in text
    same = " ".join(planted(lambda settings, step: "qualified").summary().split())
    assert "the verdict is the same in all 84 pairs of decided neighbours" in same
    heading = "What the articles claim, in every cell"
    silent = make_table(VARY, lambda settings: 2.0, lambda settings: 4.0)
    assert heading in page and heading not in silent.summary()
    figures_of_claims = set(panels.figures(planted(by_init))) - set(panels.figures(silent))
    assert figures_of_claims == {"verdicts", "numbers"}


def test_json_has_every_verdict_and_count():
    content = planted(by_init).json()["claims"]
    assert content["changes"]["A8"]["init_std"] == {"changed": 12, "pairs": 24}
    assert len(content["verdicts"]) == 3 * 2 * 2 * 4
    assert content["verdicts"][0]["verdicts"] == {"A8": "supported", "A9": "supported"}


# --- the figures ---------------------------------------------------------------------------------


def test_each_state_has_its_sign_and_the_untrained_stand_once():
    def rule(settings, step):
        if step == 0:
            return "by algebra"
        return "supported" if step == 30 else by_init(settings, step)

    def disagree(verdict, settings, step, seed):
        return "qualified" if (settings["lr"], step, seed) == (0.01, 90, 2) else verdict

    table = planted(rule, seeds_rule=disagree)
    figure, _ = verdict_panels.verdicts(table)
    ax = figure.axes[0]
    assert ax.get_title(loc="left").startswith("A8: The state gets longer")
    shown = {text.get_position(): text.get_text() for text in ax.texts}
    places = verdict_panels.arrange(table, dependence.states_of(table))
    for (m, step), place in places.of.items():
        expected = rule(table.cells[m], step)
        if (table.cells[m]["lr"], step) == (0.01, 90):
            expected = "undecided"
        assert shown[place] == verdict_panels.STYLES[expected].sign
    assert len(set(places.of.values())) == 6 * (1 + 2 * 3)
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(hatched) == 6  # before training nothing has been learned


def test_cells_that_did_not_learn_are_hatched():
    table = planted(by_init, final_loss=lambda s: 3.01 if s["weight_decay"] else 2.0)
    figure, rows = verdict_panels.verdicts(table)
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == 6 + 3 * 2 * 3
    learned = {(row[2], row[4]): row[6] for row in rows[1:]}
    assert learned["5", 30] == "false" and learned["0", 30] == "true" == learned["0", 90]


def test_the_table_of_changes_marks_the_strongest_factor():
    table = planted(by_init)
    figure, _ = verdict_panels.verdicts(table)
    texts = figure.axes[3].texts
    assert [text.get_text() for text in texts[:4]] == ["12/24", "0/18", "0/18", "0/24"]
    assert [text.get_fontweight() for text in texts[:4]] == ["bold", *["normal"] * 3]


def test_signs_and_greys_tell_verdicts_apart():
    styles = verdict_panels.STYLES.values()
    assert len({style.sign for style in styles}) == len(styles)

    def grey(colour):
        r, g, b = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
        return 0.299 * r + 0.587 * g + 0.114 * b

    greys = [grey(style.colour) for style in list(styles)[:4]]
    assert all(before - after > 20 for before, after in itertools.pairwise(greys))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_grids_of_any_number_of_switches_have_figures(count):
    vary = {"norm": ("none", "rmsnorm"), "tied": (True, False), "depth": (4, 5, 6), "lr": (0.1,)}
    vary = dict(list(vary.items())[:count])
    table = planted(lambda settings, step: "supported", vary)
    figures = panels.figures(table)
    assert {"verdicts", "numbers"} <= set(figures)
    states = len(table.cells) * len(MOMENTS)
    assert len(figures["verdicts"][1]) == 1 + states * 2
    is_training = count == 4
    places = verdict_panels.arrange(table, dependence.states_of(table))
    assert len(set(places.of.values())) == (states if not is_training else 12 * (1 + 3))


def test_a_seed_that_diverged_leaves_its_state_unlearned():
    table = planted(by_init)
    entry = table.records[5]["seeds"][1]
    del entry["history"][2:]
    entry["failure"] = {"step": 15, "cause": "it diverged"}
    states = {(state.m, state.step): state for state in dependence.states_of(table)}
    assert states[5, 10].learned and not states[5, 30].learned and not states[5, 90].learned
    assert set(panels.figures(table)) >= {"verdicts", "numbers"}


def test_the_columns_of_the_numbers():
    table = planted(by_init)
    _, rows = number_panels.numbers(table)
    assert rows[0] == [
        "cell", "init_std", "weight_decay", "lr", "steps", "learned", "claim", "number", "seed",
        "value",
    ]  # fmt: skip
    values = {row[7]: row[9] for row in rows[1:]}
    assert values == pytest.approx({
        "growth": 7.0, "cosine minus growth baseline": 0.05, "cosine minus step baseline": 0.15,
        "cosine with embedding": 0.3,
    })  # fmt: skip
    _, rows = verdict_panels.verdicts(table)
    assert rows[0] == [
        "cell", "init_std", "weight_decay", "lr", "steps", "loss", "learned", "claim", "verdict",
        *(f"seed {seed}" for seed in range(5)),
    ]  # fmt: skip


# --- grids that run ------------------------------------------------------------------------------

MODEL = ModelConfig(width=8, depth=4, heads=2, context=7, init_std=0.1)
TRAIN = TrainConfig(steps=10, batch=3, lr=0.03, warmup=2, decay="constant", eval_every=3)
GRID = Grid({"init_std": (0.1, 1.0), "lr": (0.03,)}, MODEL, TRAIN, claims=("A8", "A11"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = random.Random(1)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text(" ".join(rng.choice(["the", "cat", "sat", "on", "a"]) for _ in range(500)))
    return prepare(str(path))


def test_a_tiny_grid_is_judged_stopped_and_continued(data, tmp_path):
    out = tmp_path / "out"
    progress = run_grid(GRID, data, 2, out)
    while not next(progress).record:
        pass
    progress.close()  # as Ctrl-C after the first cell
    reports = [report for report in run_grid(GRID, data, 2, out) if report.record]
    assert [report.was_finished for report in reports] == [True, False]
    table = ablate(GRID, data, 2, out)
    for record in table.records:
        for entry in record["seeds"]:
            steps = [moment["step"] for moment in entry["history"] if judged.KEY in moment]
            assert steps == [0, 3, 9, 10]
            for moment in entry["history"]:
                rows = moment.get(judged.KEY, {})
                for row in rows.values():
                    assert row["verdict"] in VERDICTS and len(row["numbers"]) > 1
                if rows:  # the same thing, measured on other windows
                    assert rows["A8"]["numbers"]["growth"] == pytest.approx(
                        moment["growth"], rel=0.3
                    )
    experiments.save(table, out)
    assert "## What the articles claim, in every cell" in (out / "table.md").read_text()
    rows = list(csv.DictReader(io.StringIO((out / "figures" / "verdicts.csv").read_text())))
    assert len(rows) == 2 * 4 * 2 and {row["claim"] for row in rows} == {"A8", "A11"}
    assert (out / "figures" / "verdicts.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "figures" / "numbers.png").stat().st_size > 1000


def test_the_key_of_a_cell_names_its_claims(data):
    text_hash = folder.hash_text(data)
    cell = GRID.cells(len(data.tokenizer))[0]
    keys = [folder.key_of(cell._replace(claims=ids), text_hash, [0]) for ids in ((), ("A8",))]
    assert len({folder.key_of(cell, text_hash, [0]), *keys}) == 3


def test_a_plan_counts_the_judging(data):
    forecast = plan(dataclasses.replace(GRID, vary={"lr": (0.03,)}), data, 1)
    assert forecast["seconds"] > 0
    assert judged.count_judgements(GRID.cells(9)[0], 5) == 5 * 4


def test_the_shipped_grid_crosses_what_the_verdicts_may_depend_on():
    grid = read("growth")
    assert list(grid.vary) == ["init_std", "weight_decay", "lr"]
    assert grid.claims == ("A8", "A9", "A10", "A11")
    cells = grid.cells(vocab=73)
    assert len(cells) == 27 and all(cell.rates == (cell.train.lr,) for cell in cells)
    assert judged.judged_steps(cells[0].train) == [0, 80, 240, 720]
    assert cells[0].train.decay == "constant"  # so that fewer steps are a shorter run


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"claims": ("A99",)}, ("cell init_std=0.1", "there is no claim 'A99'")),
        ({"claims": ("A1",)}, ("A1 needs more than one model",)),
        ({"claims": ("a8",)}, ("'a8'", "write them as in A8")),
        ({"model": dataclasses.replace(MODEL, head="cosine")}, ("head=cosine", "use head=dot")),
        (
            {"model": dataclasses.replace(MODEL, context=64)},
            ("the validation split has", "--corpus"),
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_runs(data, changes, words):
    with refused(*words):
        next(run_grid(dataclasses.replace(GRID, **changes), data, 1))


def test_claims_in_a_file_are_a_list_of_ids(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('claims = "A8"\n[vary]\ndepth = [4, 5]\n')
    with refused(str(path), "claims is not a list of ids", 'claims = ["A8", "A9"]'):
        read(path)
    path.write_text('claims = ["A9", "A8"]\n[vary]\ndepth = [4, 5]\n')
    assert read(path).claims == ("A9", "A8")
