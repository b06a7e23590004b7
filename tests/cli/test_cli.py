"""The command line: what it prints, what it writes, and how it refuses."""

import contextlib
import csv
import dataclasses
import importlib.metadata
import io
import json
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import sys
import textwrap
import typing
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import minitx
from minitx.cli import commands, terminal
from minitx.cli import main as cli
from minitx.config import ModelConfig, TrainConfig
from minitx.errors import InputError
from minitx.presets import PRESETS
from minitx.text import tokenizer

SIZE = ["--width", "8", "--depth", "1", "--heads", "2", "--context", "8", "--batch", "2"]
SHORT = [*SIZE, "--steps", "4", "--eval-every", "2"]
PREFIX = "minitx: error: "


class Result(typing.NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty folder to work in; nothing outside it is read or written."""
    monkeypatch.chdir(tmp_path)
    settle(monkeypatch, tmp_path)
    return tmp_path


def settle(monkeypatch, folder):
    monkeypatch.setenv("MINITX_CACHE", str(folder / ".cache"))
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        monkeypatch.setenv(
            name, os.environ.get(name, str(folder / ".cache") if "DIR" in name else "9")
        )


def minitx_main(*arguments) -> Result:
    """The command in this process."""
    before, out, err = sys.argv, io.StringIO(), io.StringIO()
    sys.argv = ["minitx", *map(str, arguments)]
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                status = cli.main()
            except SystemExit as stop:  # --help
                status = stop.code or 0
    finally:
        sys.argv = before
    return Result(status, out.getvalue(), err.getvalue())


def works(*arguments) -> Result:
    result = minitx_main(*arguments)
    assert result.status == 0, result
    assert PREFIX not in result.err
    return result


def refused(*arguments, names=(), remarks=False) -> str:
    """Refused as promised: status 2 and one plain line, which names the culprit; this line.

    `remarks`: there may be other lines before it, on work that was really begun.
    """
    result = minitx_main(*arguments)
    assert result.status == 2, result
    assert result.out == "", result
    plain(result.err)
    *before, line = result.err.splitlines()
    assert line.startswith(PREFIX)
    assert not any(b.startswith(PREFIX) for b in before)
    assert remarks or not before, result.err
    for name in names:
        assert str(name) in line, f"{name!r} is not in {line!r}"
    return line


def plain(text: str) -> None:
    """Nothing of a traceback, of a parser's insides, or of a terminal's boxes and colours."""
    for ugly in (
        "Traceback",
        "tyro",
        "dummy",
        "----",
        "────",
        "│",
        "╭",
        "╰",
        "\x1b",
        "Warning",
        "Errno",
    ):
        assert ugly not in text, text


def write_text(path, words=300, seed=1) -> Path:
    rng = random.Random(seed)
    path.write_text(" ".join(rng.choice(["the", "cat", "sat", "on", "mats"]) for _ in range(words)))
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A text and a run that was trained on it, and what training said."""
    folder = tmp_path_factory.mktemp("world")
    text = write_text(folder / "text.txt")
    with pytest.MonkeyPatch.context() as patch:
        settle(patch, folder)
        said = works("train", "--corpus", text, "--out", folder / "run", "--json", *SHORT)
    return folder, said


@pytest.fixture
def run(world, home):
    """A copy of the run, to be spoilt."""
    shutil.copytree(world[0] / "run", home / "run")
    return home / "run"


@pytest.fixture
def text(world):
    return world[0] / "text.txt"


def listing(folder) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(Path(folder).rglob("*"))
        if p.is_file() and ".cache" not in p.parts
    }


# --- help ----------------------------------------------------------------------------------------


def test_minitx_alone_prints_the_help(home):
    alone, asked = works(), works("--help")
    assert alone.out == asked.out and alone.err == ""
    for name in commands.COMMANDS:
        assert re.search(rf"\b{name}\b", alone.out)
    assert set(commands.COMMANDS) == {
        "demo", "train", "sample", "inspect", "ablate", "compare", "lesson", "hint", "ledger",
        "zoo", "pull", "data", "bench", "doctor",
    }  # fmt: skip


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_command_has_help(home, name):
    result = works(name, "--help")
    assert result.err == "" and "usage: minitx" in result.out
    assert "tyro" not in result.out.lower()
    shown = re.sub(r"[│\s]+", " ", result.out)
    for field in dataclasses.fields(commands.COMMANDS[name]):
        if field.name in ("data", "model", "recipe"):
            continue
        positional = field.name in ("models", "action") or (name, field.name) in (
            ("sample", "model"), ("data", "name"), ("pull", "name"), ("bench", "presets"),
            ("compare", "runs"), ("lesson", "name"), ("hint", "id"),
        )  # fmt: skip
        if not positional:
            assert f"--{field.name.replace('_', '-')}" in shown, field.name
    assert "MODEL" in shown or name not in ("sample", "inspect")


