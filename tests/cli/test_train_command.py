"""`minitx train`: what it says and writes, what it refuses, how it resumes."""

import json

import numpy as np
import pytest
import safetensors.numpy
from command_line import SHORT, listing, refused, works, write_text

from minitx.runs import checkpoint
from minitx.runs import run as run_module
from minitx.text import tokenizer

METRICS = ["step", "train_loss", "val_loss", "lr", "grad_norm", "tokens", "seconds"]


def test_train_json(world):
    folder, said = world
    assert said.out.count("\n") == 1
    found = json.loads(said.out)
    assert list(found) == ["run", *METRICS]
    assert found["run"] == str(folder / "run")
    lines = [json.loads(s) for s in (folder / "run/metrics.jsonl").read_text().splitlines()]
    assert found == {"run": found["run"], **lines[-1]}
    assert [line["step"] for line in lines] == [2, 4]
    assert all(list(line) == METRICS for line in lines)
    assert lines[-1]["tokens"] == 4 * 2 * 8
    for words in ("tokens to train on", "held out", "parameters", "validation loss"):
        assert words in said.err


def test_the_same_command_makes_the_same_bytes(home, text, world):
    """Without --out, into a folder that is named after the text and the preset."""
    result = works("train", "--corpus", text, *SHORT)
    assert result.out == ""
    assert "minitx sample runs/text-demo" in result.err
    ours, theirs = listing(home / "runs/text-demo"), listing(world[0] / "run")
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"metrics.jsonl"}:
        assert ours[name] == theirs[name], name


# --- the best weights ----------------------------------------------------------------------------


def test_a_run_that_got_worse_says_where_its_best_weights_are(run):
    """At its end `train` names their step, their loss, and how to use them."""
    params = run_module.load(run).model.params()
    best = {"step": 2, "val_loss": 0.125}  # lower than the last evaluation
    checkpoint.save(run / "best.safetensors", params, "model", best)
    said = works("train", "--resume", "--out", run).err
    [line] = [line for line in said.splitlines() if "--best" in line]
    for words in ("step 2", "0.1250", f"minitx sample {run}", f"minitx inspect {run}"):
        assert words in line


def test_a_run_that_ends_at_its_best_says_nothing_of_it(world):
    _, said = world
    assert json.loads(said.out)["val_loss"] == min(
        line["val_loss"] for line in run_module.read_metrics(world[0] / "run")
    )
    assert "--best" not in said.err


# --- resume -------------------------------------------------------------------------------------


def test_resume_takes_all_flags_from_the_run(run):
    before = listing(run)
    for words in (["--resume", "--out", run], [f"--out={run}", "--resume"]):
        last = json.loads(works("train", *words, "--json").out)
        assert last["step"] == 4
    assert listing(run) == before


def test_resume_needs_no_text_of_the_same_name_here(run, home, monkeypatch):
    """A run that was begun with a relative path goes on from any folder."""
    write_text(home / "mine.txt")
    token_file = home / "mine.json"
    token_file.write_text(tokenizer.train("char", (home / "mine.txt").read_text()).to_json())
    flags = [*SHORT, "--corpus", "mine.txt", "--tokenizer", "mine.json"]
    works("train", *flags, "--out", "second")
    (home / "elsewhere").mkdir()
    monkeypatch.chdir(home / "elsewhere")
    works("train", "--resume", "--out", "../second")
    works("inspect", "../second", "--json")


