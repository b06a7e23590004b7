"""A hub's repositories of models: fetched through its own client, and found in the cache again."""

import hashlib
import os
import sys
from pathlib import Path

from minitx.errors import InputError, reason
from minitx.files import write
from minitx.text.corpus import cache_folder

# The files of a hub's repository that minitx reads: no pickles, and the weights only once.
WANTED = (
    "config.json", "model*.safetensors", "model.safetensors.index.json", "tokenizer.json",
    "tokenizer_config.json", "vocab.json", "merges.txt",
)  # fmt: skip

# The hub's own program that converts pickles. Its pull requests are used for a repository whose
# main branch has only pickles, such as OPT's.
CONVERTER = "SFconvertbot"


def hub_folder(repository: str) -> Path:
    """Return where the hub's client keeps a repository; its files are in snapshots/COMMIT."""
    return cache_folder() / "hub" / f"models--{repository.replace('/', '--')}"


def mark_of(folder: Path, revision: str | None) -> Path:
    """Return the file that names a revision's commit, written when all its files have arrived.

    The client's own refs cannot be used: it writes them before the files.
    """
    return folder / "pulled" / (revision or "main").replace("/", "--")


def has_weights(snapshot: Path) -> bool:
    """Return whether a downloaded repository has weights as safetensors."""
    return any(snapshot.glob("model*.safetensors"))


def check_hashes(snapshot: Path) -> None:
    """Raise InputError for a file whose hash differs from the hub's, and delete that file.

    Each file is a link to its content, whose name is its hash: SHA-256 for large files, git's SHA-1
    for the others. The client only compares sizes.
    """
    for path in sorted(snapshot.rglob("*")):
        content = path.resolve()
        expected = content.name
        if not path.is_file() or len(expected) not in (40, 64):
            continue
        if len(expected) == 64:
            digest = sha256(content)
        else:
            data = content.read_bytes()
            digest = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        if digest != expected:
            path.unlink()
            content.unlink()
            raise InputError(f"{path.name} arrived damaged (wrong hash): pull it again")


def find(repository: str, revision: str | None) -> Path | None:
    """Return the snapshot of a revision that was fetched whole, or None."""
    folder = hub_folder(repository)
    mark = mark_of(folder, revision)
    if not mark.is_file():
        return None
    snapshot = folder / "snapshots" / mark.read_text("utf-8").strip()
    return snapshot if snapshot.is_dir() else None


def pull_from_hub(repository: str, revision: str | None) -> Path:
    """Fetch a repository's config, weights and tokenizer through the hub's client, which resumes.

    If the main branch has its weights only as pickles, the hub's conversion of them is fetched.
    Raises InputError without the client, and for a download that fails or has no safetensors.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub  # noqa: F401 (an optional package)
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise InputError(
            "pulling from a hub needs huggingface_hub: pip install 'minitx[pretrained]'"
        ) from None
    make_cache(cache_folder() / "hub")
    try:
        snapshot = download(repository, revision)
        if revision is None and not has_weights(snapshot):
            snapshot = download_conversion(repository) or snapshot
    except HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "?")
        raise InputError(
            f"{repository}: the hub answered with status {status}: check the name and --revision"
        ) from None
    except Exception as error:  # no network, a full disk: the client has many names for them
        why = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        raise InputError(
            f"{repository} could not be fetched ({why}): check the network, or give the path of a "
            "folder that was fetched elsewhere"
        ) from None
    if not has_weights(snapshot):
        at = f" at {revision}" if revision else ""
        raise InputError(
            f"{repository} has no weights as safetensors{at}, and other files may hold code that "
            "runs when it is read: give a --revision that has them, or another model"
        )
    check_hashes(snapshot)
    for name in {revision, snapshot.name}:  # a commit's name is a revision too
        mark = mark_of(hub_folder(repository), name)
        mark.parent.mkdir(exist_ok=True)
        write(mark, snapshot.name)
    return snapshot


def download(repository: str, revision: str | None) -> Path:
    """Fetch the wanted files of a repository; return the folder with a snapshot of them."""
    import huggingface_hub

    snapshot = huggingface_hub.snapshot_download(
        repository,
        revision=revision,
        cache_dir=cache_folder() / "hub",
        allow_patterns=list(WANTED),
    )
    return Path(snapshot)


def download_conversion(repository: str) -> Path | None:
    """Fetch the first pull request of the hub's converter that has weights as safetensors."""
    import huggingface_hub

    requests = huggingface_hub.HfApi().get_repo_discussions(
        repository, author=CONVERTER, discussion_type="pull_request"
    )
    for request in requests:
        if request.author != CONVERTER or request.status not in ("open", "merged"):
            continue
        print(
            f"{repository} has its weights only as pickles: fetching the hub's own conversion of "
            f"them, {request.git_reference}",
            file=sys.stderr,
        )
        snapshot = download(repository, request.git_reference)
        if has_weights(snapshot):
            return snapshot
    return None


def make_cache(folder: Path) -> None:
    """Make the folder for all repositories. Raises InputError if it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise unwritable(folder, error) from None


def unwritable(folder: Path, error: OSError) -> InputError:
    """Return the error for a cache folder in which no file can be written."""
    return InputError(
        f"cannot write to the cache folder {str(folder)!r} ({reason(error)}): set MINITX_CACHE to "
        "a folder that you may write to"
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
