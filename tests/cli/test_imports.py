"""What is imported, and when: help and lists answer without JAX."""

import subprocess
import sys
import textwrap

import pytest

import minitx


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
        for words in (["--help"], ["train", "--help"], ["data", "list"], ["train", "--heads", "5"]):
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
        fine = [(["lesson"], 0), (["ledger"], 0), (["claim"], 0)]
        for words, status in [*fine, (["pull", "nope"], 2)]:
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
