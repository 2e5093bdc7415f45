"""A small world whose best target is known: what a learner must find, in milliseconds."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from autoscale.agents.base import Agent, Choice
from autoscale.loop import Performance, run_query
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import LinkState, Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.record import Attempt
from autoscale.query.target import Target

Floats = npt.NDArray[np.float64]

FEW = tuple(
    Target.parse(text)
    for text in ("device:cpu/fp32", "device:cpu/int8", "device:gpu/fp16", "edge:cpu/int8", "cloud:gpu/fp32")
)
MANY = tuple(
    Target.parse(text)
    for text in (
        *(f"device:cpu/{precision}@{800 + 90 * step}MHz" for precision in ("fp32", "int8") for step in range(23)),
        *(f"device:gpu/{precision}@{180 + 90 * step}MHz" for precision in ("fp32", "fp16") for step in range(7)),
        *("device:npu/int8", "edge:cpu/int8", "edge:gpu/fp16", "edge:npu/int8", "cloud:cpu/fp32", "cloud:gpu/fp32"),
    )
)
"""As many as the paper's Mi 8 Pro: 66."""

NETWORKS = (
    ModelProfile("light", conv=20, macs=300_000_000),
    ModelProfile("heavy", conv=60, fully_connected=20, macs=4_000_000_000),
)
GOAL = Goal(latency_s=0.05)
LOADS = (0.0, 0.9)
STRENGTHS = (-55.0, -90.0)
RATES = {"cpu": 20e9, "gpu": 18e9, "npu": 24e9}
"""MACs a second in fp32 at the highest setting."""
POWERS = {"cpu": 5.5, "gpu": 2.8, "npu": 1.8}


class ToyWorld:
    """Two loads, two signals, two networks; a forecast that is off by a hidden factor for every target.

    Args:
        targets: FEW or MANY.
        error: standard deviation of the log of the forecast's hidden factor, one a target and quantity.
        noise: standard deviation of the log of one outcome around its expectation.
        failures: share of remote queries that take ten times as long, which no forecast knows.
        seed: of all that is random here.
    """

    def __init__(
        self, targets: Sequence[Target], error: float = 0.0, noise: float = 0.0, failures: float = 0.0, seed: int = 0
    ) -> None:
        self.targets = tuple(targets)
        self.rng = np.random.default_rng(seed)
        self.noise = noise
        self.failures = failures
        self.slowdown = np.ones(len(targets))
        self.errors = np.exp(self.rng.normal(0.0, error, (2, len(targets))) if error else np.zeros((2, len(targets))))

    def observe(self, query: ModelProfile) -> Context:
        links = {place: LinkState(rssi_dbm=float(self.rng.choice(STRENGTHS))) for place in ("cloud", "edge")}
        seen = Observation(cpu_load=float(self.rng.choice(LOADS)), links=links)
        latency_s, energy_j = self.expected(query, seen, self.errors)
        forecast = Forecast(latency_s, energy_j, 1e-4 * energy_j, np.full(len(self.targets), np.nan))
        everything = np.arange(len(self.targets))
        return Context(query, seen, GOAL, everything, lambda: forecast, reference=float(energy_j[0]))

    def perform(self, query: ModelProfile, context: Context, choice: Choice) -> Performance:
        latency_s, energy_j = self.truth(context)
        factor = np.exp(self.rng.normal(0.0, self.noise)) if self.noise else 1.0
        if self.targets[choice.index].is_remote and self.rng.random() < self.failures:
            factor *= 10.0
        outcome = Outcome(float(latency_s[choice.index] * factor), Split(device=float(energy_j[choice.index] * factor)))
        return Performance(outcome, (Attempt(self.targets[choice.index], outcome.latency_s),))

    def truth(self, context: Context) -> Floats:
        """Expected latency and energy of every target, shape (2, targets)."""
        truth = self.expected(context.model, context.observation, np.ones_like(self.errors))
        return np.asarray(truth * self.slowdown, dtype=np.float64)

    def best(self, context: Context) -> int:
        """The known best answer."""
        latency_s, energy_j = self.truth(context)
        return Forecast(latency_s, energy_j, energy_j, np.full(len(self.targets), np.nan)).best(
            context.goal, context.admitted
        )

    def expected(self, network: ModelProfile, seen: Observation, factors: Floats) -> Floats:
        """Latency and energy of every target times its factors, shape (2, targets)."""
        figures = np.array([_physics(target, network, seen) for target in self.targets]).T
        return np.asarray(figures * factors, dtype=np.float64)


def _physics(target: Target, network: ModelProfile, seen: Observation) -> tuple[float, float]:
    rate, watts = RATES[target.processor], POWERS[target.processor]
    rate *= {"fp32": 1.0, "fp16": 1.5, "int8": 2.0}[target.precision]
    if target.is_remote:
        weak = (seen.link(target.place).rssi_dbm or 0.0) <= -80.0
        wire_s = (0.015 if target.place == "cloud" else 0.01) * (2.4 if weak else 1.0)
        latency_s = wire_s + network.macs / (rate * (50.0 if target.place == "cloud" else 3.0))
        return latency_s, 1.5 * wire_s + 0.3 * latency_s
    highest = {"cpu": 2780e6, "gpu": 720e6, "npu": 1.0}[target.processor]
    share = (target.frequency_hz or highest) / highest
    slow = 1.0 + 4.0 * (seen.cpu_load or 0.0) if target.processor == "cpu" else 1.0
    slow *= 3.0 if target.processor != "cpu" and network.fully_connected > 10 else 1.0
    latency_s = 0.002 + network.macs / (rate * share) * slow
    return latency_s, latency_s * watts * (0.2 + 0.3 * share + 0.5 * share**3)


class Run:
    """What came of some queries: how often it was right and late, and what it cost beside the known best."""

    def __init__(self, world: ToyWorld, agent: Agent, queries: int) -> None:
        late, right, cost_j, least, losses, picks = [], [], [], [], [], []
        for number in range(queries):
            network = NETWORKS[number % 2]
            _, context, decision = run_query(world, agent, network, requested="AUTO")
            best = world.best(context)
            latency_s, energy_j = world.truth(context)
            picked = world.targets.index(decision.chosen)
            late.append(decision.outcome.is_late(context.goal))
            cost_j.append(energy_j[picked])
            least.append(energy_j[best])
            missed = latency_s[picked] > GOAL.latency_s >= latency_s[best]
            right.append(not missed and energy_j[picked] <= 1.05 * energy_j[best])
            losses.append(10.0 * missed + energy_j[picked] / energy_j[best] - 1.0)
            picks.append(picked)
        self.late, self.right, self.picks = np.array(late), np.array(right), np.array(picks)
        self.cost_j, self.least, self.losses = np.array(cost_j), np.array(least), np.array(losses)
