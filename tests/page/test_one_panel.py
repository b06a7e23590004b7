"""One panel alone, as a notebook shows it: a page inside another page."""

import html

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import PROMPT, settle, shown, skip_prediction

from minitx.page import writer

WIDTHS = (360, 900, 1600)
# Some browsers refuse to change the address of a frame that has none.
NO_ADDRESS = """
history.replaceState = () => {
  window.refused = true;
  throw new DOMException("The operation is insecure.", "SecurityError");
};
"""


def write_one(folder, run, panel: str, **view):
    """Write the page of one panel to a file, and return the file."""
    view = {"prompt": PROMPT, **view}
    path = folder / f"{panel}.html"
    path.write_text(writer.one_panel(run, panel, view), "utf-8")
    return path


def write_frame(folder, path):
    """Write a page that shows another one in a frame, as a notebook does, and return the file."""
    inner = html.escape(path.read_text("utf-8"))
    frame = f'<iframe title="a panel" width="900" height="760" srcdoc="{inner}"></iframe>'
    outer = folder / "outer.html"
    outer.write_text(f'<!DOCTYPE html><link rel="icon" href="data:,">{frame}', "utf-8")
    return outer


def open_file(tab, path, fragment: str = ""):
    tab.goto(path.as_uri() + fragment)
    tab.wait_for_selector("body.running")


def open_frame(tab, path):
    """Open a page that holds a frame, and return the frame when it computes."""
    tab.goto(path.as_uri())
    frame = tab.frames[1]
    frame.wait_for_selector("body.running")
    return frame


@pytest.mark.parametrize("panel", writer.PANELS)
def test_a_panel_stands_alone(tab, run, tmp_path, panel):
    open_file(tab, write_one(tmp_path, run, panel))
    assert tab.locator(".panel").count() == 1 and tab.locator(f"#{panel}").count() == 1
    assert tab.locator("header").bounding_box()["height"] <= 1  # its heading is for screen readers
    for selector in ("header p", "header a", "header details", "footer"):
        assert not tab.locator(selector).first.is_visible()
    gate = tab.locator(f"#{panel} .skip")
    if gate.count():
        gate.click()
    settle(tab)
    assert tab.locator(f"#{panel} .sentence").inner_text() != ""
    text = tab.locator("body").inner_text()
    assert "NaN" not in text and "undefined" not in text and "Infinity" not in text
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 760})
        settle(tab)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


def test_a_panel_starts_with_the_values_of_its_lesson(tab, run, tmp_path):
    path = write_one(tmp_path, run, "dial", c=2, place="before", position=3)
    open_file(tab, path)
    skip_prediction(tab, "dial")
    assert tab.locator("#c").input_value() == "2"
    assert tab.locator("#place").input_value() == "before"
    assert tab.locator("#prompt").input_value() == PROMPT
    assert tab.evaluate("page.view.get('position')") == 3
    open_file(tab, path, "?again#c=-1")  # an address says more than the lesson
    skip_prediction(tab, "dial")
    assert tab.locator("#c").input_value() == "-1"
    assert tab.locator("#place").input_value() == "before"


def test_values_that_do_not_fit_are_brought_within_bounds(tab, run, tmp_path):
    open_file(tab, write_one(tmp_path, run, "dial", c=99, position=2.4, nonsense=3))
    skip_prediction(tab, "dial")
    assert tab.evaluate("[page.view.get('c'), page.view.get('position')]") == [3, 2]


def test_a_panel_in_a_frame_computes_and_its_controls_move_it(tab, run, tmp_path):
    tab.add_init_script(NO_ADDRESS)
    frame = open_frame(tab, write_frame(tmp_path, write_one(tmp_path, run, "dial", c=0)))
    skip_prediction(frame, "dial")
    before = shown(frame, "dial", "probabilities")
    frame.focus("#c")
    for _ in range(4):
        tab.keyboard.press("ArrowRight")
    settle(frame)
    tab.wait_for_timeout(400)  # the address of a view is written after 200 ms
    assert "c = 2" in frame.locator("#dial .controls").inner_text()
    assert shown(frame, "dial", "probabilities") != before
    frame.fill("#prompt", PROMPT[:4])
    settle(frame)
    tab.wait_for_timeout(400)
    assert len(frame.locator(".chip").all()) == 4
    assert frame.evaluate("window.refused")


def test_a_frame_that_may_do_nothing_but_run_scripts(tab, run, tmp_path):
    """Notebooks in a browser put their outputs into such frames."""
    outer = write_frame(tmp_path, write_one(tmp_path, run, "growth"))
    outer.write_text(outer.read_text().replace("<iframe ", '<iframe sandbox="allow-scripts" '))
    frame = open_frame(tab, outer)
    skip_prediction(frame, "growth")
    frame.select_option("#axis", "linear")
    settle(frame)
    tab.wait_for_timeout(400)
    assert not shown(frame, "growth", "norms")["yAxis"].get("log")
