"""The hash of the code that trains."""

import ast
from pathlib import Path

import minitx
from minitx.runs import fingerprint

PACKAGE = Path(minitx.__file__).parent


def path_of(module: str) -> Path:
    return PACKAGE.joinpath(*module.split(".")).with_suffix(".py")


def imported_by(module: str) -> set[str]:
    """The modules of ours that a module imports, as dotted names below `minitx`."""
    found = set()
    for node in ast.walk(ast.parse(path_of(module).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("minitx"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            below = (name.removeprefix("minitx").removeprefix(".") for name in names)
            found |= {name for name in below if name and path_of(name).is_file()}
    return found


def test_all_code_that_trains_is_hashed():
    """Whatever `minitx.train` imports, directly or not, and nothing else."""
    reached, ahead = set(), {"train"}
    while ahead:
        module = ahead.pop()
        reached.add(module)
        ahead |= imported_by(module) - reached
    assert set(fingerprint.MODULES) == reached
    assert {"config", "devices.mesh", "step"} <= reached


def test_the_hash_follows_code_and_libraries_but_not_comments(tmp_path, monkeypatch):
    for module in fingerprint.MODULES:
        copy = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path_of(module).read_bytes())
    monkeypatch.setattr(fingerprint, "PACKAGE", tmp_path)
    before = fingerprint.training_code.__wrapped__()
    assert before == fingerprint.training_code()
    config = tmp_path / "config.py"
    text = config.read_text()
    config.write_text(text + "# a comment\n")
    assert fingerprint.training_code.__wrapped__() == before
    config.write_text(text.replace("4 * self.width", "3 * self.width"))
    assert fingerprint.training_code.__wrapped__() != before
    config.write_text(text)
    monkeypatch.setattr(fingerprint.importlib.metadata, "version", lambda name: "0")
    assert fingerprint.training_code.__wrapped__() != before
