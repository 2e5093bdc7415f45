"""What a step of the simulator costs: the native vector environment, the scalar one, and the agents' world.

Run from the root: ``python -m benchmarks.envs``.
"""

import os
from collections.abc import Callable
from time import perf_counter, process_time, thread_time
from typing import Any, Final

import numpy as np
from gymnasium.vector import SyncVectorEnv

from autoscale.agents.base import Choice
from autoscale.arrays import Indices
from autoscale_envs.gym.env import EdgeInferenceEnv
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.variance.draws import QUERIES
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

Row = dict[str, Any]

ENVIRONMENTS: Final = 1024
PEERS: Final = 64
"""SyncVectorEnv steps one after the other, so its rate does not depend on how many there are."""
SCENARIO: Final = "D4"
"""All physics on: co-runners that change, wandering signals and rates, heat, battery, queue, hidden factors."""
REPEATS: Final = 4
BLOCKS: Final = 64
LONGEST_START_S: Final = 30.0


def best_rate(
    step: Callable[[int], object], steps: int, warm_up: int, clock: Callable[[], float] = process_time
) -> float:
    """Steps a second of processor time, the best of several runs: other work on the machine can only take from it."""
    for number in range(warm_up):
        step(number)
    return max(_rate(step, steps, clock) for _ in range(REPEATS))


def run() -> list[Row]:
    """Time the environments, all in this process; the native one by the wall clock, since it uses two cores."""
    step_s, block_s = _parts()
    native = EdgeInferenceVectorEnv(ENVIRONMENTS, scenario=SCENARIO)
    native_rate = ENVIRONMENTS * _vector_rate(native, steps=256, warm_up=64)
    peer = SyncVectorEnv([lambda: EdgeInferenceEnv(scenario=SCENARIO)] * PEERS)
    peer_rate = PEERS * _vector_rate(peer, steps=32, warm_up=1)
    return [
        _row(f"vector env, {ENVIRONMENTS}", native_rate, "queries/s", 5e6, f"SyncVectorEnv, {PEERS}: {peer_rate:.0f}"),
        _row("on one core: a step", 1e6 * step_s, "us", None),
        _row("on one core: its next 64 queries", 1e3 * block_s, "ms", None),
        _row("vector env / SyncVectorEnv", native_rate / peer_rate, "x", 50.0),
        _row("scalar env", _scalar_rate(), "steps/s", 2e4),
        _row("SimWorld, observe and perform", _world_rate(), "steps/s", 1e6 / 60.0),
    ]


def main() -> None:
    """Print the rows."""
    for row in run():
        target = "" if row["target"] is None else f">= {row['target']:.0f}"
        print(f"{row['name']:32} {row['value']:12.0f} {row['unit']:10} {target:12} {row['peer']}")


def _rate(step: Callable[[int], object], steps: int, clock: Callable[[], float]) -> float:
    start = clock()
    for number in range(steps):
        step(number)
    return steps / (clock() - start)


def _vector_rate(env: EdgeInferenceVectorEnv | SyncVectorEnv[Any, Any], steps: int, warm_up: int) -> float:
    actions = np.random.default_rng(0).integers(0, 66, (16, env.num_envs))
    env.reset(seed=0)
    if isinstance(env, EdgeInferenceVectorEnv):
        _wait_for_process(env, actions)
    return best_rate(lambda number: env.step(actions[number % 16]), steps, warm_up, perf_counter)


def _wait_for_process(env: EdgeInferenceVectorEnv, actions: Indices) -> None:
    """That makes queries ahead: it is started once a block was used up, where there is another core."""
    until_s = perf_counter() + LONGEST_START_S
    while not env._world.streams.is_ahead() and perf_counter() < until_s:
        for number in range(QUERIES):
            env.step(actions[number % 16])


def _parts() -> tuple[float, float]:
    """Seconds of processor time of a step, and of a block of queries, each below which a fifth of them lie.

    Where it has one core, the environment makes a block when it needs one, which is in every 64th step.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        env = EdgeInferenceVectorEnv(ENVIRONMENTS, scenario=SCENARIO, queries=10**9)
        actions = np.random.default_rng(0).integers(0, len(env.targets), (16, ENVIRONMENTS))
        env.reset(seed=0)
        spent_s = np.array([_spent_s(env, actions[number % 16]) for number in range(QUERIES * BLOCKS)])
    finally:
        os.sched_setaffinity(0, cores)
    by_block = spent_s.reshape(BLOCKS, QUERIES)
    step_s = float(np.quantile(by_block[:, :-1], 0.2))
    return step_s, float(np.quantile(by_block[:, -1], 0.2)) - step_s


def _spent_s(env: EdgeInferenceVectorEnv, actions: Indices) -> float:
    start = thread_time()
    env.step(actions)
    return thread_time() - start


def _scalar_rate() -> float:
    env = EdgeInferenceEnv(scenario=SCENARIO, queries=10**9)
    env.reset(seed=0)
    return best_rate(lambda number: env.step(number % 66), steps=2000, warm_up=64)


def _world_rate() -> float:
    world = SimWorld(make_parameters(WorldOptions(scenario=SCENARIO)))

    def step(number: int) -> None:
        world.perform(None, world.observe(), Choice(number % 66, 1.0))

    return best_rate(step, steps=2000, warm_up=64)


def _row(name: str, value: float, unit: str, target: float | None, peer: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "target": target, "peer": peer}


if __name__ == "__main__":
    main()
