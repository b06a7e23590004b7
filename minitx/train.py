"""The training loop: stretches of steps, evaluations, and reports on both.

To follow one model: `fit` asks `train` for reports, `train_seeds` makes them from `stretches`, and
those run `step.step`. Arrays of token ids come in, parameters go out; nothing here reads or writes
files.
"""

import itertools
import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Mesh

from minitx.config import ModelConfig, TrainConfig
from minitx.devices import workers
from minitx.devices.beside import beside
from minitx.devices.mesh import make_mesh, put
from minitx.devices.processes import agree
from minitx.errors import InputError
from minitx.model import Params, Transformer
from minitx.objective import compile_evaluation, evaluate_seeds
from minitx.optimizer import schedule
from minitx.progress import Evaluation, NonFinite, Report, Stretch, make_reports
from minitx.step import TrainState, compile_steps, init_state, program_of, run_steps

REPORT_SECONDS = 0.5  # between two reports, roughly


def stretches(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    val_tokens: np.ndarray,
    states: TrainState,
    mesh: Mesh,
) -> Iterator[Stretch]:
    """Train E seeds to the end, or until none can go on: about two stretches a second.

    Every evaluation ends a stretch. The lengths of stretches have no influence on the result.
    """
    tokens = put(np.asarray(train_tokens, np.int32), mesh)
    here = int(np.asarray(states.step).max())
    length = 1
    while here < recipe.steps:
        evaluation_step = min(recipe.steps, (here // recipe.eval_every + 1) * recipe.eval_every)
        goal = min(here + length, evaluation_step)
        steps_before = np.asarray(states.step).sum()
        clock = time.perf_counter()
        states = run_steps(config, recipe, mesh, states, tokens, goal)
        steps_done = int(np.asarray(states.step).sum() - steps_before)  # waits for them
        seconds = time.perf_counter() - clock
        train_loss_E = np.asarray(states.loss_sum) / ((goal - 1) % recipe.eval_every + 1)
        val_loss_E = None
        if goal == evaluation_step:
            val_loss_E = evaluate_seeds(config, recipe.loss, states.params, val_tokens, mesh)
            states = after_evaluation(states, goal, val_loss_E, mesh)
        yield Stretch(states, goal, seconds, steps_done, train_loss_E, val_loss_E)
        if np.all(np.asarray(states.bad_step) >= 0):
            return
        # No longer than twice the last stretch, and the same in all processes.
        affordable = int(REPORT_SECONDS * (goal - here) / seconds)
        length = int(agree(max(1, min(2 * length, affordable))))
        here = goal


def after_evaluation(states: TrainState, step: int, val_loss_E, mesh: Mesh) -> TrainState:
    """Start a new mean of the training loss; stop each seed whose validation loss overflowed."""
    bad_step_E = np.asarray(states.bad_step)
    overflow_E = (bad_step_E < 0) & ~np.isfinite(val_loss_E)
    return states._replace(
        loss_sum=put(np.zeros(len(val_loss_E), np.float32), mesh),
        bad_step=put(np.where(overflow_E, step, bad_step_E), mesh),
    )


# --- reports -------------------------------------------------------------------------------------


def train_seeds(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    val_tokens: np.ndarray,
    states: Sequence[TrainState],
    mesh: Mesh | None = None,
    seconds: float = 0.0,
) -> Iterator[list[Report]]:
    """Train E models in one program, from states at one step; about twice a second, report on each.

    Each becomes the model that it would be alone, to rounding. Seeds and peak rates are those of
    the states. `seconds` is the time already spent. A model whose loss or gradient stops being a
    number stays at its last good state, and its report says why; the others go on. Raises
    InputError where a text is shorter than the context, or a batch cannot be divided among the
    devices.
    """
    mesh = mesh or make_mesh(1)
    check_lengths(config, train_tokens, val_tokens)
    check_share(recipe, mesh)
    started = time.perf_counter() - seconds
    stacked = put(jax.tree.map(lambda *leaves: np.stack(leaves), *states), mesh)
    failures: list[str | None] = [None] * len(states)
    for stretch in stretches(config, recipe, train_tokens, val_tokens, stacked, mesh):
        share = float(schedule(program_of(recipe), stretch.step - 1))
        seconds = time.perf_counter() - started
        yield make_reports(config, recipe, train_tokens, stretch, failures, share, seconds)


def check_lengths(config: ModelConfig, train_tokens, val_tokens) -> None:
    """Raise InputError if a text is too short to train or to validate this model on."""
    for name, tokens, least in (
        ("training", train_tokens, config.context + 1),
        ("validation", val_tokens, 2),
    ):
        if len(tokens) < least:
            raise InputError(
                f"the {name} split has {len(tokens)} tokens, but context={config.context} needs "
                f"{least}: use a longer text or a smaller --context"
            )


def check_share(recipe: TrainConfig, mesh: Mesh) -> None:
    """Raise InputError if a batch cannot be divided among the devices of the mesh."""
    below = recipe.batch // mesh.size * mesh.size
    if recipe.batch != below:
        choices = f"{below} or {below + mesh.size}" if below else str(mesh.size)
        raise InputError(
            f"batch={recipe.batch} cannot be divided among {mesh.size} devices: choose {choices}"
        )


# --- to the end ----------------------------------------------------------------------------------


def train(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens: np.ndarray,
    val_tokens: np.ndarray,
    state: TrainState | None = None,
    mesh: Mesh | None = None,
    seconds: float = 0.0,
) -> Iterator[Report]:
    """Train one model, from a state or from the recipe's seed, with a report about twice a second.

    Raises NonFinite where training cannot go on, and InputError as `train_seeds` does.
    """
    mesh = mesh or make_mesh(1)
    if state is None:
        clock = time.perf_counter()
        # On two cores 3.1 s; one after the other took 3.6 (`sprint`, 2026-11-30).
        with beside(
            lambda: compile_steps(config, recipe, mesh, len(train_tokens)),
            lambda: compile_evaluation(config, recipe.loss, val_tokens, mesh),
        ):
            state = init_state(config, recipe)
        seconds += time.perf_counter() - clock
    for (report,) in train_seeds(config, recipe, train_tokens, val_tokens, [state], mesh, seconds):
        if report.failure:
            raise NonFinite(report.failure, report.state)
        yield report


def fit(
    config: ModelConfig, recipe: TrainConfig, train_tokens, val_tokens
) -> tuple[Transformer, list[Evaluation]]:
    """Train one model to the end, and return it with its evaluations.

    >>> import numpy as np
    >>> text = np.tile(np.arange(5), 40)  # 0 1 2 3 4 0 1 2 3 4 ...
    >>> config = ModelConfig(width=8, heads=2, depth=1, context=10, vocab=5)
    >>> recipe = TrainConfig(steps=60, lr=0.02, warmup=5, eval_every=30)
    >>> model, history = fit(config, recipe, text, text)
    >>> [e.step for e in history], history[-1].val_loss < 0.1
    ([30, 60], True)
    """
    history = []
    for report in train(config, recipe, train_tokens, val_tokens):
        if report.evaluation:
            history.append(report.evaluation)
    return Transformer.of(config, report.state.params), history


def fit_seeds(
    config: ModelConfig,
    recipe: TrainConfig,
    train_tokens,
    val_tokens,
    seeds: Sequence[int],
    jobs: int | None = None,
) -> list[tuple[Transformer, list[Evaluation]]]:
    """`fit` for each of several seeds: return a model and a history for each.

    On a CPU, `jobs` worker processes, by default one on each core, train a seed each. Their number
    has no influence on the result. Raises InputError for impossible seeds and failed training.
    """
    check_seeds(seeds)
    groups = [seeds] if workers.in_this_process() else [[seed] for seed in seeds]
    tasks = [(config, recipe, train_tokens, val_tokens, group) for group in groups]
    models = []
    for params, history in itertools.chain(*workers.results(fit_together, tasks, jobs)):
        models.append((Transformer.of(config, put(params, make_mesh(1))), history))
    return models


def fit_together(
    config: ModelConfig, recipe: TrainConfig, train_tokens, val_tokens, seeds: Sequence[int]
) -> Iterator[list[tuple[Params, list[Evaluation]]]]:
    """Train several seeds in one program; yield the parameters and the history of each, once.

    Raises NonFinite for the first seed whose training cannot go on.
    """
    states = [init_state(config, recipe, seed) for seed in seeds]
    histories: list[list[Evaluation]] = [[] for _ in seeds]
    for reports in train_seeds(config, recipe, train_tokens, val_tokens, states):
        for report, history in zip(reports, histories, strict=True):
            if report.failure:
                raise NonFinite(f"seed {int(report.state.seed)}: {report.failure}", report.state)
            if report.evaluation:
                history.append(report.evaluation)
    yield list(zip([report.state.params for report in reports], histories, strict=True))


def check_seeds(seeds: Sequence[int]) -> None:
    """Raise InputError unless there is a seed, and each is a whole number from 0 to 2^32 - 1."""
    if len(seeds) == 0:
        raise InputError("seeds=[]: give at least one seed")
    for seed in seeds:
        if not (isinstance(seed, (int, np.integer)) and 0 <= seed < 2**32):
            raise InputError(f"seed={seed!r} is out of range: it must be between 0 and 2^32 - 1")
