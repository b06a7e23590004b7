"""A claim of a learner's own for tests, and what it is measured on."""

from types import SimpleNamespace

FILE = '''from minitx.evidence.evidence import Evidence, Untestable, three_way

CLAIM = "Sizes are large."


def rule(size, by_chance):
    """The size is above what chance gives. Refuted if it is 0 or less."""
    return three_way(supported=size > by_chance, refuted=size <= 0)


PLANTED = {
    "supported": [{"size": 2.0, "by_chance": 1.0}],
    "refuted": [{"size": -1.0, "by_chance": 1.0}, {"size": 0.0, "by_chance": 1.0}],
}


def measure(reading, window):
    """The planted number of a window."""
    return {"size": reading.size_W[window], "by_chance": 0.5}


claim = Evidence(
    id="U1",
    measure=measure,
    rule=rule,
    baseline="a size of 0.5",
    sentence="The size is {size:.1f}, and {by_chance:.1f} by chance.",
)
'''


def write(answers, old="", new="", id="U1"):
    """Write the file of a claim with one piece of it replaced, and return its path."""
    assert old in FILE
    path = answers / "claims" / f"{id.lower()}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FILE.replace(old, new) if old else FILE, "utf-8")
    return path


def line_of(text, words):
    """Return the number of the first line that contains some words."""
    return next(n for n, line in enumerate(text.splitlines(), 1) if words in line)


def reading(*sizes):
    """Return what stands for a model that has read windows: a size for each window."""
    return SimpleNamespace(size_W=list(sizes), text_W=["text"] * len(sizes))
