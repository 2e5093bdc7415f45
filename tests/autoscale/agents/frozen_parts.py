"""Policies of plain arrays for tests: random arrays of the right shapes."""

from collections.abc import Callable, Sequence

import numpy as np

from autoscale.agents.base import Agent, Arrays, make_agent
from autoscale.agents.features import FEATURES
from autoscale.query.target import Target

WIDTH, HIDDEN, POINTS = len(FEATURES), 6, 9


def arrays_of(name: str, targets: int, seed: int = 0) -> Arrays:
    """Random arrays of the right shapes."""
    draw = np.random.default_rng(seed).normal
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "frozen": {
            "weights0": (WIDTH, HIDDEN),
            "bias0": (HIDDEN,),
            "weights1": (HIDDEN, 5),
            "bias1": (5,),
            "head": (5, 1, targets),
            "head_bias": (1, targets),
        },
        "lr": {"head": (WIDTH, 2, targets), "head_bias": (2, targets)},
        "knn": {"points": (POINTS, WIDTH), "weights": (WIDTH,), "votes": (POINTS, targets)},
    }
    outputs = 1 if name == "svm" else 2
    kernel = {
        "points": (POINTS, WIDTH),
        "sharpness": (WIDTH,),
        "dual": (POINTS, outputs, targets),
        "bias": (outputs, targets),
    }
    drawn = {key: draw(size=shape) for key, shape in shapes.get(name, kernel).items()}
    if name == "knn":
        drawn["votes"] = np.eye(targets)[np.random.default_rng(seed).integers(targets, size=POINTS)]
    return {"features": np.array(FEATURES), **drawn}


def trained(name: str) -> Callable[[Sequence[Target], int], Agent]:
    """A maker of policies with random arrays."""

    def make(targets: Sequence[Target], seed: int) -> Agent:
        agent = make_agent(name, targets, seed)
        agent.restore(arrays_of(name, len(targets)))
        return agent

    return make
