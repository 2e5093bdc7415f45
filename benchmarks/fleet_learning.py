"""A thousand devices of one model learn together: ``python -m benchmarks.fleet_learning``.

Each differs from the profile by what all of the model share (the profile is wrong of it) and by what is its own.
Devices have unequal data and speed. Asked: what the first 10 queries of a network cost a new device that starts from
the fleet's posterior, beside one that starts afresh; and after what time the pool, which waits for
nobody, is as close to the truth as synchronous rounds, which wait for the last.
"""

import argparse
import json
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale import Choice, Context, Goal, Observation, Outcome, Target
from autoscale.agents.correction.pooling import Pool, Privacy
from autoscale.agents.corrector import Corrector
from autoscale.agents.reward import reward
from autoscale.arrays import Floats
from autoscale.query.forecast import Forecast
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Split

TARGETS: Final = tuple(
    Target.parse(each)
    for each in (
        *(f"device:cpu/{precision}@{threads}t" for precision in ("fp32", "int8") for threads in (1, 2, 4)),
        *("device:gpu/fp16", "device:npu/int8", "edge:npu/int8", "cloud:gpu/fp32"),
    )
)
NETWORKS: Final = 8
SHARED: Final = 0.35
"""Standard deviation of ln that the profile is wrong by, of each network and target, for all devices alike."""
OWN: Final = 0.12
"""What a device has of its own."""
NOISE: Final = 0.06
FIRST: Final = 10
SPREAD_OF_SPEED: Final = 1.2
"""Standard deviation of ln(queries an hour) over devices."""


@dataclass(frozen=True, slots=True)
class Model:
    """A device model: what its profile says and what its devices share, each (networks, targets)."""

    energy_j: Floats
    latency_s: Floats
    wrong: Floats


class Device:
    """One device of a model."""

    def __init__(self, model: Model, seed: int) -> None:
        self._model, self._dice = model, np.random.default_rng(seed)
        own = self._dice.normal(0.0, OWN, model.wrong.shape)
        self.factor = np.exp(model.wrong + own)
        self.agent = Corrector(TARGETS, seed)

    def query(self, network: int) -> float:
        """Ask once; how far the choice's expected joules are above the best's, as a fraction."""
        model, factor = self._model, self.factor[network]
        told = Forecast(
            model.latency_s[network], model.energy_j[network], model.energy_j[network], np.full(len(TARGETS), 0.7)
        )
        context = Context(
            ModelProfile(f"net-{network}"), Observation(), Goal(latency_s=10.0), np.arange(len(TARGETS)), lambda: told
        )
        choice: Choice = self.agent.select(context)
        expected_j = model.energy_j[network] * factor
        noise = np.exp(self._dice.normal(0.0, NOISE))
        outcome = Outcome(
            float(model.latency_s[network][choice.index] * factor[choice.index] * noise),
            Split(device=float(expected_j[choice.index] * noise)),
        )
        self.agent.learn(context, choice.index, outcome, reward(outcome, context.goal, context.reference))
        return float(expected_j[choice.index] / expected_j.min() - 1.0)


def main() -> None:
    """Print what was found, as text or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet_learning", description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--newcomers", type=int, default=100)
    parser.add_argument("--epsilon", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found = run(asked.devices, asked.newcomers, Privacy(asked.epsilon), asked.seed)
    print(
        json.dumps(found, indent=2) if asked.json else "\n".join(f"{name}: {each:.4g}" for name, each in found.items())
    )


def run(devices: int, newcomers: int, privacy: Privacy, seed: int) -> dict[str, float]:
    """Let the devices learn, newcomers start, and both ways of pooling run in simulated time."""
    dice = np.random.default_rng(seed)
    model = _model(dice)
    fleet = [Device(model, seed + 1 + number) for number in range(devices)]
    queries = np.minimum(np.exp(dice.normal(np.log(80.0), 0.8, devices)).astype(int) + 5, 400)  # unequal data
    for device, count in zip(fleet, queries, strict=True):
        for number in range(count):
            device.query(number // 10 % NETWORKS)
    hours = queries / np.exp(dice.normal(np.log(20.0), SPREAD_OF_SPEED, devices))  # unequal speed
    pool = Pool(TARGETS)
    for number, device in enumerate(fleet):
        pool.add(str(number), device.agent.statement())
    released = pool.release(privacy, dice)
    fresh, started = _first_queries(model, newcomers, seed, {}), _first_queries(model, newcomers, seed, released)
    waited, unwaited = _hours(model, fleet, hours, privacy, dice)
    return {
        "devices": devices,
        "epsilon": privacy.epsilon,
        "first_queries_excess_afresh": fresh,
        "first_queries_excess_from_fleet": started,
        "synchronous_hours": waited,
        "asynchronous_hours": unwaited,
        "asynchronous_over_synchronous": unwaited / waited,
    }


def _model(dice: np.random.Generator) -> Model:
    shape = (NETWORKS, len(TARGETS))
    size = np.exp(dice.normal(0.0, 1.0, (NETWORKS, 1)))
    energy_j = 0.05 * size * np.exp(dice.normal(0.0, 0.4, shape))
    return Model(energy_j, 0.02 * size * np.exp(dice.normal(0.0, 0.4, shape)), dice.normal(0.0, SHARED, shape))


def _first_queries(model: Model, newcomers: int, seed: int, released: dict[str, Floats]) -> float:
    """Mean excess over the best target of each network's first queries."""
    excess = []
    for number in range(newcomers):
        device = Device(model, seed + 10**6 + number)
        device.agent.start_from(released)
        excess += [device.query(network) for _ in range(FIRST) for network in range(NETWORKS)]
    return float(np.mean(excess))


def _hours(
    model: Model, fleet: list[Device], hours: Floats, privacy: Privacy, dice: np.random.Generator
) -> tuple[float, float]:
    """When the synchronous round is done, and when the pool is first as close to what the devices share."""
    statements = [device.agent.statement() for device in fleet]
    everyone = Pool(TARGETS)
    for number, each in enumerate(statements):
        everyone.add(str(number), each)
    goal = _error(model, everyone.release(privacy, dice)) * 1.1
    pool, order = Pool(TARGETS), np.argsort(hours)
    step = max(len(fleet) // 50, 1)
    for first in range(0, len(fleet), step):
        for number in order[first : first + step]:
            pool.add(str(number), statements[number])
        last = order[min(first + step, len(fleet)) - 1]
        if _error(model, pool.release(privacy, dice)) <= goal:
            return float(hours.max()), float(hours[last])
    return float(hours.max()), float(hours.max())


def _error(model: Model, released: dict[str, Floats]) -> float:
    """Root mean square of what the pool says of energy beside what the profile is wrong by."""
    strayed = [
        released[f"net-{number}"][0] - np.clip(model.wrong[number], -0.7, 0.7)
        if f"net-{number}" in released
        else model.wrong[number]
        for number in range(NETWORKS)
    ]
    return float(np.sqrt(np.mean(np.square(strayed))))


if __name__ == "__main__":
    main()
