"""`minitx inspect`: measure models layer by layer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from minitx.cli.terminal import print_json, say
from minitx.errors import InputError

# A model that was trained elsewhere may be large: unless a prompt is given, this much is measured.
FOREIGN_CONTEXT = 128
FOREIGN_TOKENS = 256


@dataclass(frozen=True)
class Inspect:
    """Measure models layer by layer: norms, directions and confidence, each beside a baseline."""

    models: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="MODEL")]
    """One or more: the folder of a run or other model, a GGUF file, or a pulled model's name."""
    prompt: str | None = None
    """Measure on this text; by default on a run's validation split, or on the shipped fables."""
    corpus: str | None = None
    """Measure on this corpus, by name or path; of a run's own corpus, on the held-out part."""
    bos: bool = False
    """Prepend the beginning-of-sequence (BOS) token to each sequence."""
    best: bool = False
    """Use the weights with the lowest validation loss, not the last ones."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of weights and states; bfloat16 halves the memory of a large model."""
    untrained: bool = True
    """Compare with the same model before training, which needs memory for a float32 copy."""
    figures: Path | None = None
    """Folder for the figures (PNG and CSV); by default RUN/figures, or MODEL-figures here."""
    json: bool = False
    """Print everything as JSON."""

    def run(self) -> None:
        if not self.models:
            raise InputError("no MODEL is given: name a folder, a GGUF file, or a pulled model")
        if self.prompt is not None and self.corpus is not None:
            raise InputError("--prompt and --corpus both name a text: give one of them")
        reports = {name: self.inspect(name) for name in self.models}
        if self.are_several():
            self.compare(reports)
        if self.json:
            print_json(reports if self.are_several() else reports[self.models[0]])

    def are_several(self) -> bool:
        """Return whether more than one model is named."""
        return len(self.models) > 1

    def inspect(self, name: str) -> dict[str, Any]:
        """Measure one model, print and save the results, and return them."""
        from minitx import report
        from minitx.pretrained import loader
        from minitx.runs import inspection

        loaded = loader.load(name, self.best, self.dtype)
        tokens_BT, truth_BTV = self.tokens(loaded)
        seed = loaded.recipe.seed if loaded.recipe else 0
        found = report.inspect(loaded.model, tokens_BT, seed, self.untrained, truth_BTV)
        if not self.json:
            print(report.text(found, loaded.config))
        folder, figures = self.places(loaded)
        title = f"{loaded.name}: inside a trained transformer"
        path = inspection.save(found, title, folder, figures)
        say(f"\nfigure: {path}")
        return found

    def places(self, loaded) -> tuple[Path, Path]:
        """Return the folders for findings.json and for the figures."""
        if self.figures:
            folder = self.figures / loaded.name if self.are_several() else self.figures
            return folder, folder
        if loaded.recipe:
            return loaded.folder, loaded.folder / "figures"
        folder = Path(f"{Path(loaded.name).name}-figures")
        return folder, folder

    def compare(self, reports: dict[str, dict[str, Any]]) -> None:
        """Print and save the reports of several models side by side."""
        from minitx import report
        from minitx.runs import inspection

        layers = {name: found["layers"] for name, found in reports.items()}
        columns = report.side_by_side(layers)
        if not self.json:
            print(f"\n\nside by side:\n\n{report.comparison_table(columns)}")
        path = inspection.save_comparison(layers, columns, self.figures or Path("comparison"))
        say(f"\nfigure: {path}")

    def tokens(self, loaded):
        """Return the tokens_BT to measure a model on, and say what they are.

        With them comes the true distribution of the token after each one, truth_BTV; it is None
        unless the text was generated.
        """
        import numpy as np

        from minitx import report
        from minitx.pretrained import loader
        from minitx.runs import run

        bos_T = loader.beginning(loaded, self.bos)
        tokenizer = loader.tokenizer_of(loaded)
        context = loaded.config.context
        is_foreign = loaded.data is None
        truth_BTV = None
        if self.prompt is not None:
            source = "the prompt"
            ids = np.concatenate([bos_T, tokenizer.encode(self.prompt)])
            if len(ids) > context:
                raise InputError(
                    f"the prompt has {len(ids)} tokens, but the model reads {context}: shorten it"
                )
            tokens_BT = report.sequences(ids, len(ids))
        else:
            passage = run.unseen(loaded, self.corpus or ("fables" if is_foreign else None))
            source = passage.source
            limit = report.TOKENS
            if is_foreign:
                context = min(context, FOREIGN_CONTEXT)
                limit = FOREIGN_TOKENS
            text_BT = report.sequences(passage.tokens, context - len(bos_T), limit)
            bos_BT = np.tile(bos_T, (len(text_BT), 1))
            tokens_BT = np.concatenate([bos_BT, text_BT], axis=1)
            is_known = not is_foreign and not len(bos_T)
            truth_TV = run.true_probs(loaded, self.corpus) if is_known else None
            if truth_TV is not None:
                index_BT = report.sequences(np.arange(len(truth_TV)), context, limit)
                truth_BTV = truth_TV[index_BT]
        count, length = tokens_BT.shape
        first = ""
        if is_foreign:
            bos = "BOS" if self.bos else "no BOS"
            first = f"; {bos}, the first token is {tokenizer.decode(tokens_BT[0, :1])!r}"
        say(f"{loaded.name}: measuring {count} x {length} tokens of {source}{first}")
        return tokens_BT, truth_BTV
