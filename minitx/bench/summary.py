"""What the bench measured, as tables to read."""

from typing import Any

from minitx.bench import growth
from minitx.presets import PRESETS
from minitx.tables import aligned

PRESET_COLUMNS = [
    "preset", "parameters", "ms a step (min to max)", "tokens/s", "of the limit", "memory MiB",
    "sampled tokens/s", "s to trace", "s to compile", "compiled again",
]  # fmt: skip

GROWTH_COLUMNS = [
    "axis", "ms a step", "MiB", "GFLOP/s", "time k (min to max)", "operations k", "memory k",
    "last two: time / operations",
]  # fmt: skip


def summary(results: dict[str, Any]) -> str:
    """Return everything that was measured, as tables with a line of text before or after each."""
    machine = results["machine"]
    versions = f"Python {machine['python']}, jax {machine['jax']}"
    sections = [f"{machine['date']}  {machine['device']}, {machine['cores']} cores, {versions}"]
    if "ceiling" in results:
        sections += [
            ceiling_line(results["ceiling"]),
            presets_table(results),
            seeds_table(results["seeds"]),
            time_to_loss_lines(results["time to loss"]),
        ]
    if "workers" in results:
        sections.append(workers_table(results["workers"]))
    if "against nanoGPT" in results:
        sections.append(nanogpt_table(results["against nanoGPT"]))
    if "against transformers" in results:
        sections.append(transformers_table(results["against transformers"]))
    if "page" in results:
        sections.append(page_table(results["page"]))
    if "growth" in results:
        sections.append(growth_table(results["growth"]))
    return "\n\n".join(sections)


def ceiling_line(ceiling: dict[str, float]) -> str:
    """Return the largest rate of a matrix product for each dtype, in a line."""
    rates = (f"{rate / 1e9:.0f} GFLOP/s in {dtype}" for dtype, rate in ceiling.items())
    return f"largest rate of a plain matrix product: {', '.join(rates)}"


def presets_table(results: dict[str, Any]) -> str:
    """Return a table of the presets that were measured."""
    rows = [PRESET_COLUMNS]
    for name in PRESETS:
        if name in results:
            rows.append(preset_row(name, results[name]))
    return aligned(rows)


def preset_row(name: str, measured: dict[str, Any]) -> list[str]:
    """Return a preset's row of the table."""
    step = measured["step_seconds"]
    compiling = measured["compile_seconds"]
    return [
        name,
        str(measured["parameters"]),
        f"{milliseconds(step['median'])} "
        f"({milliseconds(step['min'])} to {milliseconds(step['max'])})",
        f"{measured['tokens_per_second']:.0f}",
        f"{measured['share_of_ceiling']:.0%}",
        f"{measured['peak_memory_mib']:.0f}",
        f"{measured['sampled_tokens_per_second']:.0f}",
        f"{measured['trace_seconds']:.2f}",
        f"{compiling['cold']:.2f}",
        f"{compiling['cached']:.2f}",
    ]


def seeds_table(measured: list[dict[str, float]]) -> str:
    """Return a table of the time of a step by the number of seeds that train at once."""
    rows = [["seeds at once", "ms a step", "times one seed"]]
    for one in measured:
        times = f"{one['times_one_seed']:.2f}"
        rows.append([str(one["seeds"]), milliseconds(one["step_seconds"]), times])
    return aligned(rows)


def workers_table(measured: dict[str, Any]) -> str:
    """Return a table of the steps a second of several workers together."""
    rows = [["workers", "steps a second together", "times one worker"]]
    for row in measured["growth"]:
        rate = f"{row['steps_per_second']:.1f}"
        rows.append([str(row["workers"]), rate, f"{row['times_one_worker']:.2f}"])
    return (
        f"one model of the preset {measured['preset']} in each worker, with one thread:\n"
        f"{aligned(rows)}"
    )


def time_to_loss_lines(sprint: dict[str, Any]) -> str:
    """Return how long a new process took to reach a loss, without and with compiled programs."""
    lines = [f"from the start of a process, {sprint['preset']} on {sprint['corpus']}:"]
    for which in ("cold", "cached"):
        end = sprint[which]
        missed = "" if end["reached"] else f", which misses the target of {sprint['target']}"
        lines.append(
            f"  {which:6} {end['seconds']:6.1f} s to a validation loss of {end['val_loss']:.4f} "
            f"after {end['step']} steps{missed}"
        )
    return "\n".join(lines)


