"""The whole book: that every lesson fits into it, and (in the long run) that all of it is there."""

import ast
import os

import pytest
from checks import check_for_everybody, contents, follow_links, read, unfold
from small_book import silent

from minitx.book import lesson_page, site
from minitx.classroom import lessons

NAMES = list(lessons.paths())
# What a lesson may do with a number that its reader has yet to predict, on its way to a figure.
ON_THE_WAY = (ast.BinOp, ast.BoolOp, ast.UnaryOp, ast.Tuple, ast.keyword)


def awaited_names(tree: ast.Module) -> set[str]:
    """The names that a lesson gives to predicted numbers."""
    names = set()
    for node in ast.walk(tree):
        is_predict = (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and getattr(node.value.func, "id", "") == "predict"
        )
        if is_predict and len(node.value.args) == 2:  # the third would be choices
            names |= {target.id for target in node.targets}
    return names


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_only_draws_what_its_reader_will_predict(name):
    """A book runs a lesson once for all readers, so it cannot decide by a number of theirs."""
    tree = ast.parse(lessons.paths()[name].read_text("utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    names = awaited_names(tree)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Name) and node.id in names):
            continue
        if isinstance(node.ctx, ast.Store):
            continue
        step = parents[node]
        while isinstance(step, ON_THE_WAY):
            step = parents[step]
        assert isinstance(step, ast.Call), f"line {node.lineno}: {node.id} is not drawn"
        called = getattr(step.func, "attr", getattr(step.func, "id", ""))
        assert called in ("draw", "guess"), f"line {node.lineno}: {called}({node.id})"


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_has_a_title_a_question_and_minutes(name):
    chapter = lesson_page.chapter(name, is_there=True)
    assert chapter.title.startswith(name) and chapter.question.endswith("?")
    assert int(chapter.minutes) in range(10, 61)


@pytest.fixture(scope="module")
def whole_book(tmp_path_factory):
    """All lessons on the zoo, trained from nothing, or the one in $MINITX_TEST_ZOO."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINITX_CACHE", os.environ.get("MINITX_TEST_ZOO") or str(folder / "cache"))
        site.build(folder / "book", say=silent)
        site.build(folder / "again", say=silent)
    return folder / "book", folder / "again"


@pytest.mark.long
def test_all_lessons_are_there_and_all_links_lead_somewhere(whole_book):
    book, again = whole_book
    chapters = [lesson_page.chapter(name, is_there=True) for name in NAMES]
    assert all((book / chapter.file).is_file() for chapter in chapters)
    count, dead = follow_links(book)
    assert count > 500 and not dead
    assert contents(book) == contents(again)


@pytest.mark.long
@pytest.mark.parametrize("width, scheme", [(360, "dark"), (1400, "light")])
def test_nothing_keeps_people_out_of_the_whole_book(browser, whole_book, width, scheme):
    book, _ = whole_book
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
    tab = context.new_page()
    for path in sorted(book.glob("*.html")):
        read(tab, book, path.name)
        check_for_everybody(tab, path.name)
        unfold(tab)
        check_for_everybody(tab, path.name)
        text = tab.locator("main").inner_text()
        assert "undefined" not in text and "NaN" not in text, path.name
    context.close()
