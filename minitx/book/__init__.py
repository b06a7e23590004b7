"""The book: all lessons, run on this machine, as pages that open from disk in any browser.

`recording.py` runs a lesson and keeps what each cell showed, `pictures.py` does so for its figures,
and `cache.py` keeps the result until something that decides it changes. `lesson_page.py` turns a
record into a page; `prose.py`, `forms.py` and `figures.py` write its parts. `panels.py` writes the
panels that compute, `start.py` and `reference.py` the other pages, and `site.py` puts all of it
into one folder. In `source/` lie the style, the script, and the words of the pages.
"""
