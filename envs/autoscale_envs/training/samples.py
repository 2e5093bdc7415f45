"""What predictors are fitted to: contexts met in the simulator, and what every target would have cost there."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np

from autoscale.agents.features import FEATURES, Rows
from autoscale.arrays import Floats, Indices
from autoscale_envs.worlds.carbon import objective
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.view import View, lone

QUERIES_BETWEEN: Final = 5
"""From one sample to the next, on random targets: neighbours in time are too much alike to teach anything."""
SAMPLES_PER_EPISODE: Final = 25
"""Then another device of the kind, with hidden factors of its own."""


class TrainingSet(NamedTuple):
    """Contexts, and what targets cost there.

    Attributes:
        features: of each context, shape (n, features).
        latency_s: as measured once on every target, shape (n, targets).
        objective: likewise: joules, grams or seconds.
        best: the oracle's choice, shape (n,).
    """

    features: Rows
    latency_s: Floats
    objective: Floats
    best: Indices


def concatenated(parameters: WorldParameters, samples: Iterable[TrainingSet]) -> TrainingSet:
    """Many as one; none is one of length 0."""
    targets = len(parameters.targets)
    nothing = (np.empty((0, len(FEATURES)), np.float32), *np.empty((2, 0, targets)), np.empty(0, np.intp))
    return TrainingSet(*(np.concatenate(columns) for columns in zip(nothing, *samples, strict=True)))


def gather(parameters: WorldParameters, seed: int, start: int = 0) -> Iterator[TrainingSet]:
    """Samples without end, one at a time; those of a seed are always the same ones.

    Args:
        parameters: of the world.
        seed: of its randomness.
        start: how many to leave out.
    """
    for episode in range(start // SAMPLES_PER_EPISODE, 2**31):
        samples = _episode(parameters, np.random.SeedSequence((seed, episode)))
        skipped = max(start - episode * SAMPLES_PER_EPISODE, 0)
        for number, sample in enumerate(samples):
            if number >= skipped:
                yield sample


def _episode(parameters: WorldParameters, seeds: np.random.SeedSequence) -> Iterator[TrainingSet]:
    world_seed, rng = int(seeds.generate_state(1)[0]), np.random.default_rng(seeds)
    view = lone(parameters, world_seed)
    for _ in range(SAMPLES_PER_EPISODE):
        for _ in range(QUERIES_BETWEEN):
            view.run(int(rng.choice(view.reachable())))
        yield _sample(parameters, view)


def _sample(parameters: WorldParameters, view: View) -> TrainingSet:
    cost = view.costs_everywhere()
    value = objective(parameters, view.query, cost)
    return TrainingSet(view.row()[None], cost.latency_s[None], value[None], np.array([view.best()]))
