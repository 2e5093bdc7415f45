"""The corrector in worlds that tell it nothing: how far targets lie apart is learned, for networks met before too."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from autoscale.agents.base import make_agent
from autoscale.agents.cells import Cells
from autoscale.agents.correction.hierarchy import QUANTITIES, Hierarchy
from autoscale.agents.corrector import Corrector
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target

TARGETS = tuple(
    Target.parse(f"device:{each}") for each in ("cpu/fp32#a", "cpu/fp32#b", "gpu/fp32#a", "cpu/int8#a", "gpu/int8#a")
)
DEAR = {"fp32": (0.5, 1.0, 0.3), "int8": (0.2, 0.4)}
"""Joules of a network's targets in each precision: the GPU pays in fp32, the CPU in int8."""


def learned(tree: Hierarchy, scale: float, seen: Sequence[tuple[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    known, sums = tree.nothing(), np.zeros((2, QUANTITIES, 3))
    processors = Cells(TARGETS).processor
    for index, residual in seen:
        path = tree.path(known, index)
        told = tree.learn(path, scale, [residual] * QUANTITIES, [100.0] * QUANTITIES, [1e9] * QUANTITIES)
        tree.put(known, index, path)
        sums[:, :, processors[index]] += [told.weight, told.weighted]
    return known, sums


@pytest.mark.parametrize(("scale", "new"), [(36.0, 2.0), (1.5, 20.0), (4.0, 4.0)])
def test_what_was_learned_at_one_scale_is_what_another_would_have_learned(scale, new):
    tree, seen = Hierarchy(Cells(TARGETS)), [(0, 0.3), (2, -0.5), (0, 0.4), (3, 0.1), (4, 0.8)]
    known, sums = learned(tree, scale, seen)
    wanted, wanted_sums = learned(tree, new, seen)
    sums += tree.rescale(known, scale, new)
    assert known == pytest.approx(wanted)
    assert sums == pytest.approx(wanted_sums)


def played(agent: Corrector, networks: int, visits: int) -> list[int]:
    """How often a target that costs twice the best was tried, visit by visit."""
    dear = [0] * visits
    for visit in range(visits):
        for number in range(networks):
            precision = ("fp32", "int8")[number % 2]
            own = np.array([i for i, each in enumerate(TARGETS) if each.precision == precision])
            size = 0.01 * 1.3**number
            context = Context(ModelProfile(f"n{number}"), Observation(), Goal(latency_s=math.inf), own)
            choice = agent.select(context)
            joules = size * DEAR[precision][own.tolist().index(choice.index)]
            agent.learn(context, choice.index, Outcome(0.1 * joules, Split(joules)), 0.0)
            dear[visit] += joules > 1.9 * size * min(DEAR[precision])
    return dear


def test_what_networks_have_in_common_is_not_found_out_for_each_anew():
    agent = make_agent("corrector", TARGETS, seed=0)
    assert isinstance(agent, Corrector)
    dear = played(agent, networks=20, visits=30)
    assert sum(dear) < 30  # of 600; each of the networks has one or two such targets
    assert sum(dear[10:]) <= 6


def test_a_policy_keeps_by_what_it_learned():
    agent = Corrector(TARGETS, seed=0)
    played(agent, networks=4, visits=6)
    again = Corrector(TARGETS, seed=0)
    again.restore(agent.state())
    again.rng.bit_generator.state = agent.rng.bit_generator.state
    context = Context(ModelProfile("n1"), Observation(), Goal(latency_s=math.inf), np.array([3, 4]))
    assert again.probabilities(context) == pytest.approx(agent.probabilities(context))
    assert again.state()["by_precision"].all()
    assert played(again, networks=4, visits=3) == played(agent, networks=4, visits=3)