def docs(kind) -> dict[str, str]:
    """The docstring below each field of a config."""
    source = Path(sys.modules[kind.__module__].__file__).read_text("utf-8")
    body = source[source.index(f"class {kind.__name__}:") :]
    return dict(re.findall(r'^    (\w+): .*?\n    """(.*?)"""', body, re.MULTILINE))


@pytest.mark.parametrize("kind", [ModelConfig, TrainConfig])
def test_train_has_a_flat_flag_with_a_help_text_for_every_field(home, kind):
    shown = re.sub(r"[│\s]+", " ", works("train", "--help").out)
    for field in dataclasses.fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        assert re.search(rf"(?<![\w-]){flag}(?![\w-])", shown), flag
        assert docs(kind)[field.name] in shown, field.name
    assert "--model" not in shown and "--recipe" not in shown


def test_the_module_runs_too(home):
    done = subprocess.run(
        [sys.executable, "-m", "minitx", "--help"], capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 0 and done.stdout.startswith("usage: minitx") and not done.stderr


# --- flags, presets ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_where_flags_start_from(home, name):
    preset = PRESETS[name]
    command = cli.parse(["train", "--preset", name])
    assert (command.model, command.recipe) == (preset.model, preset.train)
    assert command.data.tokenizer == preset.tokenizer and command.preset == name
    for arguments in (
        ["train", "--preset", name, "--depth", "7", "--lr", "0.5"],
        ["train", "--lr", "0.5", "--depth=7", f"--preset={name}"],
    ):
        command = cli.parse(arguments)
        assert command.model == dataclasses.replace(preset.model, depth=7)
        assert command.recipe == dataclasses.replace(preset.train, lr=0.5)


def another(kind, field):
    """A value that the field may have, other than its default."""
    special = {
        "heads": 2, "kv_heads": 1, "head_width": 6, "mlp_width": 5, "position_offset": 3,
        "dropout": 0.5, "init_std": 0.25, "adam_lr": 0.25, "final_lr": 0.5, "beta1": 0.5,
        "beta2": 0.5, "momentum": 0.5,
    }  # fmt: skip
    hint = typing.get_type_hints(kind)[field.name]
    if field.name in special:
        return special[field.name]
    if typing.get_origin(hint) is typing.Literal:
        return next(v for v in typing.get_args(hint) if v != field.default)
    if hint is bool or bool in typing.get_args(hint):
        return not field.default
    return 6 * field.default if hint is int and field.default else 7


@pytest.mark.parametrize(
    "kind, field",
    [(k, f) for k in (ModelConfig, TrainConfig) for f in dataclasses.fields(k)],
    ids=lambda value: getattr(value, "name", value.__class__.__name__),
)
def test_every_field_can_be_set(home, kind, field):
    value = another(kind, field)
    assert value != field.default
    flag = "--" + field.name.replace("_", "-")
    if value is True and field.default is False:
        words = [flag]
    elif value is False and field.default is True:
        words = ["--no-" + flag[2:]]
    else:
        words = [flag, str(value)]
    more = ["--positions", "learned"] if field.name == "position_offset" else []
    start, command = cli.parse(["train", *more]), cli.parse(["train", *more, *words])
    part = "model" if kind is ModelConfig else "recipe"
    changed = dataclasses.replace(getattr(start, part), **{field.name: value})
    assert dataclasses.replace(start, **{part: changed}) == command


def test_none_can_be_said(home):
    command = cli.parse(["train", "--init-std", "None", "--kv-heads", "None"])
    assert command.model.init_std is None and command.model.kv_heads is None


# --- bad input -----------------------------------------------------------------------------------

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
    "preset missing": (["--preset"], ["preset", "demo"]),
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
    script = "from minitx.cli.main import main; import sys; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "train", "--width", str(10**18 + 9), "--heads", "2"],
        capture_output=True, text=True, timeout=60, cwd=home,
    )  # fmt: skip
    assert done.returncode == 2 and "heads=2" in done.stderr


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


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["trian"], ["trian", "train"]),
        (["x"], ["'x'", "sample"]),
        ([""], ["''"]),
        (["--no-such"], ["--no-such"]),
        (["-x"], ["-x"]),
        (["sample"], ["MODEL"]),
        (["inspect"], ["MODEL"]),
        (["sample", "none"], ["none", "pulled"]),
        (["sample", "."], ["config.json"]),
        (["inspect", "none"], ["none", "pulled"]),
        (["sample", "a" * 300], ["a" * 300]),
        (["sample", "none\nwhere"], ["where"]),
        (["train", "sample"], ["sample"]),
        (["doctor", "surplus"], ["surplus"]),
        (["data", "fetch"], ["fetch", "get"]),
        (["data", "get"], ["name"]),
        (["data", "show"], ["name"]),
        (["data", "get", "nothing"], ["nothing", "tinyshakespeare"]),
        (["data", "show", "nothing"], ["nothing", "fables"]),
        (["data", "get", "tinyshakespeare", "--url", "ftp://host/x"], ["ftp://host/x"]),
        (["demo", "--steps", "0"], ["steps=0"]),
        (["demo", "--seed", "-1"], ["seed=-1"]),
        (["demo", "--out", "/proc/no/run"], ["/proc/no/run"]),
    ],
)
def test_bad_commands_are_refused(home, arguments, names):
    refused(*arguments, names=names)
    assert listing(home) == {}


