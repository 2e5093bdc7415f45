"""What anything that is plugged in must do: call these from the tests of an agent or a world of your own.

>>> from autoscale.agents.fixed import Cloud
>>> check_agent(lambda targets, seed: Cloud(targets, seed=seed))

Every check raises AssertionError, with a message that says what was done and what was wrong with the answer.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.agents.base import AGENTS, Agent, Choice
from autoscale.context import Context
from autoscale.errors import InvalidInput, TargetError
from autoscale.forecast import Forecast, Indices
from autoscale.goal import Goal
from autoscale.loop import Performance, World
from autoscale.model import ModelProfile
from autoscale.observation import LinkState, Observation
from autoscale.outcome import Outcome, Split
from autoscale.policies import load_policy, save_policy
from autoscale.record import ANSWERED
from autoscale.reward import reward
from autoscale.target import Target

Make = Callable[[Sequence[Target], int], Agent]
"""Makes an agent for some targets with a seed."""

TARGETS: Final = tuple(
    Target.parse(text)
    for text in (
        *("device:cpu/fp32@1t", "device:cpu/fp32@2t", "device:cpu/int8@2t", "device:npu/int8"),
        *("edge:npu/int8", "cloud:cpu/fp32", "cloud:gpu/fp16"),
    )
)
_NETWORKS: Final = (
    ModelProfile("small", conv=20, macs=300_000_000),
    ModelProfile("large", conv=95, macs=6_000_000_000),
)
_GOALS: Final = (Goal(), Goal("carbon", latency_s=math.inf), Goal("latency", min_accuracy=0.7))
_DRAWS: Final = 2000


def check_agent(make: Make) -> None:
    """Check an agent against everything its interface promises.

    Args:
        make: makes one; it is called several times, with targets of every kind.
    """
    for check in (
        _chooses_an_admitted_target,
        _states_its_probabilities,
        _repeats_itself,
        _leaves_the_context_alone,
        _learns_from_anything,
        _needs_no_forecast_or_says_so,
        _survives_a_file,
    ):
        check(make)


def check_world(world: World, queries: Iterable[Any]) -> None:
    """Check the contexts a world shows and what it makes of choices.

    Args:
        world: is asked to run each query once, on one of the admitted targets in turn.
        queries: what it takes; a dozen or more try every target.
    """
    _require(len(set(world.targets)) == len(world.targets) > 0, f"targets are none or repeat: {world.targets}")
    for number, query in enumerate(queries):
        context = world.observe(query)
        _check_context(context, len(world.targets))
        index = int(context.admitted[number % len(context.admitted)])
        try:
            performance = world.perform(query, context, Choice(index, 1.0))
        except TargetError as error:
            mode = context.goal.mode
            _require(not mode.may_fall_back, f"mode {mode} may fall back, yet the query was lost to {error!r}")
        else:
            _check_performance(performance, world.targets)


def _chooses_an_admitted_target(make: Make) -> None:
    agent, rng = make(TARGETS, 0), np.random.default_rng(1)
    for _ in range(200):
        context = _context(rng)
        choice = _select(agent, context)
        if len(context.admitted) == 1:
            _require(choice.probability > 1.0 - 1e-9, f"one target admitted, chosen with {choice.probability}")
        _teach(agent, context, choice.index, rng)


def _states_its_probabilities(make: Make) -> None:
    """Over n draws, 1 / probability of the draws of one target sums to about n: what off-policy judgement rests on."""
    agent, rng = _experienced(make, 0), np.random.default_rng(2)
    context = _context(rng, everything=True)
    choices = [_select(agent, context) for _ in range(_DRAWS)]
    for index in {choice.index for choice in choices}:
        chances = np.array([choice.probability for choice in choices if choice.index == index])
        if chances.mean() < 0.02:
            continue
        estimate, spread = (1.0 / chances).sum(), math.sqrt(_DRAWS * (1.0 / chances.mean() - 1.0) + 1e-9)
        _require(
            abs(estimate - _DRAWS) <= 6.0 * spread + 1e-6 * _DRAWS,
            f"target {index} was chosen {chances.size} times in {_DRAWS}, with a stated chance of {chances.mean()}",
        )


def _repeats_itself(make: Make) -> None:
    first, second = (_choices(make(TARGETS, 7), seed=3) for _ in range(2))
    _require(first == second, "two agents of one seed, shown the same, chose differently")


def _leaves_the_context_alone(make: Make) -> None:
    agent, rng = make(TARGETS, 0), np.random.default_rng(4)
    for _ in range(20):
        context = _context(rng)
        before = _contents(context)
        _teach(agent, context, _select(agent, context).index, rng)
        _require(_contents(context) == before, "the agent changed its context")


def _learns_from_anything(make: Make) -> None:
    agent, rng = make(TARGETS, 0), np.random.default_rng(5)
    extremes = [
        Outcome(latency_s, Split(device=energy_j), accuracy=accuracy)
        for latency_s in (0.0, 1e9)
        for energy_j in (0.0, 1e-30, 1e30)
        for accuracy in (None, 0.0, 1.0)
    ]
    for outcome in extremes:
        context = _context(rng)
        _select(agent, context)
        for index in context.admitted:
            agent.learn(context, int(index), outcome, reward(outcome, context.goal, context.reference))
        _select(agent, _context(rng))


def _needs_no_forecast_or_says_so(make: Make) -> None:
    agent, context = make(TARGETS, 0), _context(np.random.default_rng(6), forecast=False)
    try:
        _select(agent, context)
    except InvalidInput as error:
        _require("forecast" in str(error), f"without a forecast it raises {error!r}, which does not say so")


def _survives_a_file(make: Make) -> None:
    agent = _experienced(make, 8)
    options = dict(agent.options())
    _require(json.loads(json.dumps(options)) == options, f"options do not survive JSON: {options}")
    copy = _reborn(agent)
    agent.rng, copy.rng = np.random.default_rng(9), np.random.default_rng(9)
    for learn in (False, True):
        same = _choices(agent, 10, learn=learn) == _choices(copy, 10, learn=learn)
        _require(same, "saved and loaded, it chooses differently")


def _reborn(agent: Agent) -> Agent:
    if agent.name not in AGENTS.names():
        copy = type(agent).from_options(agent.targets, agent.options())
        copy.restore(agent.state())
        return copy
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "policy.npz")
        save_policy(agent, path)
        return load_policy(path, agent.targets)


def _select(agent: Agent, context: Context) -> Choice:
    choice = agent.select(context)
    _require(type(choice.index) is int, f"index {choice.index!r} is no int")
    _require(choice.index in context.admitted, f"chose {choice.index}; admitted: {context.admitted}")
    _require(0.0 < choice.probability <= 1.0 + 1e-9, f"a probability of {choice.probability}")
    return choice


def _teach(agent: Agent, context: Context, index: int, rng: np.random.Generator) -> None:
    outcome = Outcome(float(rng.uniform(0.001, 0.2)), Split(device=float(rng.uniform(0.001, 1.0))), accuracy=0.8)
    agent.learn(context, index, outcome, reward(outcome, context.goal, context.reference))


def _choices(agent: Agent, seed: int, *, learn: bool = True) -> list[Choice]:
    rng, choices = np.random.default_rng(seed), []
    for _ in range(50):
        context = _context(rng)
        choices.append(_select(agent, context))
        if learn:
            _teach(agent, context, choices[-1].index, rng)
    return choices


def _experienced(make: Make, seed: int) -> Agent:
    agent = make(TARGETS, seed)
    _choices(agent, seed)
    return agent


def _context(rng: np.random.Generator, *, forecast: bool = True, everything: bool = False) -> Context:
    count = len(TARGETS)
    size = count if everything else rng.integers(1, count + 1)
    admitted = np.sort(rng.choice(count, size, replace=False))
    links = {name: LinkState(rssi_dbm=float(rng.uniform(-95.0, -40.0))) for name in ("cloud", "edge")}
    seen = Observation(cpu_load=float(rng.random()), links=links)
    latency_s, energy_j, carbon_g = rng.uniform(0.001, 0.2, (3, count))
    expected = Forecast(latency_s, energy_j, carbon_g, rng.uniform(0.5, 1.0, count))
    network, goal = _NETWORKS[rng.integers(2)], _GOALS[rng.integers(3)]
    reference = float(expected.objective(goal)[1])
    return Context(network, seen, goal, admitted, (lambda: expected) if forecast else None, reference)


def _contents(context: Context) -> tuple[object, ...]:
    known = context.forecast
    arrays = () if known is None else (known.latency_s, known.energy_j, known.carbon_g, known.accuracy)
    seen = [array.tobytes() for array in (context.admitted, *arrays)]
    return (*seen, repr(context.model), repr(context.observation), context.goal, context.reference)


def _check_context(context: Context, targets: int) -> None:
    admitted: Indices = np.asarray(context.admitted)
    _require(admitted.ndim == 1 and admitted.size > 0, f"admitted has the shape {admitted.shape}; at least one entry")
    _require(np.issubdtype(admitted.dtype, np.integer), f"admitted holds {admitted.dtype}, not indices")
    _require(len(np.unique(admitted)) == admitted.size, f"admitted repeats itself: {admitted}")
    _require(admitted.min() >= 0 and admitted.max() < targets, f"admitted {admitted}, but there are {targets} targets")
    _require(0.0 < context.reference < math.inf, f"reference is {context.reference}")
    if context.forecast is not None:
        _check_forecast(context.forecast, targets)


def _check_forecast(forecast: Forecast, targets: int) -> None:
    for name in ("latency_s", "energy_j", "carbon_g", "accuracy"):
        values = getattr(forecast, name)
        _require(values.shape == (targets,), f"forecast.{name} has the shape {values.shape}, not {(targets,)}")
        if name == "accuracy":
            fits = np.isnan(values) | ((values >= 0.0) & (values <= 1.0))
        else:
            fits = np.isfinite(values) & (values > 0.0)
        _require(bool(fits.all()), f"forecast.{name} is {values}")


def _check_performance(performance: Performance, targets: Sequence[Target]) -> None:
    _require(len(performance.attempts) > 0, "no attempts, yet an outcome")
    *failed, last = performance.attempts
    _require((last.reason, last.error) == (ANSWERED, None), f"the last attempt did not answer: {last}")
    _require(all(attempt.reason != ANSWERED for attempt in failed), f"tried on after an answer: {performance.attempts}")
    for attempt in performance.attempts:
        _require(attempt.target in targets, f"tried {attempt.target}, which is none of the world's targets")
        _require(0.0 <= attempt.latency_s < math.inf, f"an attempt took {attempt.latency_s} s")
    outcomes = [performance.outcome, *(outcome for _, outcome in performance.lessons)]
    for outcome in outcomes:
        figures = (outcome.latency_s, outcome.energy_j.total, outcome.carbon_g)
        _require(all(0.0 <= figure < math.inf for figure in figures), f"an outcome of {outcome}")
    for index, _ in performance.lessons:
        _require(0 <= index < len(targets), f"a lesson about target {index}, but there are {len(targets)} targets")


def _require(fact: bool, message: str) -> None:
    # Not the statement: python -O would drop it, and a check that checks nothing is worse than none.
    if not fact:
        raise AssertionError(message)
