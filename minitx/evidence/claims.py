"""The claims in our words, with where they stand and the lesson that teaches them."""

import functools
import tomllib
from pathlib import Path

PATH = Path(__file__).parent / "claims.toml"


@functools.cache
def known_claims(path: Path = PATH) -> dict[str, dict[str, str]]:
    """Return all claims by id: `claim`, `lesson` and `source`, in the order of the articles."""
    return tomllib.loads(path.read_text("utf-8"))


def claims_in_words() -> dict[str, str]:
    """Return each claim's words by its id."""
    return {id: row["claim"] for id, row in known_claims().items()}
