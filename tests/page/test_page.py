"""The page as a whole, in a real browser: who can use it, what it asks of the network, its text."""

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import (
    LETTERS,
    PROMPT,
    TOKENS,
    open_page,
    open_panel,
    press,
    run_of,
    series,
    settle,
    shown,
    skip_prediction,
    until,
    write_page,
)

from minitx import compiled, measure
from minitx.page.writer import PANELS, address
from minitx.text.tokenizer import Characters

NASTY = "</script><b>\"'&\u05d0\u05d1\U0001f98a\n\u202e"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page with two models."""
    folder = tmp_path_factory.mktemp("two")
    return write_page(folder / "page.html", run_of("one"), run_of("two", norm="none", depth=1))


@pytest.fixture(scope="module")
def nasty_path(tmp_path_factory):
    """A page whose model, vocabulary and prompt try to break out of it."""
    letters = tuple(dict.fromkeys(NASTY + LETTERS))
    run = run_of('</script><i>it\'s "me"', vocab=len(letters), context=40)
    run = run.__class__(**{**run.__dict__, "tokenizer": Characters(letters)})
    return write_page(tmp_path_factory.mktemp("nasty") / "page.html", run, prompt=NASTY)


def skip_all(tab):
    tab.click("#skip-all")
    settle(tab)


def test_the_page_asks_for_nothing_but_itself(tab, path):
    open_page(tab, path)
    skip_all(tab)
    urls = [problem for problem in tab.problems if "://" in problem]
    assert urls == [path.as_uri()]


@pytest.mark.parametrize(
    "width, scheme",
    [
        (360, "dark"),
        pytest.param(1600, "light", marks=pytest.mark.long),
        pytest.param(360, "light", marks=pytest.mark.long),
        pytest.param(1600, "dark", marks=pytest.mark.long),
    ],
)
def test_nothing_keeps_people_out(browser, path, width, scheme):
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    tab = context.new_page()
    open_page(tab, path)
    for state in ("asking", "open"):
        if state == "open":
            skip_all(tab)
            tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
            settle(tab)
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
        # Wide pictures scroll in their own frame, the page does not.
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    context.close()


def test_the_page_is_used_with_the_keyboard_alone(tab, path):
    open_page(tab, path)
    tab.focus("#dial-guess")
    tab.keyboard.type("-1")
    tab.keyboard.press("Enter")
    settle(tab)
    assert tab.evaluate("document.activeElement.id") == "c"
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    settle(tab)
    assert "c = 2" in tab.locator("#dial .controls").inner_text()
    assert "You said -1." in tab.locator("#dial .answer").first.inner_text()
    figure = tab.locator("#dial figure svg[role=img]").first
    figure.focus()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    reading = tab.locator("#dial .reading").first
    assert reading.inner_text().startswith("c = 0.149: scaled after the final norm")
    summary = tab.locator("#dial details.numbers summary").first
    summary.focus()
    tab.keyboard.press("Enter")
    until(tab, "document.querySelectorAll('#dial table tbody tr').length > 20")


def test_values_are_read_by_pointing(tab, path):
    open_panel(tab, path, "growth")
    box = tab.locator("#growth figure svg[role=img]").first.bounding_box()
    tab.mouse.move(box["x"] + box["width"] - 15, box["y"] + 50)
    norms = series(tab, "growth", "norms", "position 0")
    reading = tab.locator("#growth .reading").first.inner_text()
    assert reading.startswith("MLP 2:")
    assert f"position 0 {float(f'{norms[-1]:.3f}'):g}" in reading or norms[-1] >= 10


def test_two_models_read_the_same_prompt(tab, path):
    open_panel(tab, path, "dial")
    for number, run in enumerate((run_of("one"), run_of("two", norm="none", depth=1))):
        logits = compiled.trace(run.model, [TOKENS]).logits_BTV[0, -1]
        p = np.sort(measure.softmax(logits))[::-1][:8]
        values = series(tab, "dial", "probabilities", "as it is", model=number)
        np.testing.assert_allclose(values, p, rtol=1e-3, atol=1e-6)
    tab.select_option("#models", "two")
    settle(tab)
    assert tab.locator("#dial .column").count() == 1
    assert tab.locator("#dial h3").inner_text() == "two"


def test_the_address_holds_the_view(tab, path):
    link = address(path, "growth", prompt=PROMPT[:5], position=2, axis="linear", models="one")
    tab.goto(link)
    tab.wait_for_selector("body.running")
    assert tab.locator("#prompt").input_value() == PROMPT[:5]
    skip_prediction(tab, "growth")
    assert shown(tab, "growth", "norms")["series"][0]["label"] == "position 2: “a”"
    assert not shown(tab, "growth", "norms")["yAxis"].get("log")
    assert tab.evaluate("document.activeElement.closest('.panel')?.id") == "growth"
    press(tab, "#position", "ArrowRight")
    until(tab, "location.hash.includes('position=3')")
    tab.evaluate("location.hash = 'position=1&unknown=1&c=zero'")
    until(tab, "page.view.get('position') === 1")
    assert tab.locator("#prompt").input_value() == PROMPT  # back to its default


def test_an_address_with_nonsense_does_no_harm(tab, path):
    everything = (
        "position=2.7&station=1e9&c=99&temperature=-5&seed=1.5&towards=0.5&distance=NaN&gain=1e300"
        "&writer=-3.3&stretch=50&arrow-token=1e9&change=x&place=x&measure=x&axis=x&models=x"
        "&silenced=9.9&replacement=x&drawn=1.x.99&lens-model=x&panel=%22%3E&guess.dial=x&prompt=ab"
    )
    open_page(tab, path, everything)
    skip_all(tab)
    text = tab.locator("main").inner_text()
    assert "NaN" not in text and "undefined" not in text and "Infinity" not in text
    assert tab.evaluate("[page.view.get('position'), page.view.get('c')]") == [3, 3]


@pytest.mark.parametrize(
    "prompt, words",
    [
        (PROMPT * 2, "one: the prompt has 14 tokens, but this model reads 9: shorten it"),
        ("", "the prompt has 0 tokens: type at least 2"),
        (
            "abcZ",
            "the character “Z” (U+005A) is not in this model's vocabulary of 11: leave it out",
        ),
    ],
)
def test_a_prompt_that_cannot_be_read_is_said_and_nothing_is_lost(tab, path, prompt, words):
    open_panel(tab, path, "growth")
    before = shown(tab, "growth", "norms")
    tab.fill("#prompt", prompt)
    settle(tab)
    assert words in tab.locator(".message").inner_text()
    assert shown(tab, "growth", "norms") == before
    tab.fill("#prompt", PROMPT)
    settle(tab)
    assert tab.locator(".message").inner_text() == ""
    tab.goto("about:blank")  # the same in an address that somebody sent
    open_page(tab, path, f"prompt={prompt or 'Z'}")
    assert tab.locator(".message").inner_text() != ""
    assert tab.evaluate("page.labs[0].tokens") == TOKENS


def test_text_of_a_model_stays_text(tab, nasty_path):
    open_page(tab, nasty_path)
    skip_all(tab)
    assert tab.locator("#prompt").input_value() == NASTY
    assert tab.title().startswith('</script><i>it\'s "me"')
    assert tab.locator("main b:not(.reading-help b)").count() == 0 and tab.locator("i").count() == 0
    chips = tab.locator(".chip .token").all_inner_texts()
    assert "".join(chips).startswith("</script><b>") and "\U0001f98a" in chips
    back = tab.evaluate("text => page.labs[0].tokenizer.decode(page.labs[0].tokens)", NASTY)
    assert back == NASTY


def test_without_javascript_the_text_is_there(browser, path):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(path.as_uri())
    words = tab.locator("body").inner_text()
    assert "your browser has no JavaScript" in words
    for panel in PANELS:
        assert tab.locator(f"#{panel} h2").inner_text() in words
    tab.click("summary")
    assert tab.locator(".facts table").inner_text().count("layernorm") == 1
    context.close()


def test_a_script_that_fails_is_told_in_words(browser, path, tmp_path):
    broken = tmp_path / "broken.html"
    broken.write_text(path.read_text().replace("new PromptBar(", "new NoSuchBar("))
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(broken.as_uri())
    assert "NoSuchBar" in tab.locator("#status").inner_text()
    context.close()


def test_a_page_without_the_untrained_model(tab, tmp_path):
    open_page(tab, write_page(tmp_path / "page.html", run_of(), untrained=False))
    skip_all(tab)
    labels = [one["label"] for one in shown(tab, "growth", "norms")["series"]]
    assert "the untrained model" not in labels and len(labels) == 4


@pytest.mark.parametrize(
    "switches",
    [
        {"depth": 0, "norm": "none", "positions": "none"},
        {"mlp": "none", "residual": False},
        {"norm_place": "post", "tied": True},
        {"head": "cosine"},
        {"head": "distance", "tied": True},
    ],
)
def test_every_panel_works_for_every_kind_of_model(tab, tmp_path, switches):
    open_page(
        tab, write_page(tmp_path / "page.html", run_of(**switches), prompt="aa", untrained=False)
    )
    skip_all(tab)
    for position in (0, 1):
        tab.evaluate(f"page.view.change({{ position: {position} }})")
        settle(tab)
        text = tab.locator("main").inner_text()
        assert "NaN" not in text and "undefined" not in text and "Infinity" not in text
