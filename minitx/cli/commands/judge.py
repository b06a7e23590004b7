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
    """One or more: the folder of a run or other model, a GGUF file, a pulled model's name, or zoo
    for the small models that minitx trains itself."""
    claims: str | None = None
    """Some claims only, such as A9,B37; by default all that the model can settle."""
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
            raise InputError(
                "no MODEL is given: name a folder, a GGUF file, a pulled model, or zoo"
            )
        if self.windows < 2:
            raise InputError(f"windows={self.windows} is out of range: it must be at least 2")
        words = claims_in_words()
        chosen = {
            name: judging.chosen_claims(self.claims, list(words), zoo=name == "zoo")
            for name in self.models
        }
        rows = {}
        for name, ids in chosen.items():
            rows[self.label(name)] = self.judge(name, ids, words)
        if self.json:
            print_json(rows if len(rows) > 1 else next(iter(rows.values())))
        elif len(rows) > 1:
            from minitx.tables import aligned

            print("\n" + aligned(summary.side_by_side(words, rows)))
        for name, found in rows.items():
            say(f"\n{name}: {len(found)} claims: {summary.counts(found)}")

    def label(self, name: str) -> str:
        """Return the name of a model's folder, or all that was given if several share that name."""
        short = Path(name).name
        is_shared = [Path(other).name for other in self.models].count(short) > 1
        return name if is_shared else short

    def judge(self, name: str, ids: list[str], words: dict[str, str]) -> dict[str, Any]:
        """Judge one model; print each verdict when it is there; return all rows."""
        from minitx import files
        from minitx.evidence import summary

        if name == "zoo":
            folder, rows_as_they_come = self.out_folder("zoo-verdicts"), self.judge_zoo(ids)
        else:
            folder, rows_as_they_come = self.judge_model(name, ids)
        rows = {}
        for id, row in rows_as_they_come:
            rows[id] = row
            self.show(id, words[id], row)
        files.write_json(folder / "verdicts.json", rows)
        files.write(folder / "verdicts.md", summary.markdown(words, {self.label(name): rows}))
        say(f"\npage: {folder / 'verdicts.md'}")
        return rows

    def judge_zoo(self, ids: list[str]):
        """Return the rows of the zoo, to be judged one by one."""
        from minitx.evidence import zoo_judging

        if self.corpus or self.best or self.windows != 20:
            raise InputError(
                "the zoo reads its own held-out texts: leave --corpus, --windows and --best out"
            )
        return zoo_judging.judge(ids)

    def judge_model(self, name: str, ids: list[str]):
        """Return the folder for the verdicts on a model, and its rows, to be judged one by one."""
        from minitx.evidence import judging, reading
        from minitx.pretrained import loader

        loaded = loader.load(name, self.best)
        loader.tokenizer_of(loaded)
        seen = reading.read(loaded, self.corpus, self.windows)
        say(f"{self.label(name)}: {reading.in_words(seen)}")
        folder = loaded.folder if loaded.recipe else Path(f"{Path(loaded.name).name}-verdicts")
        return self.out_folder(folder), judging.judge_run(loaded, seen, ids)

    def show(self, id: str, words: str, row: dict[str, Any]) -> None:
        """Print a verdict, or a line of progress where JSON is asked for."""
        from minitx.evidence import summary

        if self.json:
            say(f"{id:4}{row['verdict']}")
        else:
            print(summary.entry(id, words, row), flush=True)

    def out_folder(self, default: str | Path) -> Path:
        """Return the folder for the verdicts on one of the models."""
        if self.out is None:
            return Path(default)
        if len(self.models) > 1:
            return self.out / Path(default).name.removesuffix("-verdicts")
        return self.out
