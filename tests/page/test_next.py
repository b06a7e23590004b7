"""The next token: probabilities, temperature, sampling."""

import numpy as np
from pages import (
    LETTERS,
    PROMPT,
    TOKENS,
    open_page,
    open_panel,
    press,
    sentence,
    series,
    settle,
    shown,
)

from minitx import compiled, measure


def test_the_probabilities_are_those_of_python(tab, path, trace):
    open_panel(tab, path, "next", "position=2")
    logits_V = trace.logits_BTV[0, 2]
    ids = np.argsort(-logits_V)[:10]
    names = [LETTERS[id] for id in ids]
    assert shown(tab, "next", "probabilities")["names"] == names
    p = measure.softmax(logits_V)
    ours = series(tab, "next", "probabilities", "probability")
    np.testing.assert_allclose(ours, p[ids], rtol=1e-3)
    press(tab, "#temperature", "ArrowLeft", 10)  # to 0.5
    ours = series(tab, "next", "probabilities", "at temperature 0.5")
    np.testing.assert_allclose(ours, measure.softmax(logits_V / 0.5)[ids], rtol=1e-3)
    assert f"the entropy is {float(f'{measure.entropy(logits_V):.3f}'):g} nats" in sentence(
        tab, "next"
    )
    assert f"goes on with “{PROMPT[3]}”" in sentence(tab, "next")


def test_at_temperature_0_sampling_takes_the_largest_logit(tab, run, path):
    open_panel(tab, path, "next", "temperature=0")
    tokens = list(TOKENS)
    tab.click("text=Sample one token")
    settle(tab)
    tab.click("text=Sample 16")
    settle(tab)
    while len(tokens) < run.config.context:
        logits = compiled.trace(run.model, [tokens]).logits_BTV[0, -1]
        tokens.append(int(logits.argmax()))
    assert tab.evaluate("page.labs[0].tokens") == tokens
    assert tab.locator(".chip.drawn").count() == 2
    assert "context of 9 tokens is full" in sentence(tab, "next")
    assert tab.locator("text=Sample one token").is_disabled()
    tab.click("text=Remove what was sampled")
    settle(tab)
    assert tab.evaluate("page.labs[0].tokens") == TOKENS


def test_a_seed_fixes_the_sample(tab, path):
    def sampled():
        tab.click("text=Sample 16")
        settle(tab)
        tokens = tab.evaluate("page.labs[0].tokens")
        tab.click("text=Remove what was sampled")
        settle(tab)
        return tuple(tokens)

    open_panel(tab, path, "next", "prompt=ab&temperature=2")
    first = sampled()
    assert len(first) == 9 and sampled() == first
    others = set()
    for seed in range(1, 4):
        press(tab, "#seed", "ArrowRight")
        assert f"{seed}" in tab.locator("#next .controls").inner_text()
        others.add(sampled())
    assert others - {first}


def test_draws_follow_the_probabilities(tab, path):
    open_page(tab, path)
    p = [0.5, 0.2, 0.0, 0.3]
    counts = tab.evaluate(
        """(p) => {
          const counts = p.map(() => 0);
          for (let seed = 0; seed < 4000; seed++) counts[drawn(p, randomNumbers(seed)())] += 1;
          return counts;
        }""",
        p,
    )
    assert counts[2] == 0
    np.testing.assert_allclose(np.array(counts) / 4000, p, atol=0.03)
