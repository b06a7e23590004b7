"""`minitx inspect`: numbers, figures and findings of a run, and on which text."""

import csv
import json
import shutil
import struct
import zlib

import pytest
from command_line import keep_to, listing, refused, works

LAYERS = {
    "norm_median", "norm_p10", "norm_p90", "norm_first_position", "cos_embedding", "growth",
    "cos_prev", "cos_prev_p10", "cos_prev_p90", "null_cos", "cos_prev_centred",
    "cos_random_pairs", "update_norm", "lens_entropy", "lens_kl", "lens_top1",
    "step", "step_null_cos", "cos_update", "cos_update_centred", "cos_update_rest",
}  # fmt: skip


SCALE = {"c"} | {
    f"{quantity}_{place}_norm{bound}"
    for place in ("after", "before")
    for quantity, bound in (("entropy", ""), ("entropy", "_p10"), ("entropy", "_p90"), ("top", ""))
}


@pytest.fixture(scope="module")
def inspected(world):
    folder, _ = world
    with pytest.MonkeyPatch.context() as patch:
        keep_to(folder, patch)
        shutil.copytree(folder / "run", folder / "inspected")
        return folder / "inspected", works("inspect", folder / "inspected", "--json")


def test_inspect_json(inspected):
    _, said = inspected
    assert said.out.count("\n") == 1
    found = json.loads(said.out)
    assert found.keys() >= {
        "tokens", "sequences", "layers", "untrained", "last_state", "scale", "displacement",
        "calibration", "findings",
    }  # fmt: skip
    assert found["layers"].keys() == found["untrained"].keys()
    assert found["layers"].keys() >= LAYERS and found["scale"].keys() >= SCALE
    lengths = {"layers": 2, "untrained": 2, "last_state": 2, "scale": 13, "displacement": 4}
    for name, length in lengths.items():
        columns = found[name]
        assert {len(values) for values in columns.values()} == {length}
    assert found["layers"]["growth"][0] is None
    assert found["tokens"] == 8 * found["sequences"]
    for finding in found["findings"]:
        assert {"claim", "verdict", "numbers", "why"} <= finding.keys()
        assert finding["verdict"] in ("supported", "qualified", "refuted", "untested")
    assert len(found["findings"]) == 3
    assert found["layers"] != found["untrained"]


def chunks(png: bytes):
    """The parts of a PNG file, each checked by its sum."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.pack(">I", zlib.crc32(kind + body)) == png[at + 8 + length : at + 12 + length]
        yield kind, body
        at += 12 + length


def test_inspect_writes_a_real_picture(inspected):
    folder, said = inspected
    path = folder / "figures" / "dashboard.png"
    assert str(path) in said.err
    parts = list(chunks(path.read_bytes()))
    assert parts[0][0] == b"IHDR" and parts[-1][0] == b"IEND"
    width, height, depth, colour = struct.unpack(">IIBB", parts[0][1][:10])
    pixels = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    assert (depth, colour) == (8, 6) and len(pixels) == height * (1 + 4 * width)
    assert width >= 1000 and height >= 600
    assert len(set(pixels[:: 4 * 97])) > 10  # it shows something


def cell_of(text: str):
    """What a cell of a CSV file holds: a number, the name of a model, or nothing."""
    if text in ("trained", "untrained"):
        return text
    return float(text) if text else None


def test_inspect_writes_the_same_numbers_as_tables(inspected):
    folder, said = inspected
    found = json.loads(said.out)
    for name in ("layers", "untrained", "last_state", "scale", "displacement", "calibration"):
        table = f"dashboard-{name.replace('_', '-')}.csv"
        with open(folder / "figures" / table, newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {key: [cell_of(row[key]) for row in rows] for key in rows[0]}
        assert columns == found[name]
    assert json.loads((folder / "findings.json").read_text()) == found["findings"]
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "tokenizer.json", "metrics.jsonl", "model.safetensors", "best.safetensors",
        "train_state.safetensors", "findings.json", "figures",
    }  # fmt: skip
    assert {p.name for p in (folder / "figures").iterdir()} == {
        "dashboard.png", "dashboard-layers.csv", "dashboard-untrained.csv", "dashboard-scale.csv",
        "dashboard-last-state.csv", "dashboard-displacement.csv", "dashboard-calibration.csv",
    }  # fmt: skip


def test_inspect_twice_makes_the_same_bytes(inspected):
    folder, said = inspected
    before = listing(folder)
    assert works("inspect", folder, "--json").out == said.out
    assert listing(folder) == before


def test_inspect_prints_tables_and_words(inspected):
    folder, said = inspected
    found, shown = json.loads(said.out), works("inspect", folder).out
    for finding in found["findings"]:
        assert finding["claim"] in shown and finding["verdict"].upper() in shown
        assert finding["why"] in shown
    assert "embed" in shown and f"{found['layers']['norm_median'][1]:.2f}" in shown
    assert "nan" not in shown.lower().split()


def test_inspect_elsewhere_writes_nothing_elsewhere(run, home):
    """--figures names the place of the figure; a stranger's findings.json beside it stays."""
    (home / "findings.json").write_text("mine")
    works("inspect", run, "--prompt", "the cat", "--figures", "drawn")
    assert (home / "drawn" / "dashboard.png").exists()
    assert (home / "findings.json").read_text() == "mine"


@pytest.mark.parametrize("named", [False, True])
def test_inspect_measures_the_held_out_part_of_a_runs_own_text(run, text, named):
    """Also if the text is named: the rest of it was trained on, and would flatter the model."""
    flags = ["--corpus", text] if named else []
    result = works("inspect", run, "--json", *flags)
    held_out = len(text.read_text()) - int(0.9 * len(text.read_text()))
    assert json.loads(result.out)["tokens"] == held_out // 8 * 8
    assert f"the held-out part of {text}" in result.err.splitlines()[0]


def test_inspect_of_another_text(run, home, text):
    (home / "other.txt").write_text(text.read_text()[:123])
    result = works("inspect", run, "--corpus", "other.txt", "--json")
    assert json.loads(result.out)["tokens"] == 123 // 8 * 8
    assert "the whole of other.txt" in result.err.splitlines()[0]
    found = json.loads(works("inspect", run, "--prompt", "the cat", "--json").out)
    assert found["tokens"] == 7 and found["sequences"] == 1


@pytest.mark.parametrize(
    "flags, names",
    [
        (["--prompt", ""], ["0 tokens"]),
        (["--prompt", "th"], ["2 tokens"]),
        (["--prompt", "the cat sat"], ["11 tokens", "8"]),
        (["--prompt", "thé"], ["'é'"]),
        (["--prompt", "the", "--corpus", "fables"], ["--prompt", "--corpus"]),
        (["--corpus", "fables"], ["'B'"]),
        (["--corpus", "none.txt"], ["none.txt"]),
        (["--corpus", "kingdom"], ["kingdom"]),
        (["--figures", "run/config.json"], ["run/config.json"]),
    ],
)
def test_inspect_refuses(run, flags, names):
    before = listing(run)
    measured = "--figures" in flags  # what cannot be written is found out at the end
    refused("inspect", run, "--json", *flags, names=names, remarks=measured)
    assert listing(run) == before