def test_train_refuses_to_overwrite_or_to_change_a_run(run, text):
    before = listing(run)
    same = ["train", "--corpus", text, "--out", run]
    refused(*same, *SHORT, names=[run, "--resume"])
    go_on = ["train", "--resume", "--out", run]
    for flags, names in (
        (["--lr", "0.5"], ["lr", "0.5"]),
        (["--steps", "8"], ["steps=4", "8"]),
        (["--width", "16"], ["width=8", "16"]),
        (["--seed", "3"], ["seed=0", "3"]),
        (["--norm", "none"], ["norm=rmsnorm", "none"]),
        (["--tokenizer", "word"], ["tokenizer=char", "word"]),
        (["--val-fraction", "0.2"], ["val_fraction=0.1", "0.2"]),
        (["--preset", "bigram"], ["was begun with", "unchanged"]),  # then give all flags again
    ):
        refused(*go_on, *flags, names=names)
        assert listing(run) == before
    line = refused(*go_on, "--corpus", "fables", names=[run, "fables"])
    assert "corpus" in line  # not the number of tokens, which is a consequence
    assert listing(run) == before


# --- refused ------------------------------------------------------------------------------------


BAD_FLAGS = {
    "heads that do not divide": (["--heads", "3"], ["heads=3", "width=8", "1, 2, 4, 8"]),
    "kv heads": (["--kv-heads", "3"], ["kv_heads=3", "heads=2"]),
    "odd rope width": (["--width", "6", "--positions", "rope"], ["rope", "even"]),
    "odd sinusoids": (["--width", "7", "--heads", "1", "--positions", "sinusoidal"], ["width=7"]),
    "width 0": (["--width", "0"], ["width=0"]),
    "width -8": (["--width", "-8"], ["width=-8"]),
    "depth -1": (["--depth", "-1"], ["depth=-1"]),
    "context 0": (["--context", "0"], ["context=0"]),
    "batch 0": (["--batch", "0"], ["batch=0"]),
    "steps 0": (["--steps", "0"], ["steps=0"]),
    "steps -1": (["--steps", "-1"], ["steps=-1"]),
    "steps 1.5": (["--steps", "1.5"], ["--steps", "1.5"]),
    "steps 1e3": (["--steps", "1e3"], ["--steps", "1e3"]),
    "steps that no int32 holds": (["--steps", "99999999999"], ["steps=99999999999"]),
    "warmup that no int32 holds": (["--warmup", "99999999999"], ["warmup=99999999999"]),
    "lr nan": (["--lr", "nan"], ["lr=nan"]),
    "lr inf": (["--lr", "inf"], ["lr=inf"]),
    "lr 0": (["--lr", "0"], ["lr=0"]),
    "lr word": (["--lr", "fast"], ["--lr", "fast"]),
    "dropout 1": (["--dropout", "1"], ["dropout=1"]),
    "beta 1": (["--beta1", "1"], ["beta1=1"]),
    "seed -1": (["--seed", "-1"], ["seed=-1"]),
    "seed large": (["--seed", "4294967296"], ["seed=4294967296"]),
    "clip -1": (["--clip", "-1"], ["clip=-1"]),
    "zero init": (["--init", "zero", "--no-residual"], ["init=zero"]),
    "unknown norm": (["--norm", "batchnorm"], ["norm", "batchnorm", "rmsnorm"]),
    "unknown mlp": (["--mlp", "swish"], ["mlp", "swish", "swiglu"]),
    "unknown bool": (["--qkv-bias", "maybe"], ["qkv-bias", "maybe"]),
    "unknown flag": (["--nrom", "none"], ["--nrom"]),
    "unknown flag alone": (["--no-such-flag"], ["--no-such-flag"]),
    "surplus word": (["surplus"], ["surplus"]),
    "missing value": (["--width"], ["--width"]),
    "preset": (["--preset", "huge"], ["huge", "demo"]),
    "preset missing": (["--preset"], ["--preset needs a name", "demo"]),
    "val_fraction 0": (["--val-fraction", "0"], ["val_fraction=0"]),
    "val_fraction 1": (["--val-fraction", "1"], ["val_fraction=1"]),
    "val_fraction nan": (["--val-fraction", "nan"], ["val_fraction=nan"]),
    "val_fraction small": (["--val-fraction", "0.0001"], ["validation"]),
    "val_fraction large": (["--val-fraction", "0.9999"], ["training"]),
    "context long": (["--context", "100000"], ["context=100000"]),
    "tokenizer": (["--tokenizer", "words"], ["words", "word", "bpe"]),
    "tokenizer file": (["--tokenizer", "none.json"], ["none.json"]),
    "bpe small": (["--tokenizer", "bpe", "--vocab", "10"], ["vocab=10", "256"]),
    "digits": (["--digits"], ["digits"]),
    "vocab 0": (["--vocab", "0"], ["vocab=0"]),
    "resume without a run": (["--resume"], ["--resume", "out"]),
    "folder in a file": (["--out", "file/run"], ["file/run"]),
    "folder that is a file": (["--out", "file"], ["file"]),
    "folder of others": (["--out", "others"], ["others", "--out"]),
    "folder nowhere": (["--out", "/proc/no/run"], ["/proc/no/run"]),
    "folder name too long": (["--out", "a" * 300], ["a" * 300]),
    "folder with a line break": (["--out", "file/a\nb"], ["cannot write"]),
}


