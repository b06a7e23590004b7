"""What the articles claim, and how each claim is judged.

`evidence.py` says what evidence consists of: a measurement, a baseline, a rule and a sentence. The
claims lie in modules by subject; `judging.py` lists them as `SUBJECTS`.
`reading.py` is a model that has read windows of some texts. `judging.py` turns its measurements
into verdicts; `zoo_judging.py` does the same for families of trained models, over their seeds.
`verdicts.py` keeps verdicts on disk, `summary.py` puts them into words.
"""
