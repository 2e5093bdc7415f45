"""What nobody announces: a first figure that was not what is usual, and a target that is better than it was."""

from typing import Final

import numpy as np
import pytest

from autoscale.agents.base import make_agent
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target
from tests.autoscale.agents.toy_parts import NETWORKS, Floats

TARGETS: Final = (Target.parse("device:cpu/fp32@1t"), Target.parse("cloud:cpu/fp32"))
LATENCY_S, ENERGY_J = np.array([0.03, 0.04]), np.array([0.4, 0.24])
"""The cloud is the better target, whatever its first figure or its forecast says."""


class _Asked:
    """A corrector that met each target once, the cloud when it was cold; its forecast of the cloud is told anew."""

    def __init__(self, seed: int, first: float, noise: float) -> None:
        self.rng, self.noise = np.random.default_rng(seed), noise
        self.agent = make_agent("corrector", TARGETS, seed)
        for index, factor in enumerate((1.0, first)):
            self.agent.learn(self._context(first), index, self._outcome(index, factor), 0.0)

    def picks(self, told: float, queries: int) -> Floats:
        """Which target answered each of so many queries, where the cloud's forecast is wrong by a factor at first."""
        picks = []
        for _ in range(queries):
            context = self._context(told)
            index = self.agent.select(context).index
            outcome = self._outcome(index, float(np.exp(self.rng.normal(0.0, self.noise))))
            self.agent.learn(context, index, outcome, 0.0)
            if index == 1:
                told += 0.2 * (outcome.latency_s / LATENCY_S[1] - told)  # as a session's forecasts do
            picks.append(index)
        return np.array(picks, dtype=np.float64)

    def _context(self, told: float) -> Context:
        factors = np.array([1.0, told])
        figures = LATENCY_S * factors, ENERGY_J * factors, 1e-4 * ENERGY_J
        goal, everything = Goal(latency_s=0.3), np.arange(2)
        forecast = Forecast(*figures, np.full(2, np.nan))
        return Context(NETWORKS[1], Observation(), goal, everything, lambda: forecast, reference=0.4)

    def _outcome(self, index: int, factor: float) -> Outcome:
        return Outcome(float(LATENCY_S[index] * factor), Split(device=float(ENERGY_J[index] * factor)))


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_a_single_figure_of_a_target_is_soon_looked_into(noise: float) -> None:
    """The cloud's first answers were three times dearer than its usual ones, and the forecast is made of those."""
    firsts = [int(np.argmax(_Asked(seed, first=3.0, noise=noise).picks(3.0, 60) > 0.0)) for seed in range(12)]
    assert np.median(firsts) <= 15


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_what_became_better_is_found_again_soon(noise: float) -> None:
    good, back = [], []
    for seed in range(12):
        asked = _Asked(seed, first=1.0, noise=noise)
        good.append(asked.picks(1.0, 40).mean())
        asked.picks(20.0, 60)  # the link is slow, and the forecast says so
        picks = asked.picks(2.5, 60)  # the link is good again, which the forecast has not fully seen
        back.append(int(np.argmax(picks > 0.0)) if picks.any() else len(picks))
    assert np.median(good) > 0.7
    assert np.median(back) <= 40


def test_where_nothing_changes_looks_become_rare() -> None:
    asked = _Asked(0, first=1.0, noise=0.05)
    looks = [1.0 - asked.picks(1.0, 300).mean() for _ in range(4)]
    assert looks[-1] < 0.02


class _Busy:
    """A device whose other work makes one network of two late there; the cloud is dearer, and in time."""

    LATENCY_S: Final = {"light": np.array([0.03, 0.04]), "heavy": np.array([0.2, 0.25])}

    def __init__(self, seed: int, noise: float) -> None:
        self.rng, self.noise = np.random.default_rng(seed), noise
        self.agent = make_agent("corrector", TARGETS, seed)

    def late(self, slowdown: float, queries: int) -> Floats:
        """Which of the heavy network's choices are expected to be late; networks ask by turns."""
        late = []
        for number in range(2 * queries):
            model = NETWORKS[number % 2]
            told = self.LATENCY_S[model.name], np.array([0.2, 0.3])
            forecast = Forecast(*told, 1e-4 * told[1], np.full(2, np.nan))
            context = Context(
                model, Observation(), Goal(latency_s=0.3), np.arange(2), lambda forecast=forecast: forecast, 0.2
            )
            index = self.agent.select(context).index
            takes_s = told[0][index] * (slowdown if (model.name, index) == ("heavy", 0) else 1.0)
            latency_s, energy_j = (
                np.array([takes_s, told[1][index]]) * np.exp(self.rng.normal(0.0, self.noise, 2))
            ).tolist()
            self.agent.learn(context, index, Outcome(latency_s, Split(device=energy_j)), 0.0)
            if model.name == "heavy":
                late.append(takes_s > 0.3)
        return np.array(late, dtype=np.float64)


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_a_change_of_one_network_alone_is_no_noise(noise: float) -> None:
    before, after = [], []
    for seed in range(8):
        busy = _Busy(seed, noise)
        before.append(busy.late(1.0, 60).sum())
        after.append(busy.late(2.7, 40).sum())
    assert max(before) == 0.0
    assert np.median(after) <= 10


def test_what_one_network_lost_is_kept_and_fades_where_nobody_looks() -> None:
    busy = _Busy(0, 0.05)
    busy.late(1.0, 60)
    late = busy.late(2.7, 400)
    assert late[:200].sum() >= late[200:].sum() > 0.0
    saved = make_agent("corrector", TARGETS, 0)
    saved.restore(busy.agent.state())
    saved.rng.bit_generator.state = busy.agent.rng.bit_generator.state
    assert {name: array.tolist() for name, array in saved.state().items()} == {
        name: array.tolist() for name, array in busy.agent.state().items()
    }
    other = _Busy(1, 0.05)
    other.agent, other.rng = saved, np.random.default_rng(7)
    busy.rng = np.random.default_rng(7)
    assert other.late(1.0, 80).tolist() == busy.late(1.0, 80).tolist()


def test_what_a_network_has_of_its_own_is_no_change_for_the_others() -> None:
    """One is answered by the cloud for the first time, for less than half of what is told; another knows it well."""
    agent, everything = make_agent("corrector", TARGETS), np.arange(2)
    forecast = Forecast(LATENCY_S, ENERGY_J, 1e-4 * ENERGY_J, np.full(2, np.nan))

    def asked(network: int) -> Context:
        return Context(NETWORKS[network], Observation(), Goal(latency_s=0.3), everything, lambda: forecast)

    def answered(network: int, target: int, factor: float) -> None:
        outcome = Outcome(float(LATENCY_S[target]), Split(device=float(ENERGY_J[target] * factor)))
        agent.learn(asked(network), target, outcome, 0.0)

    for target in [0, 1] * 20:
        answered(0, target, 1.0)
    for _ in range(40):
        answered(1, 0, 1.0)
    answered(1, 1, 0.4)
    assert agent.believe(asked(1)).energy_j[1] < 0.6 * ENERGY_J[1]
    assert agent.believe(asked(0)).energy_j[1] == pytest.approx(ENERGY_J[1], rel=0.1)