@pytest.mark.parametrize("flags, names", BAD_FLAGS.values(), ids=BAD_FLAGS)
def test_train_refuses_bad_flags(home, text, flags, names):
    (home / "file").write_text("x")
    (home / "others").mkdir()
    (home / "others" / "thesis.txt").write_text("years of work")
    before = listing(home)
    arguments = [*SHORT, "--out", "out", *flags]
    refused("train", "--corpus", text, *arguments, names=names)
    assert listing(home) == before  # nothing lost, nothing begun


def test_a_wide_model_is_refused_at_once(home):
    """A message that lists the divisors of a number must not look for them one by one."""
    refused("train", "--width", 10**18 + 9, "--heads", 2, names=["heads=2"])


def test_a_model_that_no_memory_holds_is_refused(home, text):
    flags = [*SHORT, "--mlp-width", 2**40, "--out", "out"]
    refused("train", "--corpus", text, *flags, names=["memory"], remarks=True)


BAD_TEXTS = {
    "empty": (b"", ["text.bin", "empty"]),
    "binary": (b"ab\0cd" * 9, ["text.bin", "offset 2"]),
    "not UTF-8": ("abc äöü".encode("latin-1"), ["text.bin", "UTF-8", "offset 4"]),
    "one character": (b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ["text.bin", "one character"]),
    "a single character": (b"a", ["text.bin", "two characters"]),
    "short": (b"abcdefg", ["context=8", "--context"]),
}


@pytest.mark.parametrize("content, names", BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_train_refuses_bad_texts(home, content, names):
    (home / "text.bin").write_bytes(content)
    refused("train", "--corpus", "text.bin", *SHORT, "--out", "out", names=names)
    assert listing(home).keys() == {"text.bin"}


@pytest.mark.parametrize(
    "corpus, names",
    [
        ("none.txt", ["none.txt"]),
        ("fabels", ["fabels", "fables"]),
        ("", ["''"]),
        (".", ["'.'", "folder"]),
        ("tinyshakespeare", ["minitx data get tinyshakespeare"]),
        ("a\nb", ["a\\nb"]),
        ("a" * 300, ["a" * 300]),
    ],
)
def test_train_refuses_unknown_corpora(home, corpus, names):
    refused("train", "--corpus", corpus, *SHORT, "--out", "out", names=names)
    assert listing(home) == {}


def test_an_exploding_training_is_told_in_one_line(home, text, monkeypatch):
    # What `explain` finds out has tests of its own, and takes long.
    monkeypatch.setattr("minitx.progress.explain", lambda *_: "stopped at step 1: lower --lr")
    flags = [*SHORT, "--lr", "1e30", "--adam-lr", "5e29", "--out", "out", "--json"]
    refused("train", "--corpus", text, *flags, names=["step 1", "--lr", "out"], remarks=True)
    for name in ("model", "train_state"):
        for tensor, array in safetensors.numpy.load_file(f"out/{name}.safetensors").items():
            assert np.isfinite(array).all(), (name, tensor)
