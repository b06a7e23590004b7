"""Texts: what is read, what is refused and in which words; downloads from a local server."""

import gc
import hashlib
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitx.errors import InputError
from minitx.text import corpus

PLAY = b"First Citizen:\r\nBefore we proceed, hear me speak.\n" * 997


def refused(*parts, call):
    """`call` must raise InputError with one line that holds all the parts."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and len(message) < 500
    for part in parts:
        assert str(part) in message
    return message


def refused_text(data: bytes, path: Path, *parts):
    path.write_bytes(data)
    refused(path, *parts, call=lambda: corpus.read_text(path))


# ---------------------------------------------------------------- reading


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=2))
def test_any_text_is_read_as_it_is(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("texts") / "some.txt"
    path.write_bytes(text.encode())
    read = corpus.read_text(str(path))
    assert read.text == text
    assert read.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_line_ends_stay_and_one_byte_order_mark_goes(tmp_path):
    path = tmp_path / "marked.txt"
    data = b"\xef\xbb\xbf\xef\xbb\xbfone\r\ntwo\rthree\n\n"
    path.write_bytes(data)
    read = corpus.read_text(path)
    assert read.text == "\ufeffone\r\ntwo\rthree\n\n"
    assert read.sha256 == hashlib.sha256(data).hexdigest()  # of the file, mark and all


def test_one_character_over_and_over_is_left_to_the_trainer(tmp_path):
    path = tmp_path / "aa.txt"
    path.write_bytes(b"aa")
    assert corpus.read_text(path).text == "aa"


def test_a_text_says_where_it_came_from_and_can_be_read_again(tmp_path, monkeypatch):
    (tmp_path / "mine.txt").write_text("my own")
    (tmp_path / "fables.txt").write_text("a crow")
    monkeypatch.setattr(corpus, "DATA", tmp_path)
    monkeypatch.chdir(tmp_path)
    mine, shipped = corpus.read_text("mine.txt"), corpus.read_text("fables")
    assert (mine.name, mine.origin) == ("mine.txt", str(tmp_path / "mine.txt"))
    assert (shipped.name, shipped.origin) == ("fables", "fables")
    assert "a crow" not in repr(shipped)
    monkeypatch.chdir("/")
    assert corpus.read_text(mine.origin) == mine
    assert corpus.read_text(shipped.origin) == shipped
    with pytest.raises(AttributeError):
        mine.text = "yours"


def test_a_known_name_wins_over_a_file_unless_it_is_written_as_a_path(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fables.txt").write_text("shipped")
    for name in ("fables", "zipf"):
        (tmp_path / name).write_text("a file")
    monkeypatch.setattr(corpus, "DATA", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert corpus.read_text("fables").text == "shipped"
    for as_path in ("./fables", Path("fables"), "./zipf", Path("zipf")):
        assert corpus.read_text(as_path).text == "a file"


def test_the_shipped_fables_are_the_ones_in_sources_md():
    sources = corpus.DATA / "SOURCES.md"
    fables = corpus.read_text("fables")
    row = next(line for line in sources.read_text("utf-8").splitlines() if "fables.txt" in line)
    assert re.findall(r"\b[0-9a-f]{64}\b", row) == [fables.sha256]
    assert corpus.DOWNLOADS["tinyshakespeare"].sha256 in sources.read_text("utf-8")


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "bad.txt"
    refused_text(b"", path, "is empty")
    refused_text(b"\xef\xbb\xbf", path, "is empty")
    refused_text("é".encode(), path, "one character", "at least two")
    refused_text(b"GIF89a\x01\x00\x01\x00", path, "NUL byte at offset 7", "give a text file")
    refused_text("two words".encode("utf-16"), path, "NUL", "UTF-16", "save it as UTF-8")
    refused_text("naïve café".encode("latin-1"), path, "0xef at offset 2", "iconv")
    refused_text(b"\xef\xbb\xbfcaf\xe9!", path, "0xe9 at offset 6")  # the mark's bytes count
    refused_text(b"cut off \xe2\x82", path, "0xe2 at offset 8")


def test_what_cannot_be_opened_is_refused(tmp_path, monkeypatch):
    read = corpus.read_text
    refused(repr(str(tmp_path)), "is a folder", call=lambda: read(tmp_path))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    refused(loop, "cannot read", "check", call=lambda: read(loop))
    refused("cannot read", "null", call=lambda: read("a\0b"))
    refused("cannot read", "too long", call=lambda: read("x" * 300))

    def locked(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", locked)
    refused("cannot read 'diary.txt' (Permission denied)", call=lambda: read("diary.txt"))

    def stuck(path):
        raise TimeoutError

    monkeypatch.setattr(Path, "read_bytes", stuck)
    refused("cannot read 'diary.txt' (TimeoutError)", call=lambda: read("diary.txt"))


def test_a_name_that_is_nothing_lists_what_there_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    everything = ", ".join(corpus.NAMES)
    read = corpus.read_text
    refused("'fabels'", "did you mean 'fables'?", everything, call=lambda: read("fabels"))
    message = refused("'texts/no.txt'", everything, call=lambda: read("texts/no.txt"))
    assert "did you mean" not in message
    (tmp_path / "file").write_text("a file")
    refused("'file/no.txt'", everything, call=lambda: read("file/no.txt"))
    refused("'kingdom' is a generator", "generate('kingdom')", call=lambda: read("kingdom"))


def test_a_broken_installation_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "DATA", tmp_path)
    refused(tmp_path / "fables.txt", "install", call=lambda: corpus.read_text("fables"))


def test_names():
    assert corpus.TEXTS == ("fables", "tinyshakespeare")
    assert (*corpus.TEXTS, *corpus.GENERATORS) == corpus.NAMES
    assert len(set(corpus.NAMES)) == len(corpus.NAMES)
    assert corpus.generate("zipf").name == "zipf"
    assert [name for name, _ in corpus.catalogue()] == list(corpus.NAMES)
    assert all(about and "\n" not in about for _, about in corpus.catalogue())


# ---------------------------------------------------------------- downloading


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def stop(self):
        if self.thread.is_alive():
            self.shutdown()
            self.thread.join()
            self.server_close()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append(self.path)
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/wrong": PLAY + b"!", "/unannounced-half": PLAY[: len(PLAY) // 2]}
        body = body.get(self.path, PLAY)
        self.send_response(200)
        if self.path != "/unannounced-half":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if self.path == "/half" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a play as the one text that can be downloaded."""
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv("MINITX_CACHE", str(folder))
    play = corpus.Download("http://127.0.0.1:9/", hashlib.sha256(PLAY).hexdigest(), "ours")
    monkeypatch.setattr(corpus, "DOWNLOADS", {"tinyshakespeare": play})
    return folder


