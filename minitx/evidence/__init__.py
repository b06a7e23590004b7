"""What the articles claim, and how each claim is judged on any one model.

`evidence.py` says what evidence consists of: a measurement, a baseline, a rule and a sentence.
`growth.py`, `directions.py`, `size.py`, `readout.py`, `lens.py` and `weights.py` hold the claims by
subject.
`reading.py` is a model that has read windows of some texts. `judging.py` turns measurements into
verdicts with intervals, `verdicts.py` keeps them on disk, `summary.py` puts them into words.

The claims that need several trained models are judged by their lessons.
"""
