"""Training Stable-Baselines3's DQN and sb3-contrib's MaskablePPO."""

import io
from abc import abstractmethod
from typing import Any, Final, cast

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback

from autoscale.agents.base import Agent, Arrays
from autoscale.errors import InvalidInput, PolicyError
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.training.sb3 import Model, NativeVecEnv, frozen
from autoscale_envs.training.train import Report, Training

REPORT_EVERY: Final = 1024
DISCOUNT: Final = 0.1
"""The paper's: what a query leaves behind (heat, a waking radio) matters little to the next."""

_PARAMETERS: Final = "sb3"
_NEVER: Final = 10**9


class Sb3Learner:
    """What both have in common; the policy comes out as a ``Frozen``.

    Deterministic by seed on one thread of one machine. A training resumed goes on with the same weights, optimizer and
    replay buffer, in new episodes.
    """

    num_envs: int
    discount: float = DISCOUNT

    def __init__(self, training: Training) -> None:
        # More threads than one only wait for each other on layers this small.
        torch.set_num_threads(1)
        self._training = training
        settings = {name: getattr(training.options, name) for name in training.options.__slots__}
        self._env = NativeVecEnv(EdgeInferenceVectorEnv(self.num_envs, **settings))
        self._model = self.make(self._env, training.seed)

    @property
    def done(self) -> int:
        """Queries so far."""
        return self._model.num_timesteps

    @abstractmethod
    def make(self, env: NativeVecEnv, seed: int) -> Model:
        """The untrained model."""

    def run(self, until: int, report: Report) -> None:
        """Learn, in whole steps of all environments (and whole rollouts): a few queries more than asked for."""
        if self.done < until:
            self._model.set_random_seed(self._training.seed + self.done)
            reporter = _Reporter(report)
            self._model.learn(until - self.done, callback=reporter, reset_num_timesteps=False, log_interval=_NEVER)

    def agent(self) -> Agent:
        """The greedy policy."""
        return frozen(self._model, self._env.targets)

    def state(self) -> Arrays:
        """Weights and the optimizer's moments, as PyTorch writes them."""
        stream = io.BytesIO()
        torch.save(self._model.get_parameters(), stream)
        return {_PARAMETERS: np.frombuffer(stream.getvalue(), dtype=np.uint8)}

    def restore(self, done: int, state: Arrays) -> None:
        """Go on from what ``state`` gave.

        Raises:
            PolicyError: the parameters are not this model's.
        """
        try:
            # Weights only: a checkpoint from elsewhere cannot run code.
            parameters = torch.load(io.BytesIO(state[_PARAMETERS].tobytes()), weights_only=True)
            self._model.set_parameters(parameters)
        except Exception as error:  # torch fails on foreign parameters in a dozen ways
            raise PolicyError(
                f"the checkpoint's parameters are not those of '{self._training.agent}': {error}"
            ) from error
        self._model.num_timesteps = done


class DqnLearner(Sb3Learner):
    """Deep Q-learning.

    Raises:
        InvalidInput: a world that may refuse a choice: DQN knows no masks.
    """

    num_envs = 32
    _ARRAYS: Final = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")

    def make(self, env: NativeVecEnv, seed: int) -> DQN:
        """A DQN for about 100 000 queries."""
        if env.env.parameters.may_refuse:
            raise InvalidInput(
                "'dqn' may choose what is refused (a link that is down, a target where nothing is known of a network), "
                "as it knows no masks; allowed: 'ppo'"
            )
        return DQN(
            "MlpPolicy",
            env,
            seed=seed,
            device="cpu",
            gamma=self.discount,
            learning_rate=1e-3,
            learning_starts=2000,
            buffer_size=50_000,
            batch_size=256,
            train_freq=1,
            gradient_steps=2,
            target_update_interval=1000,
            exploration_fraction=0.5,
        )

    def state(self) -> Arrays:
        """The replay buffer as well."""
        buffer = self._buffer
        size = buffer.size()
        arrays = {name: getattr(buffer, name)[:size] for name in self._ARRAYS}
        return {**super().state(), **arrays, "position": np.array([buffer.pos, buffer.full])}

    def restore(self, done: int, state: Arrays) -> None:
        """Go on with the old replay buffer."""
        super().restore(done, state)
        buffer = self._buffer
        for name in self._ARRAYS:
            getattr(buffer, name)[: len(state[name])] = state[name]
        buffer.pos, buffer.full = int(state["position"][0]), bool(state["position"][1])

    @property
    def _buffer(self) -> ReplayBuffer:
        return cast(ReplayBuffer, cast(DQN, self._model).replay_buffer)


class PpoLearner(Sb3Learner):
    """Proximal policy optimisation; it never chooses a link that is down."""

    num_envs = 64

    def make(self, env: NativeVecEnv, seed: int) -> MaskablePPO:
        """A MaskablePPO for about 300 000 queries."""
        return MaskablePPO(
            "MlpPolicy",
            env,
            seed=seed,
            device="cpu",
            gamma=self.discount,
            gae_lambda=0.0,
            learning_rate=1e-3,
            n_steps=32,
            batch_size=512,
            n_epochs=4,
            ent_coef=0.01,
        )


class _Reporter(BaseCallback):
    """Reports every now and then, and ends the training when asked to."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self._report = report
        self._rewards: list[Any] = []

    def _on_step(self) -> bool:
        self._rewards.append(self.locals["rewards"])
        return len(self._rewards) * self.training_env.num_envs < REPORT_EVERY or self._tell()

    def _on_training_end(self) -> None:
        if self._rewards:
            self._tell()

    def _tell(self) -> bool:
        mean = float(np.mean(self._rewards))
        self._rewards.clear()
        return self._report(self.num_timesteps, mean)