def nanogpt_table(both: dict[str, Any]) -> str:
    """Return a table of nanoGPT's seconds, ours, and how many times as fast ours is."""
    header = [f"{both['rounds']} times in turn", "nanoGPT s", "minitx s"]
    rows = [[*header, "times as fast (min to max)"]]
    for what in ("step", "sampling", "whole_run"):
        theirs = both[what]["nanogpt_seconds"]["median"]
        ours = both[what]["minitx_seconds"]["median"]
        ratio = both[what]["times_as_fast"]
        times = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
        rows.append([what.replace("_", " "), f"{theirs:.4g}", f"{ours:.4g}", times])
    return aligned(rows)


def transformers_table(both: dict[str, Any]) -> str:
    """Return a table of transformers beside minitx, and a line on how far they agree."""
    trace = both["trace"]
    text = both["generate"]
    agreement = both["agreement"]
    rows = [
        [f"{both['model']}, median of {both['rounds']}", "transformers", "minitx", "times as fast"],
        [
            f"trace of {trace['tokens']} tokens, ms",
            milliseconds(trace["transformers_seconds"]),
            milliseconds(trace["minitx_seconds"]),
            f"{trace['times_as_fast']:.2f}",
        ],
        [
            f"{text['tokens']} greedy tokens, tokens/s",
            f"{text['transformers_tokens_per_second']:.1f}",
            f"{text['minitx_tokens_per_second']:.1f}",
            f"{text['times_as_fast']:.2f}",
        ],
    ]
    return (
        f"{aligned(rows)}\nlogits differ by {agreement['logits_relative_error']:.1e}, states by "
        f"{agreement['states_relative_error']:.1e}; {agreement['same_tokens']} of {text['tokens']} "
        "tokens are the same"
    )


def page_table(page: dict[str, Any]) -> str:
    """Return a table of the page's frame times by control, beside their multiply-adds."""
    rows = [["panel", "control", "ms a frame (most)", "million multiply-adds"]]
    for control in page["controls"].values():
        rows.append([control["panel"], control["label"], *frame_cells(control)])
    rows.append(["", "typing a prompt", *frame_cells(page["typing"])])
    return (
        f"the page ({page['bytes'] / 1e6:.1f} MB) in Chromium {page['browser']}, a prompt of "
        f"{page['prompt_tokens']} tokens; a frame has 16.7 ms:\n{aligned(rows)}"
    )


def frame_cells(frame: dict[str, float]) -> list[str]:
    return [
        f"{frame['ms']:.1f} ({frame['most_ms']:.1f})",
        f"{frame['multiply_adds'] / 1e6:.2f}",
    ]


def growth_table(found: dict[str, Any]) -> str:
    """Return a table of how time and memory grow with each size, beside the operations."""
    rows = [GROWTH_COLUMNS]
    for axis, measured in found["axes"].items():
        sizes, seconds, memory = measured["sizes"], measured["seconds"], measured["bytes"]
        rate = growth.rates(measured)
        exponents, last = measured["exponents"], measured["last_exponents"]
        times = exponents["seconds"]
        rows.append(
            [
                f"{axis} {sizes[0]} to {sizes[-1]}",
                f"{milliseconds(seconds[0])} to {milliseconds(seconds[-1])}",
                f"{memory[0] / 2**20:.0f} to {memory[-1] / 2**20:.0f}",
                f"{rate[0] / 1e9:.0f} to {rate[-1] / 1e9:.0f}",
                f"{times['median']:.2f} ({times['min']:.2f} to {times['max']:.2f})",
                f"{exponents['operations']:.2f}",
                f"{exponents['bytes']:.2f}",
                f"{last['seconds']['median']:.2f} / {last['operations']:.2f}",
            ]
        )
    return (
        f"a training step over size, {found['rounds']} times in turn; the exponent k of size^k, "
        f"over all sizes and over the last two:\n{aligned(rows)}"
    )


def milliseconds(seconds: float) -> str:
    """Return a time in milliseconds, without the unit."""
    return f"{1000 * seconds:.1f}"
