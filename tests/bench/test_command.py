"""`minitx bench`: wrong arguments are refused before anything is measured."""

import sys

import pytest

from minitx.cli.main import main


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--rounds", "0"], "rounds=0"),
        (["sprnt"], "no preset"),
        (["--against", "nowhere"], "lacks train.py"),
        (["--corpus", "none.txt"], "none.txt"),
        (["--growth", "--out", "/dev/null/figures"], "/dev/null/figures"),
    ],
)
def test_the_command_measures_what_is_asked_for(tmp_path, monkeypatch, capsys, flags, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "compiled"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
    monkeypatch.setattr(sys, "argv", ["minitx", "bench", *flags])
    assert main() == 2
    out, err = capsys.readouterr()
    assert words in err and err.startswith("minitx: error: ") and err.count("\n") == 1
    assert out == ""
