"""A world of made-up tables: the agent is told a nominal one, the truth strays from it in a hierarchy.

Nothing here comes of the simulator or its roofline. Of the variance of ln(truth / nominal), of latency and of power
each, 40 % are of a processor, 30 % of a network on it, 20 % of its precision there, 10 % of the target (a clock step).
"""

import math
from typing import Final

import numpy as np

from autoscale import Choice, Context, Goal, Observation, Outcome, Target
from autoscale.arrays import Floats, Indices
from autoscale.loop import Performance
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import LinkState
from autoscale.query.outcome import Split
from autoscale.query.record import Attempt

NEAR: Final = ("edge:cpu/int8", "edge:gpu/fp16", "edge:npu/int8", "cloud:cpu/fp32", "cloud:gpu/fp32")
PHONES: Final = {
    "66 targets": (
        *(f"device:cpu/{each}@{800 + 90 * step}MHz" for each in ("fp32", "int8") for step in range(23)),
        *(f"device:gpu/{each}@{180 + 90 * step}MHz" for each in ("fp32", "fp16") for step in range(7)),
        *("device:npu/int8", *NEAR),
    ),
    "37 targets": (
        *(f"device:cpu/{each}@{500 + 250 * step}MHz" for each in ("fp32", "int8") for step in range(9)),
        *(f"device:gpu/{each}@{200 + 100 * step}MHz" for each in ("fp32", "fp16") for step in range(6)),
        *("device:npu/int8", "device:npu/fp16", "edge:cpu/int8", "edge:npu/int8", *NEAR[3:], "cloud:gpu/fp16"),
    ),
    "18 targets": (
        *(f"device:cpu/{each}@{threads}t" for each in ("fp32", "fp16", "int8") for threads in (1, 2, 4, 8)),
        *("device:gpu/fp16", "device:gpu/fp32", *NEAR[:2], *NEAR[3:]),
    ),
}
SHARES: Final = {"processor": 0.4, "network": 0.3, "precision": 0.2, "target": 0.1}
SPEED: Final = {"cpu": 1.0, "gpu": 0.7, "npu": 0.45}
"""Seconds for the same work, by processor, precision and place."""
PRECISE: Final = {"fp32": 1.0, "fp16": 0.65, "int8": 0.45}
PLACE: Final = {"device": 1.0, "edge": 0.5, "cloud": 0.05}
POWER_W: Final = {"cpu": 4.0, "gpu": 2.2, "npu": 1.5}


