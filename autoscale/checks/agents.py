"""What an agent must do: call this from the tests of one of your own.

>>> from autoscale.agents.fixed import Cloud
>>> check_agent(lambda targets, seed: Cloud(targets, seed=seed))

Every check raises AssertionError, with a message that says what was done and what was wrong with the answer.
"""

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.agents.base import AGENTS, ROUNDING, Agent, Choice
from autoscale.agents.policies import load_policy, save_policy
from autoscale.agents.reward import reward
from autoscale.checks.require import require
from autoscale.errors import InvalidInput
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import LinkState, Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target

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
        _states_them_of_all_targets,
        _repeats_itself,
        _chooses_as_it_would_unprepared,
        _leaves_the_context_alone,
        _learns_from_anything,
        _needs_no_forecast_or_says_so,
        _survives_a_file,
    ):
        check(make)


def _chooses_an_admitted_target(make: Make) -> None:
    agent, rng = make(TARGETS, 0), np.random.default_rng(1)
    for _ in range(200):
        context = _context(rng)
        choice = _select(agent, context)
        if len(context.admitted) == 1:
            require(choice.probability > 1.0 - ROUNDING, f"one target admitted, chosen with {choice.probability}")
        _teach(agent, context, choice.index, rng)


def _states_its_probabilities(make: Make) -> None:
    """Over n draws, 1 / probability of the draws of one target sums to about n: what off-policy evaluation rests on."""
    agent, rng = _experienced(make, 0), np.random.default_rng(2)
    context = _context(rng, everything=True)
    choices = [_select(agent, context) for _ in range(_DRAWS)]
    for index in {choice.index for choice in choices}:
        chances = np.array([choice.probability for choice in choices if choice.index == index])
        if chances.mean() < 0.02:
            continue
        estimate, spread = (1.0 / chances).sum(), math.sqrt(_DRAWS * (1.0 / chances.mean() - 1.0) + 1e-9)
        require(
            abs(estimate - _DRAWS) <= 6.0 * spread + 1e-6 * _DRAWS,
            f"target {index} was chosen {chances.size} times in {_DRAWS}, with a stated chance of {chances.mean()}",
        )


def _states_them_of_all_targets(make: Make) -> None:
    agent, rng = _experienced(make, 0), np.random.default_rng(3)
    for _ in range(10):
        context = _context(rng)
        chances = agent.probabilities(context)
        require(chances.shape == (len(TARGETS),), f"probabilities of shape {chances.shape} for {len(TARGETS)} targets")
        require(abs(chances.sum() - 1.0) < 1e-6, f"probabilities that sum to {chances.sum()}")
        outside = np.delete(chances, context.admitted)
        require(chances.min() >= 0.0 and not outside.any(), f"probabilities {chances}; admitted: {context.admitted}")
        choice = _select(agent, context)
        stated = chances[choice.index]
        require(abs(stated - choice.probability) < 0.02, f"chosen with {choice.probability}, told before as {stated}")


def _repeats_itself(make: Make) -> None:
    first, second = (_choices(make(TARGETS, 7), seed=3) for _ in range(2))
    require(first == second, "two agents of one seed, shown the same, chose differently")


def _chooses_as_it_would_unprepared(make: Make) -> None:
    told, untold = (_choices(make(TARGETS, 7), seed=3, is_told=each) for each in (True, False))
    require(told == untold, "an agent that could anticipate its contexts chose differently from one that could not")


def _leaves_the_context_alone(make: Make) -> None:
    agent, rng = make(TARGETS, 0), np.random.default_rng(4)
    for _ in range(20):
        context = _context(rng)
        before = _contents(context)
        _teach(agent, context, _select(agent, context).index, rng)
        require(_contents(context) == before, "the agent changed its context")


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
        require("forecast" in str(error), f"without a forecast it raises {error!r}, which does not say so")


def _survives_a_file(make: Make) -> None:
    agent = _experienced(make, 8)
    options = dict(agent.options())
    require(json.loads(json.dumps(options)) == options, f"options do not survive JSON: {options}")
    copy = _reborn(agent)
    agent.rng, copy.rng = np.random.default_rng(9), np.random.default_rng(9)
    for learn in (False, True):
        same = _choices(agent, 10, learn=learn) == _choices(copy, 10, learn=learn)
        require(same, "saved and loaded, it chooses differently")


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
    require(type(choice.index) is int, f"index {choice.index!r} is no int")
    require(choice.index in context.admitted, f"chose {choice.index}; admitted: {context.admitted}")
    require(0.0 < choice.probability <= 1.0 + ROUNDING, f"a probability of {choice.probability}")
    return choice


def _teach(agent: Agent, context: Context, index: int, rng: np.random.Generator) -> None:
    outcome = Outcome(float(rng.uniform(0.001, 0.2)), Split(device=float(rng.uniform(0.001, 1.0))), accuracy=0.8)
    agent.learn(context, index, outcome, reward(outcome, context.goal, context.reference))


def _choices(agent: Agent, seed: int, *, learn: bool = True, is_told: bool = False) -> list[Choice]:
    rng, others, choices = np.random.default_rng(seed), np.random.default_rng(seed + 1), []
    for number in range(50):
        context = _context(rng)
        if is_told:
            agent.anticipate(context if number % 2 else _context(others))
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
