"""Three findings about one model, each with its rule and the baseline that it has to beat.

The lists come from `report.measure_layers` and `last_state.measure_scale`. A verdict is supported,
qualified, refuted, or untested where the model has nothing to measure.
"""

from typing import Any

from minitx.measure import mean_of_later_blocks, overall

HIGH = 0.9  # "almost the same direction" in the articles
EXCESS = 0.02  # cosine above its baseline that counts
# One threshold for both baselines: the one that stood when 1/growth was alone. An update with
# cos(x, u) = c and step r leaves about c (r / sqrt(1 + r^2))^3 more than one at right angles. In
# the 128 channels of the demo, a random update has a c of about 1/sqrt(128) = 0.09; for a step of
# up to 0.75 that leaves less than 0.09 x 0.6^3 = 0.02.
ALIGNED = 0.1  # cos(x, u) that counts: above the 0.09 of a random update in 128 channels
MORE = 1.1  # times the untrained model's growth, before training counts as the cause
FAR = 0.5  # cosine with the embedding, 60 degrees, below which a state has strayed
CHANGE = 0.01  # nats of entropy that count as a change
RELATED = 0.1  # rank correlation that counts: it leaves 99 % of the variance of ranks unexplained


def findings(
    layers: dict, untrained: dict | None, scale: dict, last_state: dict
) -> list[dict[str, Any]]:
    """Return the three findings, each with its claim, verdict, numbers and reason."""
    return [
        norms_grow(layers, untrained),
        directions_stay(layers),
        size_is_confidence(scale, last_state),
    ]


def finding(claim: str, verdict: str, why: str, **numbers) -> dict[str, Any]:
    """Return one finding as JSON has it."""
    return {"claim": claim, "verdict": verdict, "numbers": numbers, "why": why}


def norms_grow(layers: dict, untrained: dict | None) -> dict[str, Any]:
    """Judge whether every layer makes the state longer, and whether training is the cause.

    The baseline is the same model before training, whose norms grow because updates add up. The
    first block is left out of that comparison: its leap depends on how small the embedding was
    initialised, and says nothing about growth through the layers.
    """
    claim = "The norm of the state grows from layer to layer, and training makes it so."
    growth = layers["growth"][1:]
    if not growth:
        return finding(claim, "untested", "a model without blocks has one layer only")
    if untrained is None:
        return finding(claim, "untested", "the baseline, the untrained model, was left out")
    if 0 in layers["norm_median"]:
        layer = layers["norm_median"].index(0)
        reason = f"the state is zero from layer {layer} on, so nothing can grow"
        return finding(claim, "refuted", reason)
    if 0 in untrained["norm_median"]:
        layer = untrained["norm_median"].index(0)
        reason = f"the untrained state is zero from layer {layer} on, so there is no baseline"
        return finding(claim, "untested", reason)
    layers_that_grow = sum(g > 1 for g in growth)
    total = overall(layers)["growth"]
    later = growth_after_first_block(layers)
    untrained_later = growth_after_first_block(untrained)
    numbers = {
        "total_growth": total,
        "growth_after_first_block": later,
        "untrained_growth_after_first_block": untrained_later,
        "layers_that_grow": layers_that_grow,
        "layers": len(growth),
    }
    summary = (
        f"{layers_that_grow} of {len(growth)} layers grow, x{total:.3g} in all; after the first "
        f"block x{later:.3g}, untrained x{untrained_later:.3g}"
    )
    if total <= 1:
        return finding(claim, "refuted", f"{summary}: it does not grow", **numbers)
    if layers_that_grow < len(growth):
        return finding(claim, "qualified", f"{summary}: not every layer takes part", **numbers)
    if later <= MORE * untrained_later:
        reason = "after the first block the untrained model grows as much"
        return finding(claim, "qualified", f"{summary}: {reason}", **numbers)
    return finding(claim, "supported", summary, **numbers)


def growth_after_first_block(layers: dict) -> float:
    """Return the growth after block 1; for a model of one block, the whole growth."""
    summary = overall(layers)
    return summary["later_growth"] or summary["growth"]


