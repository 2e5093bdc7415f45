"""What a decision costs: choosing and learning, in process, at the paper's size of 3072 states by 66 targets.

Run from the root: ``python -m benchmarks.agents``.
"""

import gc
from collections.abc import Callable, Sequence
from time import perf_counter_ns
from typing import Any, Final

import numpy as np

from autoscale.agents.base import make_agent
from autoscale.agents.q_learning import QLearning
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import LinkState, Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.target import Target

Row = dict[str, Any]

TARGETS: Final = (
    *(Target("device", "cpu", "fp32", frequency_hz=10**8 * step) for step in range(1, 65)),
    Target("edge", "npu", "int8"),
    Target("cloud", "gpu", "fp32"),
)
MANY: Final = (*(Target("device", "cpu", "fp32", frequency_hz=10**6 * step) for step in range(1, 659)), *TARGETS[-2:])
QUERIES: Final = 64
CALLS: Final = 2000
REPEATS: Final = 9
LIMITS_US: Final = {("q-learning", "select"): 5.0, ("q-learning", "learn"): 8.0}
BOTH_US: Final = {66: 40.0, 660: 120.0}
"""What the corrector's choosing and learning may take together, by targets."""
PAPER_US: Final = {"select": 10.6, "learn": 25.4}
"""AutoScale, MICRO 2020: a decision without and with learning, on a phone."""


def contexts(targets: int = len(TARGETS)) -> list[Context]:
    """Queries of many networks in many states of the world, their forecasts already made."""
    rng = np.random.default_rng(0)
    return [_context(rng, targets) for _ in range(QUERIES)]


def p50_us(call: Callable[[int], object]) -> float:
    """The least of several medians of a call's time: other work on the machine can only add to it."""
    gc.disable()
    medians = [np.median([_timed_ns(call, i) for i in range(CALLS)]) for _ in range(REPEATS)]
    gc.enable()
    return float(min(medians)) / 1e3


def run() -> list[Row]:
    """Time the learners and weigh the table."""
    rows = [_row(QLearning.name, verb, value) for verb, value in timings(QLearning.name, TARGETS).items()]
    rows += [row for targets in (TARGETS, MANY) for row in _corrector(targets)]
    table = QLearning(TARGETS).table.nbytes / 2**20
    return [*rows, {"name": "q-learning table", "value": table, "unit": "MiB", "target": 0.4, "peer": "paper: 0.4 MB"}]


def main() -> None:
    """Print the rows."""
    for row in run():
        target = "" if row["target"] is None else f"<= {row['target']:g}"
        print(f"{row['name']:32} {row['value']:8.3f} {row['unit']:4} {target:8} {row['peer']}")


def timings(name: str, targets: Sequence[Target]) -> dict[str, float]:
    """Microseconds of choosing and of learning, by verb, in warm caches."""
    agent, queries = make_agent(name, targets), contexts(len(targets))
    outcomes = [Outcome(0.01 + 0.001 * i, Split(device=0.03)) for i in range(QUERIES)]
    calls = {
        "select": lambda i: agent.select(queries[i % QUERIES]),
        "learn": lambda i: agent.learn(queries[i % QUERIES], i % len(targets), outcomes[i % QUERIES], -1.0),
    }
    return {verb: p50_us(call) for verb, call in calls.items()}


def _row(name: str, verb: str, value: float) -> Row:
    peer = f"paper, on a phone: {PAPER_US[verb]} us" if name == QLearning.name else ""
    return {"name": f"{name} {verb}", "value": value, "unit": "us", "target": LIMITS_US.get((name, verb)), "peer": peer}


def _corrector(targets: Sequence[Target]) -> list[Row]:
    told, name = timings("corrector", targets), f"corrector, {len(targets)} targets,"
    both = {
        "name": f"{name} both",
        "value": sum(told.values()),
        "unit": "us",
        "target": BOTH_US[len(targets)],
        "peer": "",
    }
    return [*(_row(name, verb, value) for verb, value in told.items()), both]


def _context(rng: np.random.Generator, targets: int) -> Context:
    network = ModelProfile(f"network-{rng.integers(4)}", conv=int(rng.integers(100)), macs=int(rng.integers(4 * 10**9)))
    links = {name: LinkState(rssi_dbm=float(rng.uniform(-95.0, -40.0))) for name in ("edge", "cloud")}
    latency_s, energy_j, carbon_g = rng.uniform(0.005, 0.1, (3, targets))
    forecast = Forecast(latency_s, energy_j, carbon_g, np.full(targets, np.nan))
    everything = np.arange(targets)
    context = Context(network, Observation(float(rng.random()), 0.5, links), Goal(), everything, lambda: forecast)
    assert context.forecast is forecast
    return context


def _timed_ns(call: Callable[[int], object], number: int) -> int:
    start = perf_counter_ns()
    call(number)
    return perf_counter_ns() - start


if __name__ == "__main__":
    main()
