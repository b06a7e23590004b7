"""Runs: killed, interrupted, resumed, refused; the bytes at the end are always the same."""

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import minitx.text.data as data_module
from minitx import sample
from minitx.config import DataConfig, ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.objective import evaluate
from minitx.runs import checkpoint, run
from minitx.text import corpus, tokenizer
from minitx.text.data import prepare
from minitx.train import Evaluation, Report, init_state

WEIGHTS = ("model.safetensors", "best.safetensors", "train_state.safetensors")
FILES = {"config.json", "tokenizer.json", "metrics.jsonl", *WEIGHTS}

# Dropout, so that its random numbers have to be taken up again too; steps that end between two
# evaluations; a rate at which the validation loss goes up and down. One model and one recipe for
# nearly all tests, because compiling is what takes the time.
CONFIG = ModelConfig(width=8, depth=1, heads=2, context=8, dropout=0.1)
RECIPE = TrainConfig(steps=61, batch=2, lr=0.3, warmup=2, eval_every=3)


def write_text(path: Path, words=400) -> Path:
    rng = random.Random(1)
    path.write_text(
        " ".join(
            rng.choice(["the", "cat", "sat", "on", "a", "mat", "and", "ran"]) for _ in range(words)
        )
    )
    return path


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return write_text(tmp_path_factory.mktemp("text") / "text.txt")


@pytest.fixture(scope="module")
def data(text):
    return prepare(str(text))


def reports_of(folder, data, resume=False, recipe=RECIPE, **switches):
    """The reports of a training in this process, as they come."""
    config = dataclasses.replace(CONFIG, vocab=len(data.tokenizer), **switches)
    state = run.begin(Path(folder), config, recipe, data, resume)
    return run.train_run(Path(folder), config, recipe, data, state)


def fit(folder, data, resume=False, recipe=RECIPE, **switches):
    """Train in this process, to the end."""
    return list(reports_of(folder, data, resume, recipe, **switches))


@pytest.fixture(scope="module")
def reference(tmp_path_factory, data):
    """A run that was left alone."""
    folder = tmp_path_factory.mktemp("reference") / "run"
    fit(folder, data)
    return folder


@pytest.fixture
def copy(reference, tmp_path):
    shutil.copytree(reference, tmp_path / "run")
    return tmp_path / "run"


def contents(folder) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(folder).iterdir()}