def directions_stay(layers: dict) -> dict[str, Any]:
    """Judge whether layers keep the direction of the state, and whether it stays near its start.

    Two baselines say which cosine updates at right angles to the state would leave: 1/growth, for
    the growth that was observed, and 1/sqrt(1 + r^2), for the step r = |u| / |x| that was observed.
    An update along the state adds to the growth, and so lowers the first. cos(x, u) is the cosine
    of the update itself; centred, without what all states share. The first block is left out, as
    in `norms_grow`.
    """
    claim = f"Layers keep the state's direction (cosine above {HIGH}), and so it never strays far."
    first = 2 if len(layers["cos_prev"]) > 2 else 1
    cos = layers["cos_prev"][first:]
    if not cos:
        return finding(claim, "untested", "a model without blocks has one layer only")
    if 0 in layers["norm_median"]:
        return finding(claim, "untested", "a state that is zero has no direction")
    means = overall(layers)
    step_null = mean_of_later_blocks(layers["step_null_cos"])
    step_excess = means["cos_prev"] - step_null
    cos_update = mean_of_later_blocks(layers["cos_update"])
    cos_update_centred = mean_of_later_blocks(layers["cos_update_centred"])
    end = layers["cos_embedding"][-1]
    layers_above = sum(c > HIGH for c in cos)
    numbers = {
        f"layers_above_{HIGH}": layers_above,
        "layers": len(cos),
        "mean_cos_prev": means["cos_prev"],
        "mean_null_cos": means["null_cos"],
        "excess_over_null": means["cos_excess"],
        "mean_step_null_cos": step_null,
        "excess_over_step_null": step_excess,
        "mean_cos_update": cos_update,
        "mean_cos_update_centred": cos_update_centred,
        "mean_cos_update_rest": mean_of_later_blocks(layers["cos_update_rest"]),
        "cos_embedding_at_end": end,
    }
    summary = (
        f"cosine {means['cos_prev']:.3f} on average, above {HIGH} in {layers_above} of {len(cos)} "
        f"layers; updates at right angles would leave {means['null_cos']:.3f} at this growth, "
        f"{step_null:.3f} at this step; cos(x, u) is {cos_update:z.3f}, centred "
        f"{cos_update_centred:z.3f}; {end:z.3f} with the embedding at the end"
    )
    if means["cos_prev"] <= HIGH:
        return finding(claim, "refuted", f"{summary}: layers turn it further", **numbers)
    reasons = []
    if min(means["cos_excess"], step_excess) <= EXCESS:
        reasons.append("updates at right angles to the state would look the same")
    if cos_update_centred <= ALIGNED:
        reasons.append("updates follow at most what all states share")
    if end < FAR:
        leaps = first == 2 and layers["cos_embedding"][1] < FAR
        reasons.append("the first block alone turns it away" if leaps else "small turns add up")
    if reasons:
        return finding(claim, "qualified", f"{summary}: {'; '.join(reasons)}", **numbers)
    return finding(claim, "supported", summary, **numbers)


def size_is_confidence(scale: dict, last_state: dict) -> dict[str, Any]:
    """Judge whether a longer last state gives a more confident prediction.

    Full support needs an effect both after and before the final norm. The baseline is no change:
    the norm divides the length away. The verdict rests on what happens when one state is scaled.
    Which states are long to begin with is a correlation: it is reported, and does not decide.
    """
    claim = "The size of the last state sets how sure the softmax is."
    half = scale["c"].index(0.5)
    twice = scale["c"].index(2.0)
    fall_after = scale["entropy_after_norm"][half] - scale["entropy_after_norm"][twice]
    fall_before = scale["entropy_before_norm"][half] - scale["entropy_before_norm"][twice]
    numbers = {
        "entropy_fall_after_norm": fall_after,
        "entropy_fall_before_norm": fall_before,
        "entropy_at_half_after_norm": scale["entropy_after_norm"][half],
        "entropy_at_twice_after_norm": scale["entropy_after_norm"][twice],
        "pearson_length_entropy": last_state["pearson"][0],
        "spearman_length_entropy": last_state["spearman"][0],
    }
    summary = (
        f"from half to twice the size the entropy falls by {fall_after:z.3f} nats after the final "
        f"norm, by {fall_before:z.3f} before it"
    )
    correlation = what_length_goes_with(last_state)
    if fall_after <= CHANGE:
        reason = f"size does not matter; {correlation}"
        return finding(claim, "refuted", f"{summary}: {reason}", **numbers)
    if fall_before <= CHANGE:
        reason = f"the norm divides the size of the stream away; {correlation}"
        return finding(claim, "qualified", f"{summary}: {reason}", **numbers)
    return finding(claim, "supported", f"{summary}; {correlation}", **numbers)


def what_length_goes_with(last_state: dict) -> str:
    """Return in words how the length of the trained model's last state goes with the entropy."""
    correlation = last_state["spearman"][0]
    if correlation is None:
        return "over tokens, length or entropy does not vary"
    if abs(correlation) <= RELATED:
        words = "longer states are as sure as others"
    else:
        words = f"longer states are {'less sure' if correlation > 0 else 'surer'}"
    return f"over tokens, {words} (rank correlation of length with entropy {correlation:+.2f})"


def text(findings: list[dict[str, Any]]) -> str:
    """Return the findings as text, a short paragraph each."""
    paragraphs = []
    for number, found in enumerate(findings, 1):
        verdict = found["verdict"].upper()
        paragraphs.append(f"{number}. {found['claim']}\n   {verdict} here: {found['why']}.")
    return "\n".join(paragraphs)
