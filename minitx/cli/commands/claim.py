"""`minitx claim`: claims of the learner's own, written, tried and judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    claim: tyro.conf.Positional[str | None] = None
    """A sentence that can turn out false, for new; the id of a claim, such as U1, otherwise."""
    models: tyro.conf.Positional[tuple[str, ...]] = ()
    """For judge: folders of runs or other models, GGUF files, names of pulled models, or zoo."""

    def run(self) -> None:
        from minitx.classroom import own_claims

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
        from minitx.evidence import verdicts

        judged = [one for one in verdicts.read_all() if one.rules == verdicts.rules_hash()]
        for id, path in own_claims.paths().items():
            try:
                own = own_claims.read(id, path)
            except InputError as error:
                print(f"{id:5}{'broken':14}{error}")
                continue
            states = [f"{one.claims[own.key]['verdict']} ({one.model})" for one in judged
                      if own.key in one.claims]  # fmt: skip
            if not states:
                states = ["to be filled in" if own.unfinished else "not judged"]
            print(f"{id:5}{', '.join(states):14}  {own.words}")
        if not own_claims.paths():
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
            print(summary.one_claim(own.id, own.words, {Path(name).name: row}), flush=True)
        say(f"\nkept in the ledger: minitx ledger {own.id}")

    def judge_on(self, name: str, own, claim) -> dict[str, Any]:
        """Return the verdict on one model."""
        from minitx.classroom import own_judging
        from minitx.evidence import reading
        from minitx.pretrained import loader

        if name == "zoo":
            return own_judging.judge_on_zoo(own, claim)
        loaded = loader.load(name)
        loader.tokenizer_of(loaded)
        seen = reading.read(loaded)
        say(f"{name}: {reading.in_words(seen)}")
        return own_judging.judge_on_model(own, claim, loaded, seen)
