"""The book in a real browser: predictions, quizzes, hints, panels, search; and for everybody."""

import re

import pytest
from checks import check_for_everybody, read, settle, unfold, until

from minitx.classroom.answers import recall
from minitx.classroom.learner import Session, session

LESSON = "l03_toy.html"
PAGES = (
    "index.html", LESSON, "measuring.html", "ledger.html", "glossary.html", "search.html",
    "answers.html",
)  # fmt: skip


def question(id):
    return f'[id="{id}"]'


def predict(tab, id, answer):
    form = tab.locator(question(id))
    if form.locator('input[type="number"]').count():
        form.locator('input[type="number"]').fill(answer)
    else:
        form.get_by_label(answer).check()
    form.get_by_role("button", name="Predict").click()


# --- predictions ---------------------------------------------------------------------------------


def test_a_result_stays_folded_until_the_reader_has_predicted(tab, book):
    read(tab, book, LESSON)
    picture = tab.locator("#figure-l03_toy img")
    assert not picture.is_visible()
    predict(tab, "L03.a", "2.25")
    assert not picture.is_visible()  # the second question is open
    predict(tab, "L03.b", "b) it falls")
    assert picture.is_visible()
    first, second = tab.locator(".truth").all_inner_texts()
    assert first == "It is 2.5 (you said 2.25, 0.25 too low): it is the SECRET half of five."
    assert second == 'It is "it falls", as you said: things <fall>.'
    assert tab.locator(question("L03.a")).locator(".said").inner_text() == "You said 2.25."
    read(tab, book, LESSON)  # answers are kept
    assert picture.is_visible() and "you said 2.25" in tab.locator(".truth").first.inner_text()
    assert tab.locator(question("L03.a")).locator("input").is_disabled()  # it is made once


def test_a_wrong_choice_and_a_number_that_is_too_high(tab, book):
    read(tab, book, LESSON)
    predict(tab, "L03.a", "7")
    predict(tab, "L03.b", "a) it rises")
    first, second = tab.locator(".truth").all_inner_texts()
    assert "(you said 7, 4.5 too high)" in first
    assert second.startswith('It is "it falls" (you said "it rises"): things')


@pytest.mark.parametrize("guess, edge", [(2.25, ""), (8, ", beyond the axis ↑")])
def test_the_readers_number_is_drawn_into_the_figure(tab, book, guess, edge):
    read(tab, book, LESSON)
    predict(tab, "L03.a", str(guess))
    tab.locator(question("L03.b")).get_by_role("button", name="Show me").click()
    settle(tab)
    star = tab.locator("#figure-l03_toy .guesses path").bounding_box()
    sheet = tab.locator("#figure-l03_toy .sheet").bounding_box()
    data = tab.evaluate("JSON.parse(document.querySelector('.guesses').dataset.guesses)[0]")
    # The lesson draws 2 * guess + 1, over the third of four blocks.
    share = min(1, (2 * guess + 1 - data["low"]) / (data["high"] - data["low"]))
    y = data["bottom"] - share * (data["bottom"] - data["top"])
    assert abs(star["y"] + star["height"] / 2 - sheet["y"] - y * sheet["height"]) < 2
    assert abs(star["x"] + star["width"] / 2 - sheet["x"] - data["at"] * sheet["width"]) < 2
    assert tab.locator("#figure-l03_toy .guesses text").text_content() == f"you: {guess}{edge}"


@pytest.mark.parametrize("way", ["the button", "the fold"])
def test_show_me_skips(tab, book, way):
    read(tab, book, LESSON)
    if way == "the button":
        for id in ("L03.a", "L03.b"):
            tab.locator(question(id)).get_by_role("button", name="Show me").click()
    else:
        tab.locator(".gate > summary").first.click()
    settle(tab)
    assert tab.locator("#figure-l03_toy img").is_visible()
    assert tab.locator(".truth").first.inner_text().startswith("It is 2.5: it is the SECRET")
    assert tab.locator("#figure-l03_toy .guesses > *").count() == 0
    assert tab.evaluate("answers.L03") == {"L03.a": "", "L03.b": ""}


