"""`minitx sample`: continues a prompt, the same for the same seed; and how it refuses."""

import json
import re
import shutil

import pytest
from command_line import listing, refused, works


def test_sample_goes_on_from_a_prompt(run):
    result = works("sample", run, "--prompt", "the ", "--tokens", 5)
    assert result.out.startswith("the ") and result.out.endswith("\n")
    assert len(result.out) == len("the ") + 5 + 1
    assert result.err == ""


def test_sample_is_the_same_for_the_same_seed(run):
    flags = ["sample", run, "--prompt", "the ", "--tokens", 40]
    first = works(*flags)
    assert first == works(*flags) == works(*flags, "--seed", 0)
    assert first.out != works(*flags, "--seed", 1).out
    greedy = works(*flags, "--temperature", 0)
    assert greedy == works(*flags, "--temperature", 0, "--seed", 1)
    assert greedy == works(*flags, "--top-k", 1)


def test_several_samples(run):
    flags = ["sample", run, "--prompt", "the ", "--tokens", 40]
    one, three = works(*flags).out, works(*flags, "--samples", 3).out
    assert re.findall(r"^--- (\d) ---$", three, re.MULTILINE) == ["1", "2", "3"]
    assert one.rstrip("\n") in three
    found = json.loads(works(*flags, "--samples", 3, "--json").out)
    assert list(found) == ["prompt", "seed", "samples"]
    assert found["prompt"] == "the " and found["seed"] == 0
    assert len(set(found["samples"])) == 3 and found["samples"][0] + "\n" == one
    assert all(s in three and len(s) == 44 for s in found["samples"])


def test_sample_json_is_one_object(run):
    result = works("sample", run, "--tokens", 9, "--json")
    assert result.out.count("\n") == 1 and result.err == ""
    assert len(json.loads(result.out)["samples"]) == 1


def test_a_long_prompt_is_read_from_its_end(run):
    long = "sat on the mats the cat"
    result = works("sample", run, "--prompt", long, "--tokens", 5, "--temperature", 0)
    end = works("sample", run, "--prompt", long[-8:], "--tokens", 5, "--temperature", 0)
    assert result.out.startswith(long)
    assert result.out[len(long) :] == end.out[8:]
    assert len(result.err.splitlines()) == 1
    assert "23 tokens" in result.err and "8" in result.err and end.err == ""


def test_best_weights(run):
    shutil.copy(run / "model.safetensors", run / "spare")
    (run / "model.safetensors").unlink()
    refused("sample", run, "--tokens", 9, names=[run])
    works("sample", run, "--tokens", 9, "--best")
    (run / "spare").rename(run / "model.safetensors")
    (run / "best.safetensors").unlink()
    works("sample", run, "--tokens", 9)
    refused("sample", run, "--tokens", 9, "--best", names=[run])


@pytest.mark.parametrize(
    "flags, names",
    [
        (["--tokens", "0"], ["tokens=0"]),
        (["--tokens", "-1"], ["tokens=-1"]),
        (["--tokens", "many"], ["--tokens", "many"]),
        (["--temperature", "-1"], ["temperature=-1"]),
        (["--temperature", "nan"], ["temperature=nan"]),
        (["--top-k", "0"], ["top_k=0"]),
        (["--samples", "0"], ["samples=0"]),
        (["--samples", "-1"], ["samples=-1"]),
        (["--seed", "-1"], ["seed=-1"]),
        (["--seed", "99999999999999999999"], ["seed=99999999999999999999"]),
        (["--prompt", ""], ["prompt", "empty"]),
        (["--prompt", "thé"], ["'é'", "index 2"]),
        (["--prompt", "a\udcff"], ["surrogate"]),
    ],
)
@pytest.mark.parametrize("more", [[], ["--json"]], ids=["words", "json"])
def test_sample_refuses(run, flags, names, more):
    before = listing(run)
    refused("sample", run, *flags, *more, names=names)
    assert listing(run) == before
