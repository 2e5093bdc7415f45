"""Training with Stable-Baselines3: queries a second on the simulator, beside an environment that does nothing.

Run from the root: ``python -m benchmarks.sb3``. Both are trained in one run, in turns, on one core; what other work on
the machine takes away hits both.
"""

from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from autoscale_envs.training.sb3 import NativeVecEnv
from autoscale_envs.training.sb3_learner import Sb3Learner
from autoscale_envs.training.train import Training, make_learner
from autoscale_envs.worlds.options import WorldOptions
from benchmarks.agents import Row

LEAST: Final = 0.85
"""Of the steps a second on an environment that does nothing."""
WARM_UP: Final = 4096
QUERIES: Final = {"dqn": 8192, "ppo": 16384}
TURNS: Final = 5


class Nothing(NativeVecEnv):
    """The same spaces, as many environments; a step takes no time."""

    def step_wait(self) -> VecEnvStepReturn:
        """What the last reset showed, for nothing, with no end."""
        return self._observations, self._rewards, self._over, self._nothing

    def reset(self) -> Any:
        """Observations that never change."""
        self._observations = np.asarray(super().reset())
        self._rewards, self._over = np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, dtype=np.bool_)
        return self._observations


def run() -> list[Row]:
    """Time both algorithms."""
    torch.set_num_threads(1)
    return [row for name in QUERIES for row in _rows(name)]


def main() -> None:
    """Print the rows."""
    for row in run():
        target = "" if row["target"] is None else f">= {row['target']:g}"
        print(f"{row['name']:32} {row['value']:10.3f} {row['unit']:10} {target:8} {row['peer']}")


def _rows(name: str) -> list[Row]:
    ours, empty = _learner(name), _learner(name)
    # The learner makes its environment itself; here alone it gets another.
    empty._model.set_env(Nothing(empty._env.env))
    rates = np.array([[_rate(learner, QUERIES[name]) for learner in (ours, empty)] for _ in range(TURNS)])
    fastest, idle = rates.max(axis=0)
    share = float(np.median(rates[:, 0] / rates[:, 1]))
    peer = f"{idle:,.0f} queries/s on an environment that does nothing"
    return [
        {"name": f"{name} training", "value": float(fastest), "unit": "queries/s", "target": None, "peer": peer},
        {"name": f"{name} training, share of no-op", "value": share, "unit": "x", "target": LEAST, "peer": peer},
    ]


def _learner(name: str) -> Sb3Learner:
    learner = make_learner(Training(name, WorldOptions(scenario="D4")))
    assert isinstance(learner, Sb3Learner)
    learner.run(WARM_UP, lambda done, reward: True)
    return learner


def _rate(learner: Sb3Learner, queries: int) -> float:
    done, start = learner.done, perf_counter()
    learner.run(done + queries, lambda done, reward: True)
    return (learner.done - done) / (perf_counter() - start)


if __name__ == "__main__":
    main()
