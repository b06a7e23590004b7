"""Grids: every combination once, and nothing that cannot be."""

import itertools

import pytest

from minitx.ablation import grid
from minitx.ablation.grid import Grid
from minitx.cli.commands import experiments
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError


def test_the_cells_are_all_combinations_in_order():
    values = {"norm": ("none", "rmsnorm"), "lr": (0.1, 0.2), "depth": (1, 2, 3)}
    cells = Grid(values).cells(vocab=7)
    assert [tuple(c.settings.values()) for c in cells] == list(itertools.product(*values.values()))
    for cell in cells:
        assert cell.model.norm == cell.settings["norm"]
        assert cell.model.depth == cell.settings["depth"]
        assert cell.train.lr == cell.settings["lr"] and cell.model.vocab == 7
        assert cell.rates == (cell.settings["lr"],)  # no choice where the rate is the question


def test_the_rates_are_spread_around_the_recipes():
    (cell,) = Grid({"tied": (True,)}, train=TrainConfig(lr=0.01)).cells(vocab=7)
    assert cell.rates == (0.003, 0.01, 0.03)
    (cell,) = Grid({"tied": (True,)}, rates=(0.5,)).cells(vocab=7)
    assert cell.rates == (0.5,)


@pytest.mark.parametrize(
    "vary, message",
    [
        ({}, "nothing varies"),
        ({"nrom": ("none",)}, "no switch 'nrom'; did you mean 'norm'"),
        ({"norm": ("layernrom",)}, "choose from none, layernorm, rmsnorm"),
        ({"norm": ()}, "norm has no values"),
        ({"norm": "none"}, "norm has no values"),
        ({"tied": (True, True)}, "tied=true is given twice"),
        ({"tied": (1,)}, "tied=1 is not a bool"),
        ({"depth": (2.5,)}, "depth=2.5 is not a int"),
        ({"lr": (float("nan"),)}, "not a finite number"),
        ({"seed": (1, 2)}, "seed cannot vary"),
        ({"vocab": (1, 2)}, "vocab cannot vary"),
    ],
)
def test_what_is_no_grid_is_refused(vary, message):
    with pytest.raises(InputError, match=message):
        Grid(vary)


def test_a_cell_that_cannot_be_is_refused_by_name():
    made = Grid({"init": ("scaled", "zero"), "residual": (True, False)})
    with pytest.raises(InputError, match="cell init=zero residual=false: init=zero with residual"):
        made.cells(vocab=7)
    with pytest.raises(InputError, match="cell heads=5: heads=5 does not divide width=64"):
        Grid({"heads": (4, 5)}).cells(vocab=7)


def test_rates_and_a_rate_that_varies_exclude_each_other():
    with pytest.raises(InputError, match="lr varies"):
        Grid({"lr": (0.1, 0.2)}, rates=(0.1,))
    with pytest.raises(InputError, match="lr=-1"):
        Grid({"tied": (True,)}, rates=(-1.0,))


@pytest.mark.parametrize(
    "words, message",
    [
        (["norm"], "--vary norm: it has no values: write norm="),
        (["norm="], "it has no values"),
        (["norm=none", "norm=rmsnorm"], "given twice"),
        (["tied=yes"], "tied='yes' is not known: choose from true, false"),
        (["depth=two"], "depth='two' is not a int"),
        (["lr=fast"], "lr='fast' is not a float"),
    ],
)
def test_words_that_name_no_switch_are_refused(words, message):
    with pytest.raises(InputError, match=message):
        grid.parse_vary(words)


@pytest.mark.parametrize("name", grid.names())
def test_every_shipped_grid_makes_its_cells(name):
    made = grid.read(name)
    cells = made.cells(vocab=50)
    assert 6 <= len(cells) <= 27
    assert len({c.name for c in cells}) == len(cells)
    assert len({(c.model, c.train) for c in cells}) == len(cells)


def test_the_thread_is_the_dispute():
    vary = grid.read("thread").vary
    assert {name: set(values) for name, values in vary.items()} == {
        "norm": {"none", "layernorm", "rmsnorm"}, "tied": {True, False},
        "residual": {True, False}, "loss": {"cross_entropy", "squared_error"},
    }  # fmt: skip


def test_a_file_says_what_stays_the_same(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "rates = [0.1, 0.2]\nequal_loss = true\n[margins]\nloss = 0.02\n"
        '[vary]\ntied = [true, false]\nkv_heads = ["none", 2]\n'
        "[model]\ndepth = 3\n[train]\nsteps = 7\n"
    )
    made = grid.read(path)
    assert made.vary == {"tied": (True, False), "kv_heads": (None, 2)}
    assert (made.model.depth, made.train.steps, made.rates) == (3, 7, (0.1, 0.2))
    assert made.equal_loss and made.margins == {"loss": 0.02}
    defaults = experiments.defaults({"--grid": str(path)})
    assert defaults.equal_loss and defaults.recipe.steps == 7


@pytest.mark.parametrize(
    "text, message",
    [
        ("vary = 3", "vary is not a table"),
        ("[vary]\nnorm = ['non']", "norm='non' is not known"),
        ("[vary]\nnorm = 'none'\n[models]\ndepth = 1", "key 'models'; did you mean 'model'"),
        ("[vary]\nnorm = ['none']\n[model]\nwdith = 1", "no field 'wdith'; did you mean 'width'"),
        ("[vary]\nnorm = ['none']\n[train]\nsteps = 0", "steps=0 is out of range"),
        ("margins = 3\n[vary]\nnorm = ['none']", "margins is not a table"),
        ("equal_loss = 1\n[vary]\nnorm = ['none']", "equal_loss is not true or false"),
        ("rates = 3\n[vary]\nnorm = ['none']", "rates is not a list"),
        ("[vary", "is not valid TOML"),
        ("", "nothing varies"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        grid.read(path)
    assert "mine.toml" in str(error.value)


def test_a_name_that_is_no_grid_is_refused():
    with pytest.raises(InputError, match="no grid 'thred'; did you mean 'thread'"):
        grid.read("thred")
    with pytest.raises(InputError, match="cannot read"):
        grid.read("nowhere.toml")


def test_fields_of_both_configs_have_different_names():
    import dataclasses

    fields = [{f.name for f in dataclasses.fields(kind)} for kind in (ModelConfig, TrainConfig)]
    assert not fields[0] & fields[1]