@pytest.mark.parametrize(
    "flags, names",
    [
        (["--tokens", "0"], ["tokens=0"]),
        (["--tokens", "-1"], ["tokens=-1"]),
        (["--tokens", "many"], ["--tokens", "many"]),
        (["--temperature", "-1"], ["temperature=-1"]),
        (["--temperature", "nan"], ["temperature=nan"]),
        (["--top-k", "0"], ["top_k=0"]),
        (["--samples", "0"], ["samples=0"]),
        (["--samples", "-1"], ["samples=-1"]),
        (["--seed", "-1"], ["seed=-1"]),
        (["--seed", "99999999999999999999"], ["seed=99999999999999999999"]),
        (["--prompt", ""], ["prompt", "empty"]),
        (["--prompt", "thé"], ["'é'", "index 2"]),
        (["--prompt", "a\udcff"], ["surrogate"]),
    ],
)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_sample_refuses(run, flags, names, more):
    before = listing(run)
    refused("sample", run, *flags, *more, names=names)
    assert listing(run) == before


@pytest.mark.parametrize(
    "flags, names",
    [
        (["--prompt", ""], ["0 tokens"]),
        (["--prompt", "th"], ["2 tokens"]),
        (["--prompt", "the cat sat"], ["11 tokens", "8"]),
        (["--prompt", "thé"], ["'é'"]),
        (["--prompt", "the", "--corpus", "fables"], ["--prompt", "--corpus"]),
        (["--corpus", "fables"], ["'T'"]),
        (["--corpus", "none.txt"], ["none.txt"]),
        (["--corpus", "kingdom"], ["kingdom"]),
        (["--figures", "run/config.json"], ["run/config.json"]),
    ],
)
def test_inspect_refuses(run, flags, names):
    before = listing(run)
    refused("inspect", run, "--json", *flags, names=names)
    assert listing(run) == before


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
        (["--norm", "none"], ["norm=layernorm", "none"]),
        (["--tokenizer", "word"], ["tokenizer=char", "word"]),
        (["--val-fraction", "0.2"], ["val_fraction=0.1", "0.2"]),
        (["--preset", "bigram"], ["was begun with", "unchanged"]),  # all flags anew, then
    ):
        refused(*go_on, *flags, names=names)
        assert listing(run) == before
    line = refused(*go_on, "--corpus", "fables", names=[run, "fables"])
    assert "corpus" in line  # not the number of tokens, which is a consequence
    assert listing(run) == before


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


def test_an_exploding_training_is_told_in_one_line(home, text):
    flags = ["--lr", "1e30", "--optimizer", "sgd", "--clip", "0", "--warmup", "0"]
    refused(
        "train", "--corpus", text, *SHORT, *flags, "--out", "out", "--json",
        names=["step 1", "gradient", "--lr", "--clip", "out"], remarks=True,
    )  # fmt: skip
    for name in ("model", "train_state"):
        for tensor, array in safetensors.numpy.load_file(f"out/{name}.safetensors").items():
            assert np.isfinite(array).all(), (name, tensor)


