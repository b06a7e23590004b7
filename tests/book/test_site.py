"""The folder of a book: links that lead somewhere, the cache, and that it is whole or not there."""

import html
import json
import re
from pathlib import Path

import pytest
from checks import contents, follow_links, pages
from small_book import FINDINGS, silent

from minitx import files
from minitx.book import cache, links, reference, site
from minitx.book import recording as recordings
from minitx.errors import InputError
from minitx.evidence import judging, summary


def said(build, *arguments, **options):
    lines = []
    build(*arguments, say=lines.append, **options)
    return "\n".join(lines)


# --- pages ---------------------------------------------------------------------------------------


def test_every_link_leads_somewhere(book):
    count, dead = follow_links(book)
    assert count > 100 and not dead
    assert len(pages(book)) == 7


def test_an_address_is_given_once(book):
    for path, text in pages(book).items():
        text = re.sub(r'data-secret="[^"]*"', "", text)
        names = re.findall(r'<[^>]* id="?([^"\s>]+)', text)
        assert len(names) == len(set(names)), path.name


def test_words_are_escaped_and_become_links(book):
    text = (book / "l03_toy.html").read_text()
    assert "It grows &amp; shrinks &lt;b&gt;." in text and "<b>." not in text
    assert "which &lt;one&gt;?" in text and "things &lt;fall&gt;." in text
    assert '<a href="ledger.html#B9">B9</a>, <a href="ledger.html#C1">C1</a>' in text
    assert '<a href="l03_toy.html">lesson 3</a> and lesson 4.' in text  # it has no lesson 4
    assert '<dfn><a class="term" href="glossary.html#cosine">cosine</a></dfn>' in text
    assert "<h1>L03 Toy</h1>" in text and '<p class="question">Does it grow?</p>' in text
    assert "<code>x_BTD</code>" in text


def test_answers_do_not_stand_beside_their_questions(book):
    text = (book / "l03_toy.html").read_text()
    for secret in ("says WHY", "One is the first", "NUDGE", "the WAY", "SOLUTION", "DOUBLES"):
        assert secret not in text, secret
    plain = (book / "answers.html").read_text()
    for secret in (
        "b) Beta. The second is Beta, says WHY.",
        "NUDGE",
        "the WAY",
        "SOLUTION",
        "DOUBLES",
    ):
        assert secret in plain, secret
    everything = (book / "search.js").read_text()
    assert "says WHY" not in everything and "SOLUTION" not in everything


def test_code_is_shown_without_what_gives_the_result_away(book):
    text = (book / "l03_toy.html").read_text()
    code = re.sub("<[^>]*>", "", "".join(re.findall(r'<pre class="code".*?</pre>', text, re.S)))
    assert "picture.save()" in code and "seen.append" in code
    assert "reveal(" not in code and "SECRET" not in code and "import numpy" not in code
    assert "fmt: skip" not in code


def test_the_result_waits_for_its_predictions(book):
    text = (book / "l03_toy.html").read_text()
    start = text.index('<details class="gate" data-for="L03.a L03.b">')
    gate = text[start : text.index('<h2 id="your-turn"')]
    for inside in ("figures/l03_toy.svg", "SEEN [", "SECRET half of five", "things &lt;fall&gt;."):
        assert text.count(inside) >= 1 and text.count(inside) == gate.count(inside), inside


def test_a_verdict_has_each_sentence_of_its_rule_on_a_line(book):
    sentences = summary.sentences(judging.EVIDENCE["B29"].rule_in_words)
    items = "".join(f"<li>{html.escape(sentence, quote=False)}</li>" for sentence in sentences)
    for page in ("l03_toy.html", "ledger.html"):
        assert f"<ul class=rule>{items}</ul>" in (book / page).read_text(), page


def test_the_first_page_has_findings_a_panel_and_all_lessons(book):
    text = (book / "index.html").read_text()
    for finding in FINDINGS["findings"]:
        assert html.escape(finding["claim"]) in text and finding["verdict"] in text
    assert "1,234 tokens" in text and 'src="panels/dial-fables.html"' in text
    assert '<a href="l03_toy.html">L03 Toy</a>' in text and "25 minutes." in text
    assert "L04 Toy" in text and "Not in this book yet." in text and "l04_other.html" not in text


def test_the_dimension_key_comes_from_the_package(book):
    key = reference.dimension_key()
    assert key["B"] == "batch" and key["S"] == "attended position" and key["M"] == "cells of a grid"
    assert key["R"].startswith("stations of the stream") and len(key) == len(set(key)) == 17
    text = (book / "glossary.html").read_text()
    assert '<tr><th scope="row">G</th><td>key/value heads</td></tr>' in text


def test_terms_are_found_in_the_singular_and_the_plural(book):
    index = (book / "search.html").read_text()
    assert re.search(r">token</a> <a href=\"l03_toy.html#predict\">L03</a>", index)
    assert re.search(r">trace</a> *</li>", index)
    finder = links.Links({}, {"token": "token"})
    assert finder.term("Tokens") == "glossary.html#token" and finder.term("tok") is None


# --- the folder ----------------------------------------------------------------------------------