def test_download_then_read_then_no_network(server, cache, capfd):
    refused(
        cache,
        "run: minitx data get tinyshakespeare",
        call=lambda: corpus.read_text("tinyshakespeare"),
    )
    assert corpus.cached("tinyshakespeare") is None
    url = server.url("/good")
    path = corpus.download("tinyshakespeare", url, progress=False)
    assert path == cache / "tinyshakespeare.txt" == corpus.cached("tinyshakespeare")
    assert [p.name for p in cache.iterdir()] == ["tinyshakespeare.txt"]
    assert path.read_bytes() == PLAY
    text = corpus.read_text("tinyshakespeare")
    assert text == corpus.Text("tinyshakespeare", PLAY.decode(), text.sha256, "tinyshakespeare")
    assert text.sha256 == corpus.DOWNLOADS["tinyshakespeare"].sha256
    server.stop()
    assert corpus.download("tinyshakespeare", url, progress=False) == path
    assert server.seen == ["/good"]
    assert capfd.readouterr() == ("", "")  # pooch is silent


def test_progress_is_a_bar_on_standard_error(server, cache, capfd):
    corpus.download("tinyshakespeare", server.url("/good"))
    out, err = capfd.readouterr()
    assert out == ""
    assert "100%" in err and err.index("\n") == len(err) - 1  # one bar, and it ends
    corpus.download("tinyshakespeare", server.url("/good"))
    assert capfd.readouterr() == ("", "")  # nothing fetched, nothing drawn


