"""`minitx ledger`: all claims, and how each came out for the models judged on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from minitx.cli.terminal import print_json, say
from minitx.errors import InputError, suggest


@dataclass(frozen=True)
class Ledger:
    """Show all claims, and how each came out for the models that were judged on this machine."""

    claim: tyro.conf.Positional[str | None] = None
    """One claim, such as A9: its rule, its baseline and all numbers."""
    markdown: bool = False
    """Print all claims as a page in Markdown, with rules, baselines and numbers."""
    json: bool = False
    """Print JSON."""
    page: Path | None = None
    """Write one HTML file in which each claim opens to its evidence."""

    def run(self) -> None:
        from minitx.classroom import own_claims
        from minitx.evidence import ledger_page, summary
        from minitx.evidence.claims import known_claims

        claims = known_claims() | own_claims.for_ledger()
        words = {id: row["claim"] for id, row in claims.items()}
        if self.claim:
            id = self.claim.upper()
            if id not in claims:
                raise InputError(f"there is no claim {self.claim!r}{suggest(id, claims)}")
            claims = {id: claims[id]}
        judged = self.judged()
        if self.page:
            from minitx import files

            files.write(self.page, ledger_page.page(claims, judged))
            print(self.page)
        elif self.json:
            print_json(self.as_json(claims, judged))
        elif self.claim:
            print(summary.one_claim(id, words[id], judged))
        elif self.markdown:
            print(summary.markdown(words, judged), end="")
        else:
            self.show(words, judged)
        for model, rows in judged.items():
            say(f"{model}: {len(rows)} of {len(words)} claims judged: {summary.counts(rows)}")
        if not judged:
            say("no model was judged yet: `minitx judge zoo` judges all claims, on small models")

    def judged(self) -> dict[str, dict[str, dict]]:
        """Return the rows of each model, by its label; name those judged by other rules."""
        from minitx.classroom import own_claims
        from minitx.evidence import verdicts

        found = {}
        for judged in verdicts.read_all():
            if judged.rules == verdicts.rules_hash():
                rows = own_claims.under_ids(judged.claims)
                if rows:
                    found[judged.label] = rows
                self.name_other_versions(judged)
            else:
                say(
                    f"{judged.label} was judged by the rules of another version: judge it again "
                    f"with `minitx judge {judged.origin}`"
                )
        return found

    def name_other_versions(self, judged) -> None:
        """Name claims of the learner's own whose file is not the one that was judged."""
        from minitx.classroom import own_claims

        for id in own_claims.other_versions(judged.claims):
            if id in own_claims.paths():
                cure = f"judge it again with `minitx claim judge {id} {judged.origin}`"
                say(f"{id} was changed after {judged.label} was judged: {cure}")
            else:
                say(f"{judged.label} has a verdict on {id}, but {own_claims.folder()} has no {id}")

    def as_json(self, claims: dict[str, dict], judged: dict[str, dict]) -> dict[str, Any]:
        """Return claims with their rows by model."""
        return {
            id: {**claim, "models": {m: rows[id] for m, rows in judged.items() if id in rows}}
            for id, claim in claims.items()
        }

    def show(self, words: dict[str, str], judged: dict[str, dict]) -> None:
        """Print a line for each claim: its verdicts, then its words."""
        width = max([len("untested"), *(len(model) for model in judged)]) + 2
        print(" " * 5 + "".join(model.ljust(width) for model in judged))
        for id, claim in words.items():
            cells = [rows.get(id, {}).get("verdict", "") for rows in judged.values()]
            print(f"{id:5}" + "".join(cell.ljust(width) for cell in cells) + claim)