# --- a real terminal -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments, names",
    [
        (["train", "--heads", "3"], ["heads=3", "choose heads from"]),
        (["train", "--nrom", "none"], ["--nrom"]),
        (["train", "--steps", "many"], ["--steps", "many"]),
        (["sample"], ["MODEL"]),
    ],
)
def test_a_terminal_gets_the_same_plain_line(home, arguments, names):
    """There the parser draws boxes with colours; none of it may be left over."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "minitx", *arguments], stdin=slave, stdout=slave, stderr=slave,
        cwd=home, env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    assert process.wait() == 2
    lines = shown.decode().splitlines()
    plain(shown.decode())
    assert len(lines) == 1 and lines[0].startswith(PREFIX)
    for name in names:
        assert name in lines[0]
    piped = minitx_main(*arguments)
    assert piped.err.splitlines() == lines


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_any_locale_gets_the_same_plain_line(home, locale):
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-m", "minitx", "train", "--heads", "3"],
        capture_output=True, text=True, cwd=home,
        env=os.environ | {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0"},
    )  # fmt: skip
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    plain(done.stderr)


def test_output_that_nobody_can_take(home):
    """A closed pipe is no fault; a full disk is one, and is said in one line."""
    command = f"{sys.executable} -m minitx"
    done = subprocess.run(
        f"{command} data show fables | head -c 1; {command} --help | head -c 1",
        shell=True, capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    assert done.stdout == "Tu"
    assert "Error" not in done.stderr
    if not os.path.exists("/dev/full"):
        return
    done = subprocess.run(
        f"{command} data list > /dev/full", shell=True, capture_output=True, text=True, cwd=home
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(PREFIX)


def test_without_any_standard_output(home):
    done = subprocess.run(
        f"{sys.executable} -m minitx data list >&-",
        shell=True, capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


def test_folders_that_may_not_be_read_or_written(home, text):
    """Without root's privilege to ignore permissions."""
    drop = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    if drop and subprocess.run([*drop, "true"], capture_output=True).returncode:
        pytest.skip("cannot drop root's privileges")
    (home / "locked").mkdir(mode=0)
    (home / "fixed").mkdir(mode=0o555)
    script = """
        import sys
        from minitx.cli.main import main
        statuses = []
        for words in sys.argv[1:]:
            sys.argv = ["minitx", *words.split()]
            statuses.append(main())
        print(statuses)
    """
    train = f"train --corpus {text} {' '.join(SHORT)} --out "
    done = subprocess.run(
        [*drop, sys.executable, "-c", textwrap.dedent(script), train + "locked",
         train + "locked/run", train + "fixed", train + "fixed/run", "sample locked",
         "inspect locked", "train --resume --out locked"],
        capture_output=True, text=True, cwd=home,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    (home / "locked").chmod(0o755)
    assert done.stdout == "[2, 2, 2, 2, 2, 2, 2]\n", done.stderr
    assert len(lines) == 7 and all(line.startswith(PREFIX) for line in lines)
    assert all(("locked" if i not in (2, 3) else "fixed") in line for i, line in enumerate(lines))
    assert listing(home) == {}


def test_a_device_that_is_not_there(home):
    for platform in ("nonsense", "cuda"):
        done = subprocess.run(
            [sys.executable, "-m", "minitx", "doctor"], capture_output=True, text=True, cwd=home,
            env=os.environ | {"JAX_PLATFORMS": platform},
        )  # fmt: skip
        if done.returncode == 0 and platform == "cuda":
            continue  # it is there
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith(PREFIX) and platform in done.stderr


# --- train ---------------------------------------------------------------------------------------

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


def test_train_says_what_is_next(home, text):
    result = works("train", "--corpus", text, *SHORT, "--preset", "bigram", "--depth", "0")
    assert result.out == ""
    assert "minitx sample runs/text-bigram" in result.err
    assert (home / "runs/text-bigram/model.safetensors").exists()


# --- sample --------------------------------------------------------------------------------------


def test_sample_goes_on_from_a_prompt(run):
    result = works("sample", run, "--prompt", "the ", "--tokens", 5)
    assert result.out.startswith("the ") and result.out.endswith("\n")
    assert len(result.out) == len("the ") + 5 + 1
    assert result.err == ""


def test_sample_is_the_same_for_the_same_seed(run):
    flags = ["sample", run, "--prompt", "the ", "--tokens", 40]
    first = works(*flags)
    assert first == works(*flags) == works(*flags, "--seed", 0)
    assert first.out != works(*flags, "--seed", 1).out
    greedy = works(*flags, "--temperature", 0)
    assert greedy == works(*flags, "--temperature", 0, "--seed", 1)
    assert greedy == works(*flags, "--top-k", 1)


def test_several_samples(run):
    flags = ["sample", run, "--prompt", "the ", "--tokens", 40]
    one, three = works(*flags).out, works(*flags, "--samples", 3).out
    assert re.findall(r"^--- (\d) ---$", three, re.MULTILINE) == ["1", "2", "3"]
    assert one.rstrip("\n") in three
    found = json.loads(works(*flags, "--samples", 3, "--json").out)
    assert list(found) == ["prompt", "seed", "samples"]
    assert found["prompt"] == "the " and found["seed"] == 0
    assert len(set(found["samples"])) == 3 and found["samples"][0] + "\n" == one
    assert all(s in three and len(s) == 44 for s in found["samples"])


def test_sample_json_is_one_object(run):
    result = works("sample", run, "--tokens", 3, "--json")
    assert result.out.count("\n") == 1 and result.err == ""
    assert len(json.loads(result.out)["samples"]) == 1


def test_a_long_prompt_is_read_from_its_end(run):
    long = "sat on the mats the cat"
    result = works("sample", run, "--prompt", long, "--tokens", 5, "--temperature", 0)
    end = works("sample", run, "--prompt", long[-8:], "--tokens", 5, "--temperature", 0)
    assert result.out.startswith(long)
    assert result.out[len(long) :] == end.out[8:]
    assert len(result.err.splitlines()) == 1
    assert "23 tokens" in result.err and "8" in result.err and end.err == ""


def test_best_weights(run):
    shutil.copy(run / "model.safetensors", run / "spare")
    (run / "model.safetensors").unlink()
    refused("sample", run, "--tokens", 3, names=[run])
    works("sample", run, "--tokens", 3, "--best")
    (run / "spare").rename(run / "model.safetensors")
    (run / "best.safetensors").unlink()
    works("sample", run, "--tokens", 3)
    refused("sample", run, "--tokens", 3, "--best", names=[run])


def test_streaming_shows_whole_characters_only(capsys):
    words = "naïve café, 猫 and 🐈!"
    bpe = tokenizer.train("bpe", "plain words only", 256)
    ids = bpe.encode(words)
    for cut in range(1, len(ids)):
        stream = terminal.Stream(bpe, ids[:cut])
        for id in ids[cut:]:
            stream.add([id])
            assert "\ufffd" not in (shown := capsys.readouterr().out) or not shown
        stream = terminal.Stream(bpe, ids[:cut])
        stream.add(ids[cut:])
        assert capsys.readouterr().out == words
    stream = terminal.Stream(bpe, ids[:1])
    for id in ids[1:]:
        stream.add([id])
    assert capsys.readouterr().out == words
    listed = tokenizer.Vocabulary.of(["king", "queen"])
    stream = terminal.Stream(listed, [0])
    stream.add([1])
    stream.add([0, 0])
    assert capsys.readouterr().out == "king queen king king"


# --- inspect -------------------------------------------------------------------------------------

LAYERS = {
    "norm_median", "norm_p10", "norm_p90", "norm_first_position", "cos_embedding", "growth",
    "cos_prev", "cos_prev_p10", "cos_prev_p90", "null_cos", "cos_prev_centred",
    "cos_random_pairs", "update_norm", "lens_entropy", "lens_kl", "lens_top1",
}  # fmt: skip
SCALE = {"c"} | {
    f"{quantity}_{place}_norm{bound}"
    for place in ("after", "before")
    for quantity, bound in (("entropy", ""), ("entropy", "_p10"), ("entropy", "_p90"), ("top", ""))
}


@pytest.fixture(scope="module")
def inspected(world):
    folder, _ = world
    with pytest.MonkeyPatch.context() as patch:
        settle(patch, folder)
        shutil.copytree(folder / "run", folder / "inspected")
        return folder / "inspected", works("inspect", folder / "inspected", "--json")


def test_inspect_json(inspected):
    _, said = inspected
    assert said.out.count("\n") == 1
    found = json.loads(said.out)
    assert {"tokens", "sequences", "layers", "untrained", "scale", "findings"} <= found.keys()
    assert found["layers"].keys() == found["untrained"].keys()
    assert found["layers"].keys() >= LAYERS and found["scale"].keys() >= SCALE
    for columns, length in ((found["layers"], 2), (found["untrained"], 2), (found["scale"], 13)):
        assert {len(values) for values in columns.values()} == {length}
    assert found["layers"]["growth"][0] is None
    assert found["tokens"] == 8 * found["sequences"]
    for finding in found["findings"]:
        assert {"claim", "verdict", "numbers", "why"} <= finding.keys()
        assert finding["verdict"] in ("supported", "qualified", "refuted", "untested")
    assert len(found["findings"]) == 3
    assert found["layers"] != found["untrained"]


def chunks(png: bytes):
    """The parts of a PNG file, each checked by its sum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.pack(">I", zlib.crc32(kind + body)) == png[at + 8 + length : at + 12 + length]
        yield kind, body
        at += 12 + length


def test_inspect_writes_a_real_picture(inspected):
    folder, said = inspected
    path = folder / "figures" / "dashboard.png"
    assert str(path) in said.err
    parts = list(chunks(path.read_bytes()))
    assert parts[0][0] == b"IHDR" and parts[-1][0] == b"IEND"
    width, height, depth, colour = struct.unpack(">IIBB", parts[0][1][:10])
    pixels = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    assert (depth, colour) == (8, 6) and len(pixels) == height * (1 + 4 * width)
    assert width >= 1000 and height >= 600
    assert len(set(pixels[:: 4 * 97])) > 10  # it shows something


def test_inspect_writes_the_same_numbers_as_tables(inspected):
    folder, said = inspected
    found = json.loads(said.out)
    for name in ("layers", "untrained", "scale"):
        with open(folder / "figures" / f"dashboard-{name}.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {
            key: [None if row[key] == "" else float(row[key]) for row in rows] for key in rows[0]
        }
        assert columns == found[name]
    assert json.loads((folder / "findings.json").read_text()) == found["findings"]
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "tokenizer.json", "metrics.jsonl", "model.safetensors", "best.safetensors",
        "train_state.safetensors", "findings.json", "figures",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {
        "dashboard.png", "dashboard-layers.csv", "dashboard-untrained.csv", "dashboard-scale.csv",
    }  # fmt: skip


def test_inspect_twice_makes_the_same_bytes(inspected):
    folder, said = inspected
    before = listing(folder)
    assert works("inspect", folder, "--json").out == said.out
    assert listing(folder) == before


def test_inspect_prints_tables_and_words(inspected):
    folder, said = inspected
    found, shown = json.loads(said.out), works("inspect", folder).out
    for finding in found["findings"]:
        assert finding["claim"] in shown and finding["verdict"].upper() in shown
        assert finding["why"] in shown
    assert "embed" in shown and f"{found['layers']['norm_median'][1]:.2f}" in shown
    assert "nan" not in shown.lower().split()


def test_inspect_elsewhere_writes_nothing_elsewhere(run, home):
    """--figures names the place of the figure; a stranger's findings.json beside it stays."""
    (home / "findings.json").write_text("mine")
    works("inspect", run, "--prompt", "the cat", "--figures", "drawn")
    assert (home / "drawn" / "dashboard.png").exists()
    assert (home / "findings.json").read_text() == "mine"


def test_inspect_of_another_text(run, home):
    write_text(home / "other.txt", words=30, seed=2)
    found = json.loads(works("inspect", run, "--corpus", "other.txt", "--json").out)
    length = len((home / "other.txt").read_text())
    assert found["tokens"] == length // 8 * 8
    found = json.loads(works("inspect", run, "--prompt", "the cat", "--json").out)
    assert found["tokens"] == 7 and found["sequences"] == 1


# --- data, doctor --------------------------------------------------------------------------------


def test_data_lists_and_shows(home):
    listed = works("data").out
    assert works("data", "list").out == listed
    for name in ("fables", "tinyshakespeare", "kingdom", "errands", "zipf", "chain"):
        assert re.search(rf"^{name}\b", listed, re.MULTILINE)
    shown = works("data", "show", "fables")
    assert len(shown.out) == 1001 and "sha256" in shown.err
    assert "entropy" in works("data", "show", "kingdom").err
    assert listing(home) == {}


def test_doctor_json(home):
    result = works("doctor", "--json")
    assert result.out.count("\n") == 1
    found = json.loads(result.out)
    assert found.keys() >= {
        "python", "minitx", "jax", "numpy", "system", "cores", "backend", "devices", "cache",
        "golden_error", "golden_limit",
    }  # fmt: skip
    assert 0 <= found["golden_error"] <= found["golden_limit"] < 0.01
    assert found["minitx"] == importlib.metadata.version("minitx")
    words = works("doctor").out
    assert found["jax"] in words and "golden_error" in words


def test_doctor_refuses_a_device_that_computes_wrongly(home, monkeypatch):
    from minitx.cli import doctor

    for error in (1.0, float("nan"), float("inf")):
        monkeypatch.setattr(doctor, "golden_error", lambda error=error: error)
        result = minitx_main("doctor")
        assert result.status == 2 and result.err.startswith(PREFIX)
        with pytest.raises(InputError):
            doctor.judge(doctor.examine())


def test_the_golden_pass_sees_small_errors(home):
    from minitx.cli import doctor

    clean = doctor.golden_error()
    weights = doctor.golden_params()
    weights["blocks"][1]["mlp"]["up"]["weight"] *= 1.05
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "golden_params", lambda: weights)
        assert doctor.golden_error() > doctor.TOLERANCE > clean