def test_only_a_number_within_the_range_is_taken(tab, book):
    read(tab, book, LESSON)
    predict(tab, "L03.a", "9")
    assert tab.evaluate("answers.L03") is None


def test_answers_are_forgotten_on_request(tab, book):
    read(tab, book, LESSON)
    predict(tab, "L03.a", "1")
    tab.get_by_role("button", name="Forget them").click()
    until(tab, "document.querySelector('.predict input').value === ''")
    assert tab.evaluate("answers.L03") is None


# --- quizzes and exercises -----------------------------------------------------------------------


def test_a_quiz_explains_each_answer(tab, book):
    read(tab, book, LESSON)
    quiz = tab.locator(question("L03.q1"))
    quiz.get_by_role("button", name="a) Alpha").click()
    assert quiz.locator(".said").inner_text() == (
        "Not quite: it is b) Beta. The second is Beta, says WHY."
    )
    assert quiz.locator(".wrong").inner_text().startswith("a)")
    assert quiz.locator(".right").inner_text().startswith("b)")
    quiz.get_by_role("button", name="b) Beta").click()
    assert quiz.locator(".said").inner_text().startswith("Yes: b) Beta.")
    tab.locator(question("L03.q2")).get_by_role("button", name="a) one").click()
    assert tab.evaluate("answers.L03") == {"L03.q1": False, "L03.q2": True}  # the first answers


def test_hints_unfold_one_by_one(tab, book):
    read(tab, book, LESSON)
    exercise = tab.locator(question("L03.e1"))
    assert "NUDGE" not in tab.locator("body").inner_text()
    exercise.get_by_role("button", name="A nudge").click()
    assert exercise.locator(".hints li").all_inner_texts() == ["a NUDGE"]
    exercise.get_by_role("button", name="The way").click()
    exercise.get_by_role("button", name="The solution").click()
    assert "return x + x" in exercise.locator(".hints li").last.inner_text()
    assert not exercise.locator(".hint").is_visible()
    read(tab, book, LESSON)
    assert exercise.locator(".hints li").count() == 3


def test_answers_become_a_file_that_the_classroom_reads(tab, book, tmp_path, monkeypatch):
    read(tab, book, LESSON)
    predict(tab, "L03.a", "2.25")
    predict(tab, "L03.b", "a) it rises")
    tab.locator(question("L03.q1")).get_by_role("button", name="a) Alpha").click()
    tab.locator(question("L03.e1")).get_by_role("button", name="A nudge").click()
    tab.locator("textarea").fill('"One"\n\ttwo \\ three')
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save L03.toml").click()
    assert download.value.suggested_filename == "L03.toml"
    download.value.save_as(tmp_path / "L03.toml")
    monkeypatch.setenv("MINITX_ANSWERS", str(tmp_path))
    monkeypatch.setattr(session, "unwritten", Session().unwritten)
    assert recall("L03") == {
        "L03.a": 2.25, "L03.b": "it rises", "L03.q1": False, "L03.e1.hints": 1,
        "L03.picture": '"One"\n\ttwo \\ three',
    }  # fmt: skip


def test_own_words_are_kept(tab, book):
    read(tab, book, LESSON)
    tab.get_by_label("What do <you> think?").fill('It "grows".\nAnd shrinks.')
    read(tab, book, LESSON)
    assert tab.locator("textarea").input_value() == 'It "grows".\nAnd shrinks.'


# --- panels and search ---------------------------------------------------------------------------


def test_a_panel_computes_in_the_page(tab, book):
    read(tab, book, LESSON)
    tab.locator(".panel iframe").scroll_into_view_if_needed()
    frame = tab.frames[1]
    frame.wait_for_selector("body.running")
    frame.click(".skip")
    settle(frame)
    assert frame.locator("#c").input_value() == "2"  # as the lesson says
    assert re.search(r"\d", frame.locator("#dial .sentence").inner_text())
    until(tab, "Math.abs(document.querySelector('.panel iframe').clientHeight - 736) > 10")
    inside = frame.evaluate("document.documentElement.scrollHeight")
    around = frame.evaluate("window.innerHeight")
    assert abs(inside - around) <= 8  # no scroll bar of its own


