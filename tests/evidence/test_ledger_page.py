"""The ledger as a page: every claim, every model, numbers as figures and as tables."""

import re
import xml.etree.ElementTree as ElementTree

from minitx.evidence import ledger_page

CLAIMS = {
    "A1": {"claim": "Bigger < is better", "lesson": "L03, L04", "source": "An article"},
    "A2": {"claim": "Nobody judged this", "lesson": "L13", "source": "An article"},
}
ROW = {
    "verdict": "refuted",
    "sentence": "It is 3.",
    "numbers": {"share_big": {"mean": 0.5, "low": 0.25, "high": 0.75}, "size": {"mean": 40.0}},
    "rule": "Few < many. Supported if below 2.5.",
    "baseline": "nothing",
}
UNTESTED = {"verdict": "untested", "sentence": "It cannot be asked."}
JUDGED = {"one 12345678": {"A1": ROW}, "two 87654321": {"A1": UNTESTED}}


def test_a_claim_opens_to_its_evidence():
    page = ledger_page.page(CLAIMS, JUDGED)
    assert page.count("<details") == 2 and "Bigger &lt; is better" in page
    for words in ("It is 3.", "nothing.", "lesson L03<", "0.5 (0.25 to 0.75)"):
        assert words in page
    assert "<ul class=rule><li>Few &lt; many.</li><li>Supported if below 2.5.</li></ul>" in page
    assert not re.search(r"https?://|<script|<link|@import", page)


def test_every_model_has_a_verdict_in_words_and_with_a_sign():
    page = ledger_page.page(CLAIMS, JUDGED)
    section = page[page.index("id=A1") :].split("</summary>")[0]
    assert "refuted" in section and "untested" in section and "✗" in section
    section = page[page.index("id=A2") :].split("</summary>")[0]
    assert section.count("untested</span>") == 2


def test_shares_are_drawn_on_one_axis_and_large_numbers_on_their_own():
    drawn = ledger_page.figures({"one 12345678": ROW})
    svg = [ElementTree.fromstring(part + "</svg>") for part in quoted(drawn)]
    assert len(svg) == 2
    (circle,) = svg[0].findall("circle")
    (interval,) = [line for line in svg[0].findall("line") if line.get("class") == "interval"]
    left, right, middle = (
        float(n) for n in (interval.get("x1"), interval.get("x2"), circle.get("cx"))
    )
    assert left < middle < right and abs((left + right) / 2 - middle) < 0.2


def quoted(drawn: str) -> list[str]:
    """Return the figures as XML, which wants quotes around attributes."""
    parts = re.findall(r"<svg.*?(?=</svg>)", drawn)
    return [re.sub(r"=([^\s\">]+)", r'="\1"', part) for part in parts]


def test_baselines_are_hollow_and_the_key_says_so():
    numbers = {name: {"mean": 0.5} for name in ("flips", "flips_at_random", "error_at_angles")}
    drawn = ledger_page.figures({"one 12345678": ROW | {"numbers": numbers}})
    (svg,) = [ElementTree.fromstring(part + "</svg>") for part in quoted(drawn)]
    kinds = [circle.get("class") for circle in svg.findall("circle")]
    assert kinds == ["measured", "baseline", "measured"] and "○ a baseline" in drawn
    assert "a baseline" not in ledger_page.figures({"one 12345678": ROW})