# --- what is imported, and when ------------------------------------------------------------------


def python(script: str, cwd) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, cwd=cwd
    )
    assert done.returncode == 0, done.stderr


def test_help_and_the_light_modules_load_no_jax(home):
    python(
        """
        import sys
        import minitx, minitx.errors, minitx.config, minitx.text.tokenizer, minitx.text.corpus
        import minitx.text.kingdom, minitx.text.sources
        heavy = {"jax", "flax", "optax", "matplotlib", "safetensors", "tokenizers"}
        assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
        assert not {"tyro", "tqdm", "pooch"} & sys.modules.keys()
        minitx.text.tokenizer.train("char", "text")
        minitx.text.corpus.read_text("fables")
        from minitx.cli.main import main
        for words in (["--help"], ["train", "--help"], ["data", "list"], ["train", "--heads", "3"]):
            sys.argv = ["minitx", *words]
            try:
                main()
            except SystemExit as stop:
                assert not stop.code
        assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
        """,
        home,
    )


def test_commands_that_list_or_fetch_load_no_jax(home):
    python(
        """
        import sys
        from minitx.cli.main import main
        for words, status in ((["lesson"], 0), (["ledger"], 0), (["pull", "nope"], 2)):
            sys.argv = ["minitx", *words]
            assert main() == status
            assert not {"jax", "flax", "optax"} & sys.modules.keys(), words
        """,
        home,
    )


