"""What a decision of a policy of plain arrays costs, its features included: 24 features, 66 targets.

Run from the root: ``python -m benchmarks.frozen``.
"""

from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Arrays, make_agent
from autoscale.agents.features import FEATURES, Encoder
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import LinkState, Observation
from benchmarks.agents import QUERIES, TARGETS, Row, p50_us

WIDTH: Final = len(FEATURES)
HIDDEN: Final = 64
POINTS: Final = 300
"""As many as a predictor is fitted to by default."""
LIMIT_US: Final = 10.0
SB3_US: Final = {"frozen": "SB3's predict of the same network: DQN 71 us, PPO 123 us"}


def run() -> list[Row]:
    """Time the encoding alone and each kind of policy."""
    seen, encode = contexts(), Encoder()
    encoding = p50_us(lambda i: encode(seen[i % QUERIES]))
    rows = [_row("features", encoding, None)]
    for name, arrays in _policies().items():
        agent = make_agent(name, TARGETS)
        agent.restore({"features": np.array(FEATURES), **arrays})
        rows.append(_row(f"{name} select", _select_us(agent, seen), LIMIT_US))
    return rows


def main() -> None:
    """Print the rows."""
    for row in run():
        target = "" if row["target"] is None else f"<= {row['target']:g}"
        print(f"{row['name']:20} {row['value']:8.3f} {row['unit']:4} {target:8} {row['peer']}")


def contexts() -> list[Context]:
    """Queries of some networks with everything sensed."""
    rng, goal, everything = np.random.default_rng(0), Goal(), np.arange(len(TARGETS))
    networks = [ModelProfile(f"network-{i}", conv=10 * i, macs=10**9 * i, input_bytes=150528) for i in range(1, 5)]
    return [Context(networks[i % 4], _observation(rng), goal, everything) for i in range(QUERIES)]


def _select_us(agent: Agent, seen: list[Context]) -> float:
    return p50_us(lambda i: agent.select(seen[i % QUERIES]))


def _policies() -> dict[str, Arrays]:
    draw, targets = np.random.default_rng(1).normal, len(TARGETS)
    shapes: dict[str, dict[str, tuple[int, ...]]] = {
        "frozen": {
            **{"weights0": (WIDTH, HIDDEN), "bias0": (HIDDEN,), "weights1": (HIDDEN, HIDDEN), "bias1": (HIDDEN,)},
            **{"head": (HIDDEN, 1, targets), "head_bias": (1, targets)},
        },
        "lr": {"head": (WIDTH, 2, targets), "head_bias": (2, targets)},
        "svm": {"points": (POINTS, WIDTH), "sharpness": (WIDTH,), "dual": (POINTS, 1, targets), "bias": (1, targets)},
        "svr": {"points": (POINTS, WIDTH), "sharpness": (WIDTH,), "dual": (POINTS, 2, targets), "bias": (2, targets)},
        "knn": {"points": (POINTS, WIDTH), "weights": (WIDTH,), "votes": (POINTS, targets)},
    }
    return {name: {key: draw(size=shape) for key, shape in each.items()} for name, each in shapes.items()}


def _observation(rng: np.random.Generator) -> Observation:
    load, memory, battery, *rssi = rng.random(5)
    links = {
        name: LinkState(-40.0 - 50.0 * each, 0.01, 5e7, 8e7, True)
        for name, each in zip(("edge:tab-s6", "cloud"), rssi, strict=True)
    }
    return Observation(load, memory, links, 35.0, battery, False, {"device": 350.0, "cloud": 120.0})


def _row(name: str, value: float, target: float | None) -> Row:
    return {"name": name, "value": value, "unit": "us", "target": target, "peer": SB3_US.get(name.split()[0], "")}


if __name__ == "__main__":
    main()
