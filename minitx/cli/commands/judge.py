"""`minitx judge`: put the claims to the test on any model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from minitx.cli.terminal import print_json, say
from minitx.errors import InputError


@dataclass(frozen=True)
class Judge:
    """Judge on any model what the articles claim: verdicts with rules, numbers and intervals."""

    models: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MODEL")]
    """One or more: the folder of a run or other model, a GGUF file, or a pulled model's name."""
    claims: str | None = None
    """Some claims only, such as A9,B37; by default all that one model can settle."""
    corpus: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A text to measure on, by name or path; may be given several times. By default a run's
    held-out text, and two texts for a model that was trained elsewhere."""
    windows: int = 20
    """Number of windows, over all texts together."""
    best: bool = False
    """Use the weights with the lowest validation loss, not the last ones."""
    out: Path | None = None
    """Folder for verdicts.json and verdicts.md; by default RUN, or MODEL-verdicts here."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        from minitx.evidence import judging, summary
        from minitx.evidence.claims import claims_in_words

        if not self.models:
            raise InputError("no MODEL is given: name a folder, a GGUF file, or a pulled model")
        if self.windows < 2:
            raise InputError(f"windows={self.windows} is out of range: it must be at least 2")
        words = claims_in_words()
        ids = judging.chosen_claims(self.claims, list(words))
        judged = {self.label(name): self.judge(name, ids, words) for name in self.models}
        if self.json:
            print_json(judged if len(judged) > 1 else next(iter(judged.values())))
        elif len(judged) > 1:
            from minitx.tables import aligned

            print("\n" + aligned(summary.side_by_side(words, judged)))
        for name, rows in judged.items():
            say(f"\n{name}: {len(rows)} claims: {summary.counts(rows)}")

    def label(self, name: str) -> str:
        """Return the name of a model's folder, or all that was given if several share that name."""
        short = Path(name).name
        is_shared = [Path(other).name for other in self.models].count(short) > 1
        return name if is_shared else short

    def judge(self, name: str, ids: list[str], words: dict[str, str]) -> dict[str, Any]:
        """Judge one model, print and keep each verdict when it is there, and return all rows."""
        from minitx import files
        from minitx.classroom import answers
        from minitx.evidence import judging, reading, summary, verdicts
        from minitx.pretrained import loader

        loaded = loader.load(name, self.best)
        loader.tokenizer_of(loaded)
        seen = reading.read(loaded, self.corpus, self.windows)
        texts = ", ".join(dict.fromkeys(seen.text_W))
        count, length = seen.tokens_WT.shape
        label = self.label(name)
        say(f"{label}: {count} windows of {length} tokens of {texts}")
        folder = self.folder(loaded)
        mark = reading.fingerprint(seen)
        kept = verdicts.read_kept(folder / "verdicts.json", mark)
        rows = {id: kept[id] for id in ids if id in kept}
        for id, row in rows.items():
            self.show(id, words[id], row)
        for id, row in judging.judge(seen, [id for id in ids if id not in rows]):
            rows[id] = row
            verdicts.keep(folder / "verdicts.json", label, mark, kept | rows)
            self.show(id, words[id], row)
        rows = {id: rows[id] for id in ids}
        files.write(folder / "verdicts.md", summary.markdown(words, {label: rows}))
        # A copy for the ledger, which shows all models that were judged on this machine.
        copy = answers.folder() / "judged" / f"{Path(label).name}.json"
        answers.keep(copy, (folder / "verdicts.json").read_text("utf-8"))
        say(f"\npage: {folder / 'verdicts.md'}")
        return rows

    def show(self, id: str, words: str, row: dict[str, Any]) -> None:
        """Print a verdict, or a line of progress where JSON is asked for."""
        from minitx.evidence import summary

        if self.json:
            say(f"{id:4}{row['verdict']}")
        else:
            print(summary.entry(id, words, row), flush=True)

    def folder(self, loaded) -> Path:
        """Return the folder for the verdicts on one model."""
        if self.out:
            return self.out / Path(loaded.name).name if len(self.models) > 1 else self.out
        if loaded.recipe:
            return loaded.folder
        return Path(f"{Path(loaded.name).name}-verdicts")