def test_two_builds_have_the_same_bytes_on_any_day(classroom, book, tmp_path, monkeypatch):
    class Tomorrow(site.datetime.date):
        @classmethod
        def today(cls):
            return cls(2031, 2, 3)

    monkeypatch.setattr(site.datetime, "date", Tomorrow)
    site.build(tmp_path / "site", ["L03"], say=silent)
    first, second = contents(book), contents(tmp_path / "site")
    assert first.keys() == second.keys()
    dated = {name for name in first if first[name] != second[name]}
    assert dated == {"index.html", "book.json"}
    days = [re.sub(rb"\d{4}-\d\d-\d\d", b"", pages["index.html"]) for pages in (first, second)]
    assert days[0] == days[1] and b"2031-02-03" in second["index.html"]


def test_a_lesson_runs_again_only_if_it_has_changed(classroom, tmp_path, monkeypatch):
    run = []
    record = recordings.record
    monkeypatch.setattr(recordings, "record", lambda name: run.append(name) or record(name))
    site.build(tmp_path / "site", say=silent)
    assert run == ["L03", "L04"]
    assert "from the cache: L03, L04" in said(site.build, tmp_path / "site")
    path = classroom / "l04_other.py"
    path.write_text(path.read_text().replace("Does it grow?", "Does it shrink?"))
    site.build(tmp_path / "site", say=silent)
    path = classroom / "solutions" / "l03.py"
    path.write_text(path.read_text().replace("NUDGE", "push"))
    site.build(tmp_path / "site", say=silent)
    assert run == ["L03", "L04", "L04", "L03"]
    assert len(list((tmp_path / "cache" / "book").glob("L0*.json"))) == 2  # old ones are removed


def test_a_broken_record_is_made_again(classroom, tmp_path):
    site.build(tmp_path / "site", ["L03"], say=silent)
    before = contents(tmp_path / "site")
    for path in (tmp_path / "cache" / "book").glob("*.json"):
        path.write_text('{"lesson": "L0')
    site.build(tmp_path / "site", ["L03"], say=silent)
    assert contents(tmp_path / "site") == before


@pytest.mark.parametrize("what", ["digest_of_code", "real_model"])
def test_a_lesson_runs_again_if_what_decides_it_has_changed(classroom, monkeypatch, what):
    before = cache.digest_of("L03")
    monkeypatch.setattr(cache, what, lambda: "another")
    assert cache.digest_of("L03") != before


def test_the_digest_covers_the_code_that_lessons_call(monkeypatch):
    read = []
    original = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path) or original(path))
    cache.digest_of_code.cache_clear()
    cache.digest_of_code()
    names = {str(path.relative_to(cache.PACKAGE)) for path in read}
    assert {"measure.py", "evidence/growth.py", "classroom/figures.py", "book/recording.py"} < names
    assert not {name for name in names if name.startswith(("cli/", "bench/"))}
    assert "book/site.py" not in names


def test_other_lessons_come_along_from_the_cache(classroom, tmp_path):
    site.build(tmp_path / "site", ["L03"], say=silent)
    site.build(tmp_path / "site", ["L04"], say=silent)
    assert {path.name for path in (tmp_path / "site").glob("l0*.html")} == {
        "l03_toy.html", "l04_other.html",
    }  # fmt: skip
    assert json.loads((tmp_path / "site" / "book.json").read_text())["lessons"] == ["L03", "L04"]
    assert (tmp_path / "site" / "figures" / "l04_other.svg").is_file()


def test_a_broken_lesson_fails_the_build_and_leaves_the_old_book(classroom, tmp_path):
    out = tmp_path / "site"
    site.build(out, say=silent)
    before = contents(out)
    path = classroom / "l04_other.py"
    path.write_text(path.read_text().replace('seen.append("two")', "seen.append(two)"))
    with pytest.raises(InputError, match=r"L04 breaks at line 31 of l04_other.py \(NameError"):
        site.build(out, say=silent)
    assert contents(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "lessons", "site"]


def test_an_interrupted_build_goes_on_where_it_was(classroom, tmp_path, monkeypatch):
    record = recordings.record

    def interrupted(name):
        if name == "L04":
            raise KeyboardInterrupt
        return record(name)

    monkeypatch.setattr(recordings, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        site.build(tmp_path / "site", say=silent)
    assert not (tmp_path / "site").exists()
    monkeypatch.setattr(recordings, "record", record)
    words = said(site.build, tmp_path / "site")
    assert "from the cache: L03\n" in words and "L04 Toy:" in words


def test_a_full_disk_leaves_the_old_book(classroom, tmp_path, monkeypatch):
    out = tmp_path / "site"
    site.build(out, ["L03"], say=silent)
    before = contents(out)
    path = classroom / "l03_toy.py"
    path.write_text(path.read_text().replace("Does it grow?", "Does it shrink?"))
    write = files.write

    def full(path, content):
        if path.name == "fables.js":
            raise InputError("the disk is full")
        write(path, content)

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(InputError, match="the disk is full"):
        site.build(out, ["L03"], say=silent)
    assert contents(out) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "lessons", "site"]


def test_a_folder_that_is_no_book_is_left_alone(classroom, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    site.refuse_other_folder(out)  # it is empty
    (out / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="mine is there and is not a book: choose another folder"):
        site.build(out, ["L03"], say=silent)
    with pytest.raises(InputError, match="is not a book"):
        site.build(out / "letter.txt", ["L03"], say=silent)
    assert contents(out) == {"letter.txt": b"dear"}
    assert not (tmp_path / "cache" / "book").exists()  # nothing was run for it
