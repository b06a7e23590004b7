"""Every corpus by name: the shipped text, texts to download, any UTF-8 file, and the generators.

`read_text` reads a text. `generate` makes a generator, whose true next-token distribution is known
(see sources.py, kingdom.py and errands.py). `NAMES` lists every name that the command line takes.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from minitx.errors import InputError, reason, suggest
from minitx.text.errands import errands
from minitx.text.kingdom import kingdom
from minitx.text.sources import Source, chain, zipf

PACKAGE = Path(__file__).parent.parent
# A wheel carries the data inside the package; a checkout has it beside the package.
FOLDERS = (PACKAGE / "data", PACKAGE.parent / "data")
DATA = next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])

SHIPPED = {"fables": "fables.txt"}


class Download(NamedTuple):
    """Where a text comes from, the hash of its bytes, and whose it is."""

    url: str
    sha256: str
    licence: str


DOWNLOADS = {
    "tinyshakespeare": Download(
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        "passages from Shakespeare's plays (public domain), collected by Andrej Karpathy",
    )
}

GENERATORS: dict[str, Callable[[], Source]] = {
    "chain": chain,
    "chain-cyclic": partial(chain, "cyclic"),
    "chain-reversible": partial(chain, "reversible"),
    "kingdom": kingdom,
    "errands": errands,
    "zipf": zipf,
}

TEXTS = (*SHIPPED, *DOWNLOADS)
NAMES = (*TEXTS, *GENERATORS)

ABOUT = {
    "fables": "short fables in plain English, shipped",
    "chain": "a random Markov chain",
    "chain-cyclic": "a Markov chain that goes round and round",
    "chain-reversible": "a Markov chain that looks the same backwards",
    "kingdom": "sentences about people of every rank, gender and age",
    "errands": "who gave what to whom while others pass by: the last name follows",
    "zipf": "a Markov chain whose tokens follow Zipf's law, and tokens that never occur",
}


@dataclass(frozen=True)
class Text:
    """A text and where it came from."""

    name: str
    """Its known name, or the name of its file."""
    text: str = field(repr=False)
    sha256: str
    """Of the bytes of the file, as `sha256sum` gives it."""
    origin: str
    """Its known name, or the absolute path of its file: `read_text(origin)` reads it again."""


def read_text(name_or_path: str | Path) -> Text:
    """Return the text of that name (see `TEXTS`), or of a UTF-8 file.

    A known name wins over a file of the same name; "./fables" or a `Path` means the file. Line ends
    are kept as they are. A byte order mark at the start is dropped: it says how the file is encoded
    and does not belong to the text. Raises InputError for a name that is unknown or not downloaded
    yet, and for a file that is missing, a folder, unreadable, binary, not UTF-8, or shorter than
    two characters.
    """
    name = str(name_or_path)
    if isinstance(name_or_path, Path) or name not in NAMES:
        path = Path(name_or_path)
        data = _read_bytes(path, name)
        name = path.name
        origin = str(path.absolute())
    elif name in GENERATORS:
        raise InputError(f"{name!r} is a generator, not a text: make it with generate({name!r})")
    else:
        path = _path_of_text(name)
        origin = name
        data = _read_bytes(path, name)
    sha256 = hashlib.sha256(data).hexdigest()
    if origin in DOWNLOADS and sha256 != DOWNLOADS[origin].sha256:
        raise InputError(f"{path} is damaged (wrong sha256); run: minitx data get {origin}")
    return Text(name, _decode(data, repr(str(path))), sha256, origin)


def generate(name: str) -> Source:
    """Return the generator of that name with its defaults; InputError for an unknown name."""
    if name not in GENERATORS:
        raise InputError(f"no generator is called {name!r}{suggest(name, GENERATORS)}")
    return GENERATORS[name]()


def catalogue() -> list[tuple[str, str]]:
    """Return every name of `NAMES` with a line about it."""
    about = dict(ABOUT)
    for name, text in DOWNLOADS.items():
        about[name] = f"{text.licence}; to be downloaded"
    return [(name, about[name]) for name in NAMES]


def cache_folder() -> Path:
    """Return the folder for downloads: $MINITX_CACHE, or else where pooch would put them."""
    if chosen := os.environ.get("MINITX_CACHE"):
        return Path(chosen).expanduser()
    from platformdirs import user_cache_dir  # `pooch.os_cache` does the same, but loads slowly

    return Path(user_cache_dir("minitx"))


def cached(name: str) -> Path | None:
    """Return the downloaded file of that name, or None if it is not in the cache."""
    path = cache_folder() / f"{name}.txt"
    return path if path.is_file() else None


def download(name: str, url: str | None = None, progress: bool = True) -> Path:
    """Fetch a text of `DOWNLOADS` into the cache, unless it is there already; return its path.

    The file appears complete and with the right sha256, or not at all. `url` overrides where it
    comes from, not what it must be. `progress` draws a bar on standard error. Raises InputError
    for an unknown name, a failed transfer, unexpected bytes, or an unwritable cache.
    """
    if name not in DOWNLOADS:
        raise InputError(f"there is no download {name!r}{suggest(name, DOWNLOADS)}")
    path = cache_folder() / f"{name}.txt"
    sha256 = DOWNLOADS[name].sha256
    if path.is_file() and hashlib.sha256(_read_bytes(path, str(path))).hexdigest() == sha256:
        return path
    url = url or DOWNLOADS[name].url
    if not url.startswith(("https://", "http://")):
        raise InputError(f"cannot download from {url!r}: give an http or https address")
    by_hand = f"fetch {url} by hand and give the file's path with --corpus"
    import requests

    try:
        _fetch(url, path, sha256, progress)
    except requests.HTTPError as error:
        status = error.response.status_code
        raise InputError(f"{name}: the server answered with status {status}: {by_hand}") from error
    except requests.RequestException as error:  # an OSError too, so it must come before OSError
        kind = type(error).__name__
        raise InputError(
            f"{name}: no connection, or it broke ({kind}): try again, or {by_hand}"
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot write to the cache folder {str(path.parent)!r} ({reason(error)}): "
            "set MINITX_CACHE to a folder that you may write to"
        ) from error
    except ValueError as error:
        raise InputError(f"{name}: this is not the right file (sha256): {by_hand}") from error
    return path


def _fetch(url: str, path: Path, sha256: str, progress: bool) -> None:
    """Download a file to `path`; ValueError if its hash is wrong, and the errors of requests."""
    import pooch
    from tqdm import tqdm

    pooch.get_logger().setLevel("WARNING")  # it announces every download on standard error
    # Our own bar: pooch leaves its bar open after a failure, and the error message would share the
    # bar's line. The total must not be 0, or the bar counts as false and pooch does not use it.
    with tqdm(total=1, unit="B", unit_scale=True, disable=not progress) as bar:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname=path.name,
            path=path.parent,
            progressbar=bar if progress else False,
        )


def _path_of_text(name: str) -> Path:
    """Return the file of a text of `TEXTS`; InputError if it is missing or not downloaded yet."""
    if name in SHIPPED:
        path = DATA / SHIPPED[name]
        if not path.is_file():
            raise InputError(f"the shipped text {str(path)!r} is missing: install minitx again")
        return path
    path = cached(name)
    if path is None:
        raise InputError(f"{name} is not in {str(cache_folder())!r}; run: minitx data get {name}")
    return path


def _read_bytes(path: Path, name: str) -> bytes:
    """Return what a file holds; InputError, with the name that the user gave, if it cannot."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"no text and no file is called {name!r}{suggest(name, NAMES)}") from None
    except IsADirectoryError:
        raise InputError(f"{name!r} is a folder: give the path of a text file in it") from None
    except OSError as error:
        why = reason(error)
    except ValueError as error:  # a NUL character in the path
        why = str(error)
    raise InputError(f"cannot read {name!r} ({why}): check the path and its permissions")


def _decode(data: bytes, path: str) -> str:
    """Return the text that UTF-8 bytes hold; InputError names the first byte that is not text."""
    if 0 in data:
        raise InputError(
            f"{path} has a NUL byte at offset {data.index(0)}, so it is not UTF-8 text (it is "
            "binary, or UTF-16): give a text file, or save it as UTF-8"
        )
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}; save it "
            "as UTF-8, for example with iconv -t UTF-8"
        ) from None
    if len(text) < 2:
        what = "has one character" if text else "is empty"
        raise InputError(f"{path} {what}: give a text of at least two characters")
    return text