@pytest.mark.parametrize(
    "path, why",
    [
        ("/wrong", "not the right file"),
        ("/missing", "status 404"),
        ("/half", "no connection, or it broke"),
        ("/unannounced-half", "not the right file"),
    ],
)
@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failed_download_leaves_nothing(server, cache, path, why, progress, capfd):
    url = server.url(path)
    get = partial(corpus.download, "tinyshakespeare", url, progress=progress)
    refused("tinyshakespeare", why, f"fetch {url} by hand", "--corpus", call=get)
    assert list(cache.iterdir()) == []
    assert corpus.cached("tinyshakespeare") is None
    drawn = capfd.readouterr().err
    assert bool(drawn) == progress
    assert drawn.count("\n") == progress
    assert drawn[-1:] in ("", "\n")  # so that the error message has a line of its own
    gc.collect()  # pooch leaves a broken connection open: here it is closed, with a warning


def test_a_failed_download_spares_the_file_that_is_there_and_a_good_one_mends_it(server, cache):
    path = corpus.download("tinyshakespeare", server.url("/good"), progress=False)
    path.write_bytes(b"somebody edited this")
    again = "run: minitx data get tinyshakespeare"
    refused(path, "damaged", again, call=lambda: corpus.read_text("tinyshakespeare"))
    with pytest.raises(InputError):
        corpus.download("tinyshakespeare", server.url("/wrong"), progress=False)
    assert path.read_bytes() == b"somebody edited this"
    corpus.download("tinyshakespeare", server.url("/good"), progress=False)
    assert path.read_bytes() == PLAY


def test_no_network(server, cache):
    url = server.url("/good")
    server.stop()
    get = partial(corpus.download, "tinyshakespeare", url, progress=False)
    refused("no connection", f"fetch {url} by hand", "--corpus", call=get)
    own = partial(corpus.download, "tinyshakespeare", progress=False)
    refused("no connection", "fetch http://127.0.0.1:9/ by hand", call=own)


def test_an_unwritable_cache(server, cache, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path / "file" / "cache"))
    get = partial(corpus.download, "tinyshakespeare", server.url("/good"), False)
    refused("cannot write", tmp_path / "file" / "cache", "set MINITX_CACHE", call=get)

    def locked(*_, **__):  # as pooch words it, with no error number
        raise PermissionError("denied | Pooch could not create data cache folder")

    monkeypatch.setattr("pooch.retrieve", locked)
    refused("cannot write", "(denied | Pooch could", "set MINITX_CACHE", call=get)
    assert server.seen == []


def test_what_cannot_be_downloaded(cache, monkeypatch):
    get = corpus.download
    refused("'fables'", "known names: tinyshakespeare", call=lambda: get("fables"))
    refused("did you mean 'tinyshakespeare'?", call=lambda: get("tinyshakespear"))
    refused("'ftp://x/y'", "http", call=lambda: get("tinyshakespeare", "ftp://x/y"))


def test_the_cache_is_where_pooch_would_put_it(monkeypatch, tmp_path):
    import pooch

    monkeypatch.delenv("MINITX_CACHE", raising=False)
    assert corpus.cache_folder() == pooch.os_cache("minitx")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert corpus.cache_folder() == pooch.os_cache("minitx")
    monkeypatch.setenv("MINITX_CACHE", "~/mine")
    assert corpus.cache_folder() == Path.home() / "mine"


def test_the_real_address_and_hash_are_complete():
    for name, (url, sha256, licence) in corpus.DOWNLOADS.items():
        assert url.startswith("https://") and re.fullmatch("[0-9a-f]{64}", sha256) and licence
        assert name in corpus.TEXTS


def test_importing_and_reading_load_nothing_heavy(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text("some text")
    code = (
        f"import sys; from minitx.text import corpus; corpus.read_text({str(path)!r}); "
        "heavy = {'jax', 'pooch', 'requests', 'tqdm', 'platformdirs', 'urllib3', 'scipy'}; "
        "sys.exit(sorted(heavy & set(sys.modules)) or None)"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], check=False,
        cwd=Path(corpus.__file__).parents[2], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")
