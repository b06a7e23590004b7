"""The house: which room may use which, and that what is said about it in words is so."""

import ast
import functools
import hashlib
import re
import subprocess
from pathlib import Path

import pytest

import minitx
from minitx.text import corpus

PACKAGE = Path(minitx.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LINES = 300  # a longer module has two subjects


def room_of(path: Path) -> str:
    """The dotted name of a module below minitx; a package is called by its own."""
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


@functools.cache
def imported(path: Path) -> list[str]:
    """The dotted names of all imports of a module, also those inside functions."""
    names = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports hide where a name comes from"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


@pytest.mark.parametrize(
    "package, rooms",
    [
        (
            "matplotlib",
            {
                "ablation.layer_panels",
                "ablation.number_panels",
                "ablation.panels",
                "ablation.verdict_panels",
                "bench.growth_figure",
                "book.pictures",
                "classroom.diagrams",
                "classroom.figures",
                "plots",
            },
        ),
        (
            "tyro",
            {
                "cli.arguments",
                "cli.commands.bench",
                "cli.commands.book",
                "cli.commands.claim",
                "cli.commands.data",
                "cli.commands.experiments",
                "cli.commands.inspect",
                "cli.commands.judge",
                "cli.commands.ledger",
                "cli.commands.lessons",
                "cli.commands.page",
                "cli.commands.pull",
                "cli.commands.sample",
                "cli.commands.train",
            },
        ),
        (
            "tqdm",
            {"cli.commands.experiments", "text.corpus", "cli.terminal", "runs.zoo_training"},
        ),
        ("rich", {"classroom.walk"}),
        ("markdown_it", {"book.prose"}),
        ("pygments", {"book.prose"}),
        ("jupytext", {"classroom.notebook"}),
        ("IPython", {"classroom.figures", "classroom.panels"}),
        ("scipy", {"ablation.effects", "evidence.token_sizes", "measure"}),
        ("pooch", {"text.corpus"}),
        ("safetensors", {"runs.checkpoint", "pretrained.folder"}),
        ("requests", {"text.corpus"}),
        ("platformdirs", {"text.corpus"}),
        ("tokenizers", {"pretrained.tokenizer_files", "text.bpe"}),
        ("gguf", {"pretrained.gguf_file"}),
        ("huggingface_hub", {"pretrained.hub"}),
        ("playwright", {"page.browser"}),
        ("torch", {"bench.real_model"}),
        ("optax", {"evidence.gradients", "explain", "objective", "optimizer", "step"}),
        ("flax", {"compiled", "layers", "model", "optimizer"}),
    ],
)
def test_a_package_is_used_in_one_place(package, rooms):
    users = {
        room_of(path)
        for path in MODULES
        if package in {name.split(".")[0] for name in imported(path)}
    }
    assert users and users <= rooms


@pytest.mark.parametrize("path", MODULES, ids=room_of)
def test_a_room_is_described_and_small(path):
    text = path.read_text("utf-8")
    assert (ast.get_docstring(parse(path)) or "").strip(), "it has no docstring"
    lines = text.count("\n")
    assert lines <= LINES, f"{lines} lines: it has two subjects"
    assert text.endswith("\n") and "\t" not in text and "\r" not in text


def test_imports_run_downwards():
    """The layers that pyproject.toml lists; every new module has to find its place among them."""
    from importlinter.cli import lint_imports

    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_rooms_have_telling_names():
    names = {room_of(path) for path in MODULES}
    assert not names & {"utils", "util", "common", "helpers", "misc", "base", "core"}


# --- what is said in words -----------------------------------------------------------------------


def tree_of_readme() -> dict[str, str]:
    """Path -> description, from the README's map; several paths may share a line."""
    section = (ROOT / "README.md").read_text("utf-8").split("## Where things are")[1]
    found, folder = {}, ""
    for line in section.split("```")[1].strip("\n").splitlines():
        match = re.fullmatch(r"( *)(\S+(?:, \S+)*)(?:  +(\S.*))?", line)
        assert match, f"cannot read {line!r}"
        indent, names, words = match.groups()
        for name in names.split(", "):
            path = folder + name if indent else name
            assert path not in found, f"{path} is named twice"
            found[path] = words or ""
        if not indent:
            folder = names
    return found


def test_the_readme_names_every_file_of_the_book_and_every_room():
    tree = tree_of_readme()
    book = {f"minitx/{path.name}" for path in PACKAGE.glob("*.py")}
    rooms = {f"minitx/{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    named = {path for path in tree if path.startswith("minitx/") and path != "minitx/"}
    assert named == book | rooms
    for path, words in tree.items():
        assert (ROOT / path).exists(), path
        assert words or path == "minitx/", f"{path} is not described"


def test_the_reading_order_names_the_book():
    """`minitx/__init__.py` gives the order in which to read; README has the same."""
    order = re.findall(r"`(\w+\.py)`", minitx.__doc__)
    tree = [path.removeprefix("minitx/") for path in tree_of_readme() if path.endswith(".py")]
    assert [name for name in tree if name in order] == order
    assert len(order) > 10


def test_links_and_code_names_of_the_readme_exist():
    text = (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert re.match(r"https?://", target) or (ROOT / target).exists(), target
    for name in re.findall(r"`(\w+/[\w/]+\.\w+)`", text):
        assert (ROOT / name).exists(), name


def tracked() -> list[Path]:
    """All files that belong to the repository, also those not yet added."""
    run = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode or not run.stdout:
        pytest.skip("not in a git checkout")
    return [ROOT / name for name in run.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data:
            found.append((path, data.decode("utf-8")))
    assert len(found) > 20
    return found


@pytest.mark.parametrize(
    "what, pattern",
    [
        ("unfinished work", r"\b(?:TO[D]O|FIX[M]E|X[X]X|HA[C]K)\b"),
        ("a path of one machine", r"(?<![\w.<])/(?:ro[o]t|wo[r]k|ho[m]e|Us[e]rs|m[n]t|t[m]p)/\w"),
        ("a path of one machine", r"\b[A-Z]:[\\][U]sers"),
        ("a package registry", r"pypi[.](?:org|python)|pythonhosted[.]|(?:extra-)?index[-]url"),
        ("a package registry", r"(?:artifactory|nexus|devpi|npmjs|conda[.]anaconda)[./]"),
        ("a conflict marker", r"(?m)^(?:<{7}|>{7}|={7})(?: |$)"),
    ],
)
def test_files_hold_nothing_that_belongs_elsewhere(what, pattern):
    for path, text in texts():
        match = re.search(pattern, text)
        line = match and text[: match.start()].count("\n") + 1
        assert not match, f"{path.relative_to(ROOT)}:{line}: {what}: {match[0]!r}"


def test_nothing_that_was_made_is_tracked():
    for path in tracked():
        name = str(path.relative_to(ROOT))
        made = r"\.(pyc|safetensors|gguf|jsonl|egg-info|whl|tmp)$|__pycache__"
        if name.startswith(
            "tests/pretrained/fixtures/"
        ):  # small models, and the script that makes them
            assert path.stat().st_size < 200_000, f"{name} is large"
            made = made.replace("safetensors|", "")
        assert not re.search(made, name), name
        assert path.stat().st_size < 1_000_000, f"{name} is large"


def rows(heading: str) -> list[dict[str, str]]:
    """The rows of each table of data/SOURCES.md whose first column has that heading."""
    found, columns = [], None
    for line in (ROOT / "data" / "SOURCES.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            columns = None
        elif columns is None:
            columns = cells
        elif not set(line) <= set("|-: ") and columns[0] == heading:
            found.append(dict(zip(columns, cells, strict=True)))
    return found


def test_sources_tell_the_truth_about_the_shipped_texts():
    table = rows("file")
    assert {row["file"] for row in table} == {
        path.name for path in (ROOT / "data").iterdir() if path.name != "SOURCES.md"
    }
    assert {row["file"] for row in table} == set(corpus.SHIPPED.values())
    for row in table:
        data = (ROOT / "data" / row["file"]).read_bytes()
        assert int(row["bytes"].replace(",", "")) == len(data)
        assert row["sha256"].strip("`") == hashlib.sha256(data).hexdigest()
        assert row["licence"] and row["what it is"]


def test_sources_tell_the_truth_about_the_downloads():
    table = {row["name"]: row for row in rows("name")}
    assert table.keys() == corpus.DOWNLOADS.keys()
    for name, download in corpus.DOWNLOADS.items():
        assert table[name]["sha256"].strip("`") == download.sha256
        assert re.fullmatch(r"[0-9a-f]{64}", download.sha256)


def test_a_wheel_puts_nothing_but_minitx_into_an_environment():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["minitx"]
    assert wheel["force-include"] == {"data": "minitx/data", "lessons": "minitx/lessons"}


def test_the_version_is_told_once():
    import importlib.metadata
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert importlib.metadata.version("minitx") == project["version"]


def test_every_package_that_is_imported_is_declared():
    import sys
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *extras["pretrained"],
        *extras["notebook"],
        *extras["browser"],
    ]
    declared = {re.match(r"[\w-]+", line)[0].lower() for line in lines}
    declared.add("markdown_it")  # the package is called markdown-it-py
    declared.add("IPython")  # imported in a notebook only, which runs in it
    declared |= {"accelerate", "torch", "transformers"}  # of the comparison, which says so itself
    for path in MODULES:
        for name in {n.split(".")[0] for n in imported(path)}:
            if name not in sys.stdlib_module_names and name != "minitx":
                assert name in declared, f"{path.name} imports {name}"