def test_the_library_needs_no_command_line_packages(home):
    python(
        """
        import sys
        for name in ("tyro", "tqdm", "pooch"):
            sys.modules[name] = None
        import importlib, pathlib, minitx
        package = pathlib.Path(minitx.__file__).parent
        for path in sorted(package.rglob("*.py")):
            room = ".".join(path.relative_to(package).with_suffix("").parts)
            if not room.startswith(("cli", "commands", "__")):
                importlib.import_module("minitx." + room)
        for name in minitx.__all__:
            assert getattr(minitx, name) is not None
        data = minitx.prepare("fables")
        assert len(data.val_tokens) > 1000
        """,
        home,
    )


def test_public_names(home):
    assert set(minitx.__all__) <= set(dir(minitx))
    for name in minitx.__all__:
        assert callable(getattr(minitx, name)) or name == "PRESETS"
    with pytest.raises(AttributeError, match="nothing"):
        _ = minitx.nothing


def test_the_same_command_makes_the_same_bytes(home, text, world):
    works("train", "--corpus", text, "--out", "again", *SHORT)
    ours, theirs = listing(home / "again"), listing(world[0] / "run")
    for name in ours.keys() - {"metrics.jsonl"}:
        assert ours[name] == theirs[name], name
    assert np.all([k in theirs for k in ours])