class OtherPhysics:
    """Networks that ask in turn (``autoscale.loop.World``).

    Args:
        phone: one of ``PHONES``.
        sigma: standard deviation of ln(truth / nominal), of latency and of power.
        seed: of all that is random here.
        networks: how many ask.
        is_told: whether agents see the nominal table; else one that says the same of all targets.
        wrong: a factor by which each processor's latency and power are off, one way or the other, besides.
    """

    def __init__(
        self, phone: str, sigma: float, seed: int, networks: int = 10, *, is_told: bool = True, wrong: float = 1.0
    ) -> None:
        self.targets = tuple(Target.parse(each) for each in PHONES[phone])
        self.is_told, self.rng = is_told, np.random.default_rng([seed, len(self.targets)])
        kinds = [(each.place, each.host, each.processor) for each in self.targets]
        self.processor = _numbered(kinds)
        self.precision = _numbered([(*kind, each.precision) for kind, each in zip(kinds, self.targets, strict=True)])
        self._nominal(networks)
        self.slower, self.hungrier = self._strays(networks, sigma, wrong), self._strays(networks, sigma, wrong)
        processors = self.processor.max() + 1
        self.strain, self.rate = (np.exp(self.rng.normal(0.0, sigma, processors))[self.processor] for _ in range(2))
        self.noise = np.exp(self.rng.uniform(math.log(0.03), math.log(0.1), processors))[self.processor]
        self.shift = np.ones(len(self.targets))
        fastest = np.sort(self.work + self.wire, axis=1)
        limits = [np.quantile(row, self.rng.uniform(0.1, 0.6)) for row in fastest]
        self.goals = [Goal(latency_s=float(np.clip(each, 0.01, 0.2))) for each in limits]
        self.models = [ModelProfile(f"network {number}", macs=int(1e9 * (number + 1))) for number in range(networks)]
        self.load, self.weak, self.asked = 0.0, np.zeros(2), 0

    @property
    def network(self) -> int:
        """Which asks now."""
        return self.asked % len(self.models)

    def observe(self, query: object = None) -> Context:
        """What an agent may know."""
        latency_s, energy_j = self._figures(is_true=False)
        if not self.is_told:
            latency_s, energy_j = np.full_like(latency_s, 0.05), np.full_like(energy_j, 0.1)
        forecast = Forecast(latency_s, energy_j, 1e-4 * energy_j, np.full(len(latency_s), np.nan))
        rssi_dbm = np.clip(-65.0 - 12.0 * self.weak, -100.0, -40.0).tolist()
        links = {place: LinkState(rssi_dbm=each) for place, each in zip(("cloud", "edge"), rssi_dbm, strict=True)}
        seen = Observation(cpu_load=self.load, links=links)
        everything = np.arange(len(self.targets))
        return Context(
            self.models[self.network], seen, self.goals[self.network], everything, lambda: forecast, float(energy_j[0])
        )

    def perform(self, query: object, context: Context, choice: Choice) -> Performance:
        """Run the query; the next one is asked, in a world that went on."""
        latency_s, energy_j = (each[choice.index] for each in self.truth())
        spread, luck = self.noise[choice.index], self.rng.normal(0.0, 1.0, 2)
        slower, hungrier = spread * luck[0], 0.7 * spread * luck.sum()
        outcome = Outcome(float(latency_s * math.exp(slower)), Split(device=float(energy_j * math.exp(hungrier))))
        self.asked += 1
        if self.rng.random() < 0.1:
            self.load = float(self.rng.choice([0.0, self.rng.random()]))
        self.weak = 0.97 * self.weak + 0.25 * self.rng.normal(0.0, 1.0, 2)
        return Performance(outcome, (Attempt(self.targets[choice.index], outcome.latency_s),))

    def truth(self) -> tuple[Floats, Floats]:
        """Latency and energy to be expected of every target."""
        return self._figures(is_true=True)

    def best(self) -> int:
        """The oracle's target."""
        latency_s, energy_j = self.truth()
        known = Forecast(latency_s, energy_j, energy_j, np.full(len(latency_s), np.nan))
        return known.best(self.goals[self.network], np.arange(len(latency_s)))

    def change(self, factor: float) -> None:
        """From now on the processor that most networks do best on takes so many times as long, and draws as much."""
        asked, bests = self.asked, []
        for number in range(len(self.models)):
            self.asked = number
            bests.append(self.processor[self.best()])
        self.asked = asked
        usual = np.bincount(bests).argmax()
        other = self.rng.choice([each for each in range(self.processor.max() + 1) if each != usual])
        self.shift = np.where(self.processor == (usual if factor > 1.0 else other), factor, self.shift)

    def _nominal(self, networks: int) -> None:
        """What the table says: work, wires and power."""
        top = {(each.place, each.processor): 1 for each in self.targets}
        for each in self.targets:
            top[each.place, each.processor] = max(top[each.place, each.processor], _setting(each))
        share = np.array([_setting(each) / top[each.place, each.processor] for each in self.targets])
        speed = [SPEED[each.processor] * PLACE[each.place] * PRECISE[each.precision] for each in self.targets]
        work = np.exp(self.rng.uniform(math.log(0.02), math.log(0.25), (networks, 1)))
        liking = self._drawn(networks, 0.35, self.processor) * self._drawn(networks, 0.15, self.precision)
        self.work = work * liking * np.array(speed) / share**0.85
        self.is_remote = np.array([each.is_remote for each in self.targets])
        self.is_cloud = np.array([each.place == "cloud" for each in self.targets])
        self.is_cpu = np.array([(each.place, each.processor) == ("device", "cpu") for each in self.targets])
        wire = np.where(self.is_remote, np.where(self.is_cloud, 0.012, 0.008), 0.0)
        self.wire = wire * np.exp(self.rng.normal(0.0, 0.4, (networks, 1)))
        self.power = np.array([POWER_W[each.processor] for each in self.targets]) * (
            0.25 + 0.25 * share + 0.5 * share**3
        )

    def _strays(self, networks: int, sigma: float, wrong: float) -> Floats:
        """Factors of the truth over the nominal, shape (networks, targets)."""
        widths = {name: sigma * math.sqrt(share) for name, share in SHARES.items()}
        factors = (
            self._drawn(1, widths["processor"], self.processor)
            * self._drawn(networks, widths["network"], self.processor)
            * self._drawn(networks, widths["precision"], self.precision)
            * self._drawn(1, widths["target"], np.arange(len(self.targets)))
        )
        either = self.rng.choice([1.0 / wrong, wrong], self.processor.max() + 1)
        return np.asarray(factors * either[self.processor])

    def _drawn(self, networks: int, width: float, cell: Indices) -> Floats:
        return np.exp(self.rng.normal(0.0, width, (networks, int(cell.max()) + 1)))[:, cell]

    def _figures(self, *, is_true: bool) -> tuple[Floats, Floats]:
        number, weak = self.network, np.clip(np.where(self.is_cloud, *self.weak) + 1.0, 0.0, 3.0)
        slower = self.slower[number] * self.shift if is_true else 1.0
        strain, rate, hungrier = (self.strain, self.rate, self.hungrier[number]) if is_true else (1.0, 1.0, 1.0)
        on_cpu, elsewhere = 1.5 * self.load * strain, np.where(self.is_remote, 0.0, 0.3 * self.load * strain)
        slow = 1.0 + np.where(self.is_cpu, on_cpu, elsewhere)
        wire_s, work_s = self.wire[number] * (1.0 + 0.6 * weak) * rate, self.work[number] * slower
        latency_s = work_s * slow + wire_s
        own_j = work_s * slow**0.8 * self.power
        return latency_s, np.where(self.is_remote, 1.1 * wire_s + 0.25 * latency_s, own_j) * hungrier


def _setting(target: Target) -> int:
    return target.frequency_hz or target.threads or 1


def _numbered(keys: list[tuple[str, ...]]) -> Indices:
    order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([order[key] for key in keys])
