"""Stable-Baselines3 at full speed on the native vector environment, and its policies as plain arrays.

>>> from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
>>> from stable_baselines3 import DQN
>>> model = DQN("MlpPolicy", NativeVecEnv(EdgeInferenceVectorEnv(4, scenario="D3"), seed=0), learning_starts=8)
>>> agent = frozen(model.learn(32), model.get_env().targets)
>>> agent.name
'frozen'
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn
from torch import nn

from autoscale.agents.base import Arrays
from autoscale.agents.features import FEATURES
from autoscale.agents.frozen import Frozen, FrozenOptions
from autoscale.arrays import Indices
from autoscale.errors import InvalidInput
from autoscale.query.target import Target
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv

Model = DQN | MaskablePPO

LEAST_COST: Final = 1e-3
"""Of the reference query's; cheaper ones are all alike to a logarithm."""

_ACTIVATIONS: Final[dict[type[nn.Module], str]] = {nn.Tanh: "tanh", nn.ReLU: "relu"}


class NativeVecEnv(VecEnv):
    """Gymnasium's vector interface as SB3's: one call a step for all environments, none of them wrapped alone.

    SB3 expects the step that ends an episode to begin the next one, and each environment's ``info`` apart; the figures
    in the native ``info`` are left out, because no algorithm reads them.

    A late answer is worth -10, the best and the second best target -0.05 and -0.06: networks that regress on such
    rewards learn to be in time and nothing else. In logarithms, which keep the order, both differences show.

    Args:
        env: the native environment; it must not be used beside this.
        seed: of environment 0, the others counting on.
        log_rewards: whether a reward r becomes -ln(-r).
    """

    def __init__(self, env: EdgeInferenceVectorEnv, seed: int | None = None, *, log_rewards: bool = True) -> None:
        self.env = env
        self._takes_logs = log_rewards
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.seed(seed)
        self._nothing: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the actions stand for."""
        return self.env.targets

    def reset(self) -> VecEnvObs:
        """Begin every episode, with the seeds given last."""
        observations, _ = self.env.reset(seed=self._seeds)
        self._reset_seeds()
        return observations

    def step_async(self, actions: Indices) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Take them; where an episode ends, its last observation is in ``info`` and the next one has begun."""
        observations, rewards, _, ended, _ = self.env.step(self._actions)
        infos = self._nothing
        if ended.any():
            infos = [{"terminal_observation": each, "TimeLimit.truncated": True} for each in observations]
            infos = [info if over else {} for info, over in zip(infos, ended, strict=True)]
            ended = ended.copy()
            observations, _ = self.env.reset(options={"reset_mask": ended})
        if self._takes_logs:
            rewards = -np.log(np.maximum(-rewards, LEAST_COST))
        return observations, rewards.astype(np.float32), ended, infos

    def close(self) -> None:
        """Nothing is held open."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The same attribute for every environment.

        Raises:
            AttributeError: there is none.
        """
        return [getattr(self.env, attr_name)] * len(self._chosen(indices))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: environments share what they are made of."""
        raise InvalidInput(f"'{attr_name}' cannot be set: the environments share their attributes")

    def env_method(self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **_: Any) -> list[Any]:
        """A method that gives a row for each environment, as ``action_masks``; the rows asked for."""
        rows = getattr(self.env, method_name)(*method_args)
        return [rows[index] for index in self._chosen(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """None is."""
        return [False] * len(self._chosen(indices))

    def _chosen(self, indices: VecEnvIndices) -> Sequence[int]:
        return list(self._get_indices(indices))


def frozen(model: Model, targets: Sequence[Target]) -> Frozen:
    """The greedy policy of a DQN or MaskablePPO with an MLP, as plain arrays: it chooses what ``predict`` does.

    Raises:
        InvalidInput: its policy is no plain perceptron over the features.
    """
    if isinstance(model, DQN):
        body, head = model.policy.q_net.q_net, None
    else:
        body, head = model.policy.mlp_extractor.policy_net, model.policy.action_net
    layers = [*body] if head is None else [*body, head]
    agent = Frozen(targets, FrozenOptions(activation=_activation(layers)))
    agent.restore({"features": np.array(FEATURES), **_arrays([each for each in layers if isinstance(each, nn.Linear)])})
    return agent


def _activation(layers: Sequence[nn.Module]) -> str:
    kinds = {type(layer) for layer in layers} - {nn.Linear}
    if len(kinds) > 1 or not kinds <= _ACTIVATIONS.keys():
        raise InvalidInput(f"layers {[type(layer).__name__ for layer in layers]}; allowed: Linear with Tanh or ReLU")
    return _ACTIVATIONS[kinds.pop()] if kinds else "tanh"


def _arrays(layers: Sequence[nn.Linear]) -> Arrays:
    pairs: Iterator[tuple[Any, Any]] = ((each.weight.detach().numpy(), each.bias.detach().numpy()) for each in layers)
    *hidden, (head, head_bias) = pairs
    arrays = {"head": head.T[:, None, :].copy(), "head_bias": head_bias[None].copy()}
    for number, (weights, bias) in enumerate(hidden):
        arrays |= {f"weights{number}": weights.T.copy(), f"bias{number}": bias.copy()}
    return arrays
