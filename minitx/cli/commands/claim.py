"""`minitx claim`: claims of the learner's own, written, tried and judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from minitx.cli.terminal import say
from minitx.errors import InputError


@dataclass(frozen=True)
class Claim:
    """List your own claims, begin a new one, try it, or judge it."""

    action: tyro.conf.Positional[Literal["list", "new", "check", "judge"]] = "list"
    """list: all your claims; new "A SENTENCE": write a file to fill in; check U1: try its rule on
    the planted cases, and its measurement on untrained models; judge U1 MODEL...: judge it on
    models, by default on the small ones that minitx trains itself (zoo)."""
    claim: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[CLAIM]")] = None
    """A sentence that can turn out false, for new; the id of a claim, such as U1, otherwise."""
    models: Annotated[
        tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="[MODEL ...]")
    ] = ()
    """For judge: folders of runs or other models, GGUF files, names of pulled models, or zoo."""
    corpus: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """For judge MODEL: a text to measure on, as for `minitx judge`."""
    windows: int = 20
    """For judge MODEL: number of windows, over all texts together."""

    def run(self) -> None:
        from minitx.classroom import own_claims

        if self.windows < 2:
            raise InputError(f"windows={self.windows} is out of range: it must be at least 2")
        if self.models and self.action != "judge":
            raise InputError(
                f"{self.models[0]!r} is one word too many for claim {self.action}: put a sentence "
                "into quotes"
            )
        if self.action == "list":
            self.show_list()
            return
        if self.claim is None:
            what = "a sentence" if self.action == "new" else "the id of a claim, such as U1"
            raise InputError(f"claim {self.action} needs {what}: see `minitx claim --help`")
        if self.action == "new":
            self.begin()
            return
        own = own_claims.find(self.claim)
        if self.action == "check":
            self.check(own)
        else:
            self.judge(own)

    def begin(self) -> None:
        from minitx.classroom import own_claims

        path = own_claims.new(self.claim)
        id = path.stem.upper()
        print(path)
        say(f"fill in what is marked, then: minitx claim check {id}")

    def show_list(self) -> None:
        """Print a line for each claim: its verdicts, or what is to be done, then its words."""
        from minitx.classroom import own_claims

        states = own_claims.states()
        width = max(map(len, (state for state, _ in states.values())), default=0) + 2
        for id, (state, words) in states.items():
            print(f"{id:5}{state:{width}}{words}")
        if not states:
            say(f"you have no claims yet: {own_claims.NEW}")

    def check(self, own) -> None:
        from minitx.classroom import own_judging
        from minitx.classroom.learner import tell

        for line in own_judging.check(own):
            tell(line)

    def judge(self, own) -> None:
        """Judge a claim on each model; print each verdict when it is there."""
        from minitx.classroom import own_judging
        from minitx.evidence import summary

        claim = own_judging.finished(own)
        for name in self.models or ("zoo",):
            row = self.judge_on(name, own, claim)
            print(
                summary.one_claim(own.id, own.words, {Path(name).name: {own.id: row}}), flush=True
            )
        say(f"\nkept in the ledger: minitx ledger {own.id}")

    def judge_on(self, name: str, own, claim) -> dict[str, Any]:
        """Return the verdict on one model."""
        from minitx.classroom import own_judging
        from minitx.evidence import reading
        from minitx.pretrained import loader

        if name == "zoo":
            if self.corpus or self.windows != 20:
                raise InputError(
                    "the zoo reads its own held-out texts: leave --corpus and --windows out"
                )
            return own_judging.judge_on_zoo(own, claim)
        loaded = loader.load(name)
        loader.tokenizer_of(loaded)
        seen = reading.read(loaded, self.corpus, self.windows)
        say(f"{name}: {reading.in_words(seen)}")
        return own_judging.judge_on_model(own, claim, loaded, seen)