def metrics(folder) -> list[dict]:
    lines = (Path(folder) / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def assert_same(folder, reference):
    """Equal to the byte, but for the seconds; and nothing else lies about."""
    ours, theirs = contents(folder), contents(reference)
    for name in theirs.keys() - {"metrics.jsonl"}:
        assert ours[name] == theirs[name], name
    assert metrics(folder) == metrics(reference)
    assert ours.keys() == theirs.keys()


def refused(function, *words) -> str:
    """The one line that an InputError says; it names all the words."""
    with pytest.raises(InputError) as caught:
        function()
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert str(word) in message
    return message


# --- what a run writes ---------------------------------------------------------------------------


def test_a_run_writes_its_files_and_nothing_else(reference):
    assert contents(reference).keys() == FILES
    config = json.loads((reference / "config.json").read_text())
    assert config.keys() == {"model", "train", "data", "sha256"}
    assert config["model"]["vocab"] == len(
        json.loads((reference / "tokenizer.json").read_text())["tokens"]
    )


def test_the_same_seed_makes_the_same_bytes(tmp_path, data, reference):
    fit(tmp_path / "run", data)
    assert_same(tmp_path / "run", reference)
    other = dataclasses.replace(RECIPE, seed=1)
    fit(tmp_path / "other", data, recipe=other)
    for name in WEIGHTS:
        assert contents(tmp_path / "other")[name] != contents(reference)[name]


def test_metrics_have_a_line_for_every_evaluation(reference):
    lines = [json.loads(s) for s in (reference / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [*range(3, 61, 3), 61]
    for line in lines:
        assert list(line) == list(Evaluation._fields)
        assert line["tokens"] == line["step"] * RECIPE.batch * CONFIG.context
        assert all(np.isfinite(value) for value in line.values())
    seconds = [line["seconds"] for line in lines]
    assert sorted(seconds) == seconds and seconds[0] > 0


def test_the_saved_weights_are_those_that_were_measured(reference, data):
    lines = metrics(reference)
    for best, loss in ((False, lines[-1]["val_loss"]), (True, min(e["val_loss"] for e in lines))):
        loaded = run.load(reference, best)
        params = loaded.model.params()
        assert evaluate(loaded.config, "cross_entropy", params, data.val_tokens) == loss
    assert lines[-1]["val_loss"] > min(e["val_loss"] for e in lines)  # else that proved nothing
    assert contents(reference)["best.safetensors"] != contents(reference)["model.safetensors"]


def test_best_is_the_lowest_validation_loss(tmp_path, data):
    config = dataclasses.replace(CONFIG, vocab=len(data.tokenizer))
    state = init_state(config, RECIPE)
    run.begin(tmp_path, config, RECIPE, data, resume=False)
    holders = []
    for step, loss in enumerate([3.0, 1.0, 2.0, 1.0, 0.5, 0.7], 1):
        params = jax.tree.map(lambda a, step=step: jnp.full_like(a, step), state.params)
        at = state._replace(params=params, step=jnp.int32(step))
        run.save(
            tmp_path, Report(at, step, 0.0, 0.0, Evaluation(step, 0.0, loss, 0.0, 0.0, 0, 0.0))
        )
        stored = safetensors.numpy.load_file(tmp_path / "best.safetensors")
        last = safetensors.numpy.load_file(tmp_path / "model.safetensors")
        holders.append(int(stored["embedding.table"][0, 0]))
        assert last["embedding.table"][0, 0] == step
    assert holders == [1, 2, 2, 2, 5, 5]


def test_load_gives_back_the_run(reference, data, text):
    loaded = run.load(reference)
    assert loaded.recipe == RECIPE
    assert loaded.config == dataclasses.replace(CONFIG, vocab=len(data.tokenizer))
    assert loaded.tokenizer.tokens == data.tokenizer.tokens
    assert loaded.data == data.config and loaded.sha256 == data.sha256
    assert loaded.folder == reference
    assert loaded.data.corpus == str(text)
    tokens = next(sample.generate(loaded.model, data.train_tokens[None, :4], 3))
    assert tokens.shape == (1, 3)


def test_held_out_is_the_validation_split(reference, data, tmp_path):
    loaded = run.load(reference)
    np.testing.assert_array_equal(run.held_out(loaded), data.val_tokens)
    other = tmp_path / "other.txt"
    other.write_text("the mat")
    np.testing.assert_array_equal(
        run.held_out(loaded, str(other)), loaded.tokenizer.encode("the mat")
    )
    everything = np.concatenate([data.train_tokens, data.val_tokens])
    np.testing.assert_array_equal(run.held_out(loaded, loaded.data.corpus), everything)
    other.write_text("the QUEEN")
    refused(lambda: run.held_out(loaded, str(other)), "'Q'")
    refused(lambda: run.held_out(loaded, "no-such-text"), "no-such-text")


@pytest.mark.parametrize("name", ["kingdom", "zipf", "chain"])
def test_a_generated_corpus_is_refused_where_the_tokens_mean_something_else(reference, name):
    """Its ids are words of its own; read as characters they would measure nonsense."""
    assert name in corpus.GENERATORS
    refused(lambda: run.held_out(run.load(reference), name), name)


def test_held_out_refuses_a_text_that_has_changed(data, tmp_path):
    text = write_text(tmp_path / "text.txt")
    fit(tmp_path / "run", prepare(str(text)))
    loaded = run.load(tmp_path / "run")
    text.write_text(text.read_text() + " ")
    refused(lambda: run.held_out(loaded), text, "changed")
    text.unlink()
    refused(lambda: run.held_out(loaded), text)


# --- stopped at any place, and gone on -----------------------------------------------------------


class Killed(BaseException):
    """What `kill -9` is to a process."""


def dying_write(monkeypatch, after: int, halfway: bool):
    """Let the process die at a write: just after it, or with half of it in a temporary file."""
    real, count = checkpoint.write, iter(range(100_000))

    def write(path, content):
        if next(count) < after:
            return real(path, content)
        if halfway:
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.with_name(f".{path.name}.12345.tmp").write_bytes(data[: len(data) // 2])
        raise Killed

    monkeypatch.setattr(checkpoint, "write", write)


@pytest.mark.parametrize("halfway", [False, True], ids=["between", "within"])
def test_a_run_that_dies_at_any_write_can_be_begun_again(
    tmp_path, data, reference, monkeypatch, halfway
):
    """Before each of the first writes, one after the other; then the same command, to the end."""
    for after in [*range(14), 60, 10_000]:
        folder = tmp_path / str(after)
        with monkeypatch.context() as patch:
            dying_write(patch, after, halfway)
            try:
                fit(folder, data)
                assert after == 10_000  # which is later than all
            except Killed:
                assert after < 10_000
        fit(folder, data, resume=(folder / "config.json").exists())
        assert_same(folder, reference)


@pytest.mark.parametrize(
    "switches, recipe",
    [
        ({"tied": True, "norm_place": "post"}, {"optimizer": "muon", "adam_lr": 1e-3}),
        ({"positions": "rope", "mlp": "swiglu"}, {"optimizer": "sgd", "decay": "linear"}),
    ],
)
def test_other_models_and_optimisers_resume_to_the_same_bits(tmp_path, data, switches, recipe):
    recipe = dataclasses.replace(RECIPE, steps=11, lr=0.01, **recipe)
    fit(tmp_path / "a", data, recipe=recipe, **switches)
    with contextlib.closing(reports_of(tmp_path / "b", data, recipe=recipe, **switches)) as reports:
        next(report for report in reports if report.step == 6)
    assert int(safetensors.numpy.load_file(tmp_path / "b" / WEIGHTS[2])["step"]) == 6
    fit(tmp_path / "b", data, resume=True, recipe=recipe, **switches)
    assert_same(tmp_path / "b", tmp_path / "a")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("during", ["the step", "the report"])
def test_ctrl_c_between_evaluations_saves_at_once(
    tmp_path, data, reference, monkeypatch, number, during
):
    """At step 1: the next evaluation is at step 3. It comes while steps are computed, or while the
    caller of `train_run` has its report in hand."""
    real, before = run.train, signal.getsignal(number)

    def train(*arguments):
        for report in real(*arguments):
            if report.step == 1:
                os.kill(os.getpid(), number)
            yield report

    if during == "the step":
        monkeypatch.setattr(run, "train", train)
    with pytest.raises(KeyboardInterrupt):
        for report in reports_of(tmp_path / "run", data):
            if during == "the report" and report.step == 1:
                os.kill(os.getpid(), number)
            last = report.step
    assert signal.getsignal(number) == before
    assert last < 3
    stored = safetensors.numpy.load_file(tmp_path / "run" / "train_state.safetensors")
    assert int(stored["step"]) == last
    assert metrics(tmp_path / "run") == []
    run.load(tmp_path / "run")  # the weights are there too
    monkeypatch.undo()
    fit(tmp_path / "run", data, resume=True)
    assert_same(tmp_path / "run", reference)


def test_a_second_ctrl_c_does_not_wait(tmp_path, data):
    reports = reports_of(tmp_path, data)
    with contextlib.closing(reports):
        next(reports)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_a_finished_run_is_left_as_it_is(copy, data):
    before = contents(copy)
    assert fit(copy, data, resume=True) == []
    assert contents(copy) == before


@pytest.mark.parametrize("tail", ['{"step": 12, "train_lo', "\0\0\0", '{"step": 12}\n', "nul\n"])
def test_a_broken_last_line_is_cut(tmp_path, data, reference, tail):
    with contextlib.closing(reports_of(tmp_path / "run", data)) as reports:
        next(report for report in reports if report.step == 6)
    path = tmp_path / "run" / "metrics.jsonl"
    path.write_text(path.read_text() + tail)
    assert [e["step"] for e in run.read_metrics(tmp_path / "run")] == [3, 6]
    fit(tmp_path / "run", data, resume=True)
    assert_same(tmp_path / "run", reference)


def test_lines_later_than_the_state_are_grown_again(tmp_path, data, reference):
    with contextlib.closing(reports_of(tmp_path / "run", data)) as reports:
        next(report for report in reports if report.step == 6)
    shutil.copy(reference / "metrics.jsonl", tmp_path / "run")
    fit(tmp_path / "run", data, resume=True)
    assert_same(tmp_path / "run", reference)


# --- real processes, really killed ---------------------------------------------------------------

STRIKE = """
import os, sys, threading, time
from minitx.runs import checkpoint
from minitx.cli.main import main

number, writes, delay = int(sys.argv.pop(1)), int(sys.argv.pop(1)), float(sys.argv.pop(1))
real = checkpoint.write

def strike():
    time.sleep(delay)
    os.kill(os.getpid(), number)

def write(*arguments):
    global writes
    real(*arguments)
    writes -= 1
    if writes == 0:
        threading.Thread(target=strike).start()

checkpoint.write = write
sys.exit(main())
"""


def process(folder, text, *more, cache, number=0, writes=0, delay=0.0):
    """`minitx train` as a process that gets a signal, `delay` seconds after so many writes."""
    words = ["--corpus", str(text), "--out", str(folder)]
    for name, value in (dataclasses.asdict(CONFIG) | dataclasses.asdict(RECIPE)).items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words += [f"--{flag}" if value else f"--no-{flag}"]
        else:
            words += [f"--{flag}", str(value)]
    return subprocess.run(
        [sys.executable, "-c", STRIKE, str(int(number)), str(writes), str(delay), "train", *words,
         *more],
        capture_output=True, text=True, env=os.environ | {
            "MINITX_CACHE": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        },
    )  # fmt: skip


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_kill_9_five_times_and_resume(tmp_path, text, cache, reference):
    folder, rng, more = tmp_path / "run", random.Random(20), []
    for _ in range(5):
        done = process(
            folder, text, *more, cache=cache, number=signal.SIGKILL, writes=rng.randint(3, 12),
            delay=rng.random() * 0.005,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
        more = ["--resume"]
    done = process(folder, text, *more, cache=cache)
    assert done.returncode == 0, done.stderr
    assert_same(folder, reference)


def test_ctrl_c_then_a_polite_kill_then_resume(tmp_path, text, cache, reference):
    folder, more = tmp_path / "run", []
    for number in (signal.SIGINT, signal.SIGTERM):
        done = process(folder, text, *more, cache=cache, number=number, writes=14, delay=0.004)
        assert done.returncode == 130, done.stderr
        assert "Traceback" not in done.stderr and done.stdout == ""
        assert done.stderr.splitlines()[-1].startswith("minitx: ")
        state = safetensors.numpy.load_file(folder / "train_state.safetensors")
        assert 0 < metrics(folder)[-1]["step"] <= int(state["step"]) < RECIPE.steps
        more = ["--resume"]
    done = process(folder, text, *more, cache=cache)
    assert done.returncode == 0, done.stderr
    assert_same(folder, reference)


# --- what is refused, and loses nothing ----------------------------------------------------------


def unchanged(folder, function, *words) -> str:
    before = contents(folder) if Path(folder).is_dir() else None
    message = refused(function, *words)
    assert (contents(folder) if Path(folder).is_dir() else None) == before
    return message


def test_another_run_is_not_overwritten(copy, data):
    unchanged(copy, lambda: fit(copy, data), copy, "--resume", "--out")


def test_a_folder_with_other_files_is_not_touched(tmp_path, data):
    (tmp_path / "thesis.txt").write_text("years of work")
    unchanged(tmp_path, lambda: fit(tmp_path, data), tmp_path, "--out")
    unchanged(tmp_path, lambda: fit(tmp_path, data, resume=True), tmp_path, "--out")


def test_resume_needs_a_run(tmp_path, data):
    folder = tmp_path / "none"
    unchanged(folder, lambda: fit(folder, data, resume=True), folder, "--resume")
    assert not folder.exists()
    fit(tmp_path, data)  # an empty folder will do
    assert contents(tmp_path).keys() == FILES


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 12}, {"batch": 3}, {"lr": 0.2}, {"optimizer": "sgd"}, {"warmup": 3}, {"seed": 1},
        {"eval_every": 4}, {"clip": 0.0}, {"decay": "linear"}, {"loss": "squared_error"},
    ],
)  # fmt: skip
def test_resume_with_another_recipe_is_refused(copy, data, change):
    [(name, value)] = change.items()
    recipe = dataclasses.replace(RECIPE, **change)
    words = (f"{name}={getattr(RECIPE, name)}", str(value), copy)
    unchanged(copy, lambda: fit(copy, data, resume=True, recipe=recipe), *words)


@pytest.mark.parametrize(
    "change",
    [
        {"width": 16}, {"depth": 2}, {"heads": 1}, {"context": 9}, {"norm": "rmsnorm"},
        {"dropout": 0.2}, {"tied": True}, {"bias": True}, {"mlp": "relu"}, {"norm_epsilon": 1e-6},
    ],
)  # fmt: skip
def test_resume_with_another_model_is_refused(copy, data, change):
    [(name, value)] = change.items()
    unchanged(copy, lambda: fit(copy, data, resume=True, **change), name, str(value), copy)


def test_resume_with_another_text_is_refused(tmp_path):
    text = write_text(tmp_path / "text.txt")
    folder = tmp_path / "run"
    fit(folder, prepare(str(text)))
    for words in (text.read_text()[:-1] + "e", text.read_text()[:-9]):
        text.write_text(words)
        data = prepare(str(text))
        unchanged(folder, lambda data=data: fit(folder, data, resume=True), "sha256", folder)
    write_text(text)
    other = write_text(tmp_path / "other.txt")
    for name, data in {
        "corpus": prepare(str(other)),
        "val_fraction": prepare(str(text), val_fraction=0.2),
    }.items():
        unchanged(folder, lambda data=data: fit(folder, data, resume=True), name, folder)


def test_resume_with_another_tokenizer_is_refused(tmp_path, text):
    """Of the same kind, size and file name, but with other ids: the weights would mean nothing."""
    path, folder = tmp_path / "tokens.json", tmp_path / "run"
    tokens = tokenizer.train("char", text.read_text()).tokens
    path.write_text(tokenizer.Characters(tokens).to_json())
    fit(folder, prepare(str(text), str(path)))
    path.write_text(tokenizer.Characters(tokens[::-1]).to_json())
    data = prepare(str(text), str(path))
    unchanged(folder, lambda: fit(folder, data, resume=True), folder, "tokenizer")


@pytest.mark.parametrize("damage", ["empty", "cut", "random", "foreign", "other run", "folder"])
def test_a_broken_state_is_refused_with_a_cure(copy, data, damage):
    path = copy / "train_state.safetensors"
    whole = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
        refused(lambda: fit(copy, data, resume=True), path)
        return
    path.write_bytes({
        "empty": b"",
        "cut": whole[:-5],
        "random": random.Random(1).randbytes(500),
        "foreign": safetensors.numpy.save({"a": np.ones(3)}),
        "other run": (copy / "model.safetensors").read_bytes(),
    }[damage])  # fmt: skip
    message = unchanged(copy, lambda: fit(copy, data, resume=True), path)
    assert "restore" in message or "train again" in message or "minitx" in message


def test_a_state_that_was_lost_does_not_cost_the_rest(copy, data):
    """Weights and metrics of a whole run are there: starting again would overwrite them."""
    (copy / "train_state.safetensors").unlink()
    unchanged(copy, lambda: fit(copy, data, resume=True), copy)


def test_metrics_that_were_lost_do_not_cost_the_rest(copy, data):
    for content in (b"", None, b"\xff\xfe\0garbage"):
        (copy / "metrics.jsonl").unlink()
        if content is not None:
            (copy / "metrics.jsonl").write_bytes(content)
        with contextlib.suppress(InputError):
            fit(copy, data, resume=True)
        run.load(copy)


def test_a_text_that_is_too_short_leaves_nothing(tmp_path):
    text = tmp_path / "short.txt"
    text.write_text("abcdefghi")
    folder = tmp_path / "run"
    refused(lambda: fit(folder, prepare(str(text))), "context=8", "--context")
    assert not folder.exists()  # so that the same command works once the cure has been taken
    for val_fraction, split in ((0.01, "validation"), (0.99, "training")):
        data = prepare(str(text), val_fraction=val_fraction)
        refused(lambda data=data: fit(folder, data, context=2), split)
        assert not folder.exists()


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_training_that_explodes_keeps_finite_weights(tmp_path, data, monkeypatch):
    """At this rate the first update is not finite, though its loss and its gradient are."""
    # What it says takes long to find out; the test of the command line has it.
    monkeypatch.setattr("minitx.train.explain", lambda *arguments: "stopped at step 1: lower --lr")
    recipe = dataclasses.replace(RECIPE, lr=1e39, clip=0.0, warmup=0)
    refused(lambda: fit(tmp_path, data, recipe=recipe), "step", "--lr", tmp_path)
    assert_finite(tmp_path)
    run.load(tmp_path)


def assert_finite(folder):
    for name in WEIGHTS:
        if (folder / name).exists():
            for tensor, array in safetensors.numpy.load_file(folder / name).items():
                assert np.isfinite(array).all(), (name, tensor)


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_an_evaluation_is_never_nan(tmp_path, data):
    """JSON has no NaN, and no later loss is lower than a NaN: there would be no best weights.

    At this rate one step leaves weights that are finite, but too long for a LayerNorm.
    """
    recipe = dataclasses.replace(
        RECIPE, steps=1, eval_every=1, lr=1e20, optimizer="sgd", clip=0.0, warmup=0
    )
    with contextlib.suppress(InputError):
        fit(tmp_path, data, recipe=recipe)
    words = (tmp_path / "metrics.jsonl").read_text()
    assert "NaN" not in words and "Infinity" not in words


@pytest.mark.parametrize("path", ["/proc/no/such", "a" * 300, "text.txt", "text.txt/run"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, data, path):
    write_text(tmp_path / "text.txt")
    refused(lambda: fit(tmp_path / path, data), path)
    refused(lambda: run.load(tmp_path / path), path)


# --- load: every file may be missing, broken or of another run -----------------------------------


def edit(folder, change):
    path = folder / "config.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_load_refuses_what_is_no_run(tmp_path):
    refused(lambda: run.load(tmp_path / "none"), tmp_path / "none", "config.json")
    refused(lambda: run.load(tmp_path), tmp_path, "config.json")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", "7", "null", '{"model": {}}', "\ufeff{}", "[" * 100_000]
)
def test_load_refuses_a_broken_config(copy, content):
    (copy / "config.json").write_text(content)
    refused(lambda: run.load(copy), copy / "config.json")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda c: c["model"].update(version=1), ["version 1"]),
        (lambda c: c["train"].update(version=0), ["version 0"]),
        (lambda c: c["model"].pop("version"), ["version"]),
        (lambda c: c["model"].update(wdith=3), ["wdith", "width"]),
        (lambda c: c["train"].update(colour=3), ["colour"]),
        (lambda c: c["model"].pop("width"), ["width"]),
        (lambda c: c["model"].update(width="8"), ["width"]),
        (lambda c: c["model"].update(heads=3), ["heads=3"]),
        (lambda c: c["model"].update(norm="batchnorm"), ["batchnorm"]),
        (lambda c: c["train"].update(lr=None), ["lr"]),
        (lambda c: c.update(model=None), ["ModelConfig"]),
        (lambda c: c.update(train=[1]), ["TrainConfig"]),
        (lambda c: c.pop("data"), ["config"]),
        (lambda c: c.update(data=None), ["data"]),
        (lambda c: c.update(data=[]), ["data"]),
        (lambda c: c.update(data={}), ["data"]),
        (lambda c: c["data"].pop("corpus"), ["corpus"]),
        (lambda c: c["data"].update(corpus=None), ["corpus"]),
        (lambda c: c["data"].update(val_fraction="x"), ["val_fraction"]),
        (lambda c: c["data"].update(val_fraction=7), ["val_fraction"]),
    ],
)
def test_load_refuses_a_config_that_does_not_fit(copy, change, words):
    edit(copy, change)
    refused(lambda: run.held_out(run.load(copy)), copy / "config.json", *words)


def test_load_refuses_a_tokenizer_that_does_not_fit(copy, data):
    path = copy / "tokenizer.json"
    for content in (None, b"", b"{", b"\xff\xfe", b"[]", b"{}", b'{"model": {"type": "BPE"}}'):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        else:
            refused(lambda: run.load(copy), path)
            path.touch()
        refused(lambda: run.load(copy), path)
    path.write_text(tokenizer.Characters((*data.tokenizer.tokens, "Z")).to_json())
    refused(lambda: run.load(copy), path, len(data.tokenizer) + 1, len(data.tokenizer))


@pytest.mark.parametrize("best", [False, True])
def test_load_refuses_weights_that_do_not_fit(copy, best):
    path = copy / WEIGHTS[best]
    whole = path.read_bytes()
    tensors = safetensors.numpy.load_file(path)
    marked = {"minitx": json.dumps({"kind": "model", "version": 1})}

    for value in (np.nan, np.inf):
        changed = {name: array.copy() for name, array in tensors.items()}
        changed["blocks.0.mlp.up.weight"][1, 1] = value
        path.write_bytes(safetensors.numpy.save(changed, metadata=marked))
        refused(lambda: run.load(copy, best), path, "blocks.0.mlp.up.weight")

    path.write_bytes(whole[:-1])
    refused(lambda: run.load(copy, best), path)
    path.unlink()
    refused(lambda: run.load(copy, best), copy)
    path.write_bytes(whole)
    edit(copy, lambda c: c["model"].update(depth=2))
    refused(lambda: run.load(copy, best), path, "blocks.1.")


def test_weights_that_may_not_be_read_are_not_called_missing(copy, monkeypatch):
    path = copy / "model.safetensors"
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read it; so the library says what it says to others

        def denied(*arguments, **keywords):
            raise FileNotFoundError(f"No such file or directory: {path}")

        monkeypatch.setattr(checkpoint.safetensors, "safe_open", denied)
    assert "does not exist" not in refused(lambda: run.load(copy), path)


# --- prepare -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(corpus.GENERATORS))
def test_prepare_generates(name, monkeypatch):
    monkeypatch.setattr(data_module, "GENERATED_TOKENS", 3000)
    monkeypatch.setattr(run, "GENERATED_TOKENS", 3000)
    made = prepare(name)
    assert made.generator.words == made.tokenizer.tokens
    together = np.concatenate([made.train_tokens, made.val_tokens])
    np.testing.assert_array_equal(together, made.generator.sample(3000, seed=0))
    assert len(made.val_tokens) == 300
    assert made.config.corpus == name and made.sha256 is None
    assert together.min() >= 0 and together.max() < len(made.tokenizer)


def test_a_generated_run_is_held_out_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(data_module, "GENERATED_TOKENS", 3000)
    monkeypatch.setattr(run, "GENERATED_TOKENS", 3000)
    made = prepare("chain")
    config = dataclasses.replace(CONFIG, vocab=len(made.tokenizer))
    loaded = run.Run(tmp_path, None, config, RECIPE, made.tokenizer, made.config, None)
    np.testing.assert_array_equal(run.held_out(loaded), made.val_tokens)


@pytest.mark.parametrize("kind", ["char", "word", "bpe", "file"])
def test_prepare_reads_a_text(text, tmp_path, kind):
    words = text.read_text()
    if kind == "file":
        kind = str(tmp_path / "my tokens.json")
        Path(kind).write_text(tokenizer.train("bpe", words, 270).to_json())
    made = prepare(str(text), kind, vocab=300, val_fraction=0.25)
    together = np.concatenate([made.train_tokens, made.val_tokens])
    assert made.tokenizer.decode(together) == words
    assert len(made.train_tokens) == int(len(together) * 0.75)
    assert made.generator is None
    assert made.config == DataConfig(str(text), kind, digits=False, val_fraction=0.25)
    assert made.sha256 == corpus.read_text(str(text)).sha256


def test_prepare_reads_the_shipped_text():
    made = prepare("fables")
    assert (
        made.tokenizer.decode(made.train_tokens[:4000])
        == ((corpus.DATA / "fables.txt").read_text("utf-8")[:4000])
    )
    assert made.config.corpus == "fables"


@pytest.mark.parametrize("val_fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_prepare_refuses_a_fraction_out_of_range(text, val_fraction):
    refused(lambda: prepare(str(text), val_fraction=val_fraction), "val_fraction")


def test_prepare_refuses_what_cannot_be_learned(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("a" * 1000)
    refused(lambda: prepare(str(text)), text)
    text.write_text("ab" * 100)
    refused(lambda: prepare(str(text), "words"), "words")
    refused(lambda: prepare(str(text), str(tmp_path / "no.json")), tmp_path / "no.json")
    refused(lambda: prepare(str(text), "bpe", vocab=100), "vocab=100")
    refused(lambda: prepare(str(text), "char", digits=True), "digits")
    foreign = tmp_path / "t.json"
    foreign.write_text(tokenizer.Characters(("x", "y")).to_json())
    refused(lambda: prepare(str(text), str(foreign)), "'a'")