def test_search_finds_parts_of_pages(tab, book):
    read(tab, book, "search.html", "?q=cosine+token")
    assert "found for “cosine token”" in tab.locator("#found").inner_text()
    links = tab.locator("#results a")
    assert "L03 Toy: Predict" in links.all_inner_texts()
    tab.locator("#query").fill("nothing-has-this-word")
    assert tab.locator("#found").inner_text().startswith("Nothing of the book")
    tab.locator("#query").fill("grows")
    links.first.click()
    assert tab.url.startswith(book.as_uri())


def test_the_first_page_names_lessons_that_were_begun(tab, book):
    read(tab, book, LESSON)
    predict(tab, "L03.a", "1")
    read(tab, book, "index.html")
    assert tab.locator(".begun").count() == 1
    assert "begun" in tab.locator('.chapters li[data-lesson="L03"]').inner_text()


# --- everybody -----------------------------------------------------------------------------------


def test_the_book_asks_for_nothing_but_its_own_files(tab, book):
    for page in PAGES:
        read(tab, book, page)
        for frame in tab.locator("iframe").all():
            frame.scroll_into_view_if_needed()
            tab.wait_for_timeout(300)
    asked = [problem for problem in tab.problems if "://" in problem]
    assert len(asked) > 20 and all(url.startswith(book.as_uri()) for url in asked)
    assert len(asked) == len(tab.problems), tab.problems


@pytest.mark.parametrize(
    "width, scheme",
    [
        (360, "dark"),
        (1400, "light"),
        pytest.param(360, "light", marks=pytest.mark.long),
        pytest.param(1400, "dark", marks=pytest.mark.long),
    ],
)
def test_nothing_keeps_people_out(browser, book, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    tab = context.new_page()
    for page in PAGES:
        read(tab, book, page)
        if page == LESSON:
            check_for_everybody(tab, page)
        unfold(tab)
        check_for_everybody(tab, page)
    context.close()


def test_reading_needs_no_javascript(browser, book):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto((book / LESSON).as_uri())
    text = tab.locator("main").inner_text()
    assert "how much?" in text and "b) it falls" in text and "a) Alpha" in text
    assert not tab.get_by_role("button", name="Predict").first.is_visible()
    tab.locator(".gate > summary").first.click()
    assert tab.locator("#figure-l03_toy img").is_visible()
    assert "It is 2.5: it is the SECRET" in tab.locator("main").inner_text()
    tab.locator(question("L03.q1")).get_by_role("link", name="The answer").click()
    assert (
        tab.url.endswith("answers.html#L03.q1") and "says WHY" in tab.locator("main").inner_text()
    )
    context.close()


def test_a_lesson_is_worked_through_with_the_keyboard(tab, book):
    read(tab, book, LESSON)
    tab.focus(question("L03.a") + " input")
    tab.keyboard.type("2")
    tab.keyboard.press("Enter")
    tab.focus(question("L03.b") + " input")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    assert tab.locator("#figure-l03_toy img").is_visible()
    tab.focus(question("L03.q1") + " button")
    tab.keyboard.press("Enter")
    assert "Not quite" in tab.locator(question("L03.q1")).inner_text()
    tab.goto((book / LESSON).as_uri())
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "To the text"


def test_a_page_prints_with_everything_unfolded(tab, book):
    read(tab, book, LESSON)
    pdf = tab.pdf(tagged=True, outline=True)
    assert b"/StructTreeRoot" in pdf and b"/Outlines" in pdf
    tab.emulate_media(media="print")
    assert not tab.locator(".panel iframe").is_visible()
    assert not tab.locator("header").is_visible()
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("#figure-l03_toy img").is_visible()
    assert tab.locator(".code-of pre").first.is_visible()
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    tab.emulate_media(media="screen")
    settle(tab)
    assert not tab.locator("#figure-l03_toy img").is_visible()
    assert tab.evaluate("answers.L03") is None  # printing is not "show me"
