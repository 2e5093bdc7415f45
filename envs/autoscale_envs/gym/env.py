"""``AutoScale/EdgeInference-v0``: one query a step, and the action is where it runs.

>>> import gymnasium
>>> env = gymnasium.make("AutoScale/EdgeInference-v0", device="mi8pro", scenario="D3", oracle=True)
>>> observation, info = env.reset(seed=0)
>>> observation, reward, terminated, truncated, info = env.step(60)
>>> info["target"]
'device:npu/int8'
"""

from operator import index
from typing import Any, Unpack

import gymnasium
import numpy as np
import numpy.typing as npt

from autoscale.agents.features import FEATURES, HIGH, LOW
from autoscale.errors import InvalidTarget, one_of
from autoscale.query.target import Target
from autoscale_envs.gym.arguments import flag_of, no_options
from autoscale_envs.gym.render import RENDER_MODES, History, draw
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.observe import Rows
from autoscale_envs.worlds.options import WorldKeywords, options_from
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.score import score
from autoscale_envs.worlds.view import lone


def observation_space() -> gymnasium.Space[Rows]:
    """The row of ``autoscale.agents.features``."""
    return gymnasium.spaces.Box(LOW, HIGH, (len(FEATURES),), np.float32)


class EdgeInferenceEnv(gymnasium.Env[Rows, np.int64]):
    """Where shall this query run? An episode is a row of queries; it is truncated at its end, never terminated.

    An action whose link is down is a failed attempt: the device waits until the answer would be too late, and runs the
    query on its CPU in fp32.

    The observation is ``autoscale.agents.features.Encoder`` of what an agent on the device would see; action ``i``
    is ``targets[i]``; the reward is ``autoscale.agents.reward.reward``.

    ``info`` of a step: ``energy_j`` (of the device), ``latency_s``, ``carbon_g`` (that it added, of all),
    ``qos_violation``, ``accuracy_violation``, ``did_fallback`` (the link was down), ``target``, and, if asked for,
    ``oracle_action``: what would have been best for that query. ``info`` of a step and of ``reset`` holds
    ``action_mask`` of the query that is asked next, as ``action_masks`` gives it, of int8.

    Args:
        oracle: whether ``info`` holds ``oracle_action``.
        render_mode: ``rgb_array`` or None.
        **settings: see ``WorldOptions``.

    Raises:
        UnexpectedKeyword: a setting that does not exist.
        InvalidInput: one that is out of range; from ``step``, an action that is out of range.
    """

    metadata = {  # noqa: RUF012 - Gymnasium declares it so
        "render_modes": RENDER_MODES,
        "render_fps": 10,
    }

    def __init__(
        self, *, oracle: bool = False, render_mode: str | None = None, **settings: Unpack[WorldKeywords]
    ) -> None:
        if render_mode is not None:
            one_of("render mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        self.parameters = make_parameters(options_from(settings))
        self.observation_space = observation_space()
        self.action_space = gymnasium.spaces.Discrete(len(self.parameters.targets))
        self._shows_oracle = flag_of(oracle)
        self._view = lone(self.parameters, None)
        self._history = History(self.parameters)
        self._names = [str(target) for target in self.parameters.targets]
        self._done = 0
        self._all = np.ones(len(self._names), dtype=np.int8)

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the actions stand for."""
        return self.parameters.targets

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Rows, dict[str, Any]]:
        """Begin an episode: new hidden factors, a cool device.

        Raises:
            InvalidInput: there are no options.
        """
        no_options(options)
        super().reset(seed=seed)
        self._view.restart(seed)
        self._history = History(self.parameters)
        self._done = 0
        return self._view.row(), {"action_mask": self._mask()}

    def step(self, action: np.int64 | int) -> tuple[Rows, float, bool, bool, dict[str, Any]]:
        """Run the query on a target.

        Raises:
            InvalidTarget: an action that is out of range or no integer; nothing was changed.
        """
        view, best = self._view, None
        try:
            target, query = index(action), view.query
        except TypeError as error:
            raise InvalidTarget(f"action is {action!r}; allowed: an integer") from error
        if self._shows_oracle or self.render_mode:
            best = view.best()
        truth = view.truth() if self.render_mode else None
        view.check(target)
        did_fallback = view.is_refused(target)
        cost = view.run(target)
        scored = score(self.parameters, query, cost)
        self._done += 1
        info: dict[str, Any] = {
            "energy_j": float(cost.device_j),
            "latency_s": float(cost.latency_s),
            "carbon_g": float(scored.carbon_g),
            "qos_violation": bool(scored.is_late),
            "accuracy_violation": bool(scored.is_inaccurate),
            "did_fallback": did_fallback,
            "target": self._names[target],
            "action_mask": self._mask(),
        }
        if self._shows_oracle:
            info["oracle_action"] = best
        if truth is not None and best is not None:
            self._history.add(target, best, info["energy_j"], float(truth.energy_j[best]))
        return view.row(), float(scored.reward), False, self._done >= self.parameters.options.queries, info

    def action_masks(self) -> Flags:
        """Which actions can be chosen now, shape (targets,)."""
        return self._view.admitted()

    def _mask(self) -> npt.NDArray[np.int8]:
        """New each time: people keep infos."""
        return self._view.admitted().astype(np.int8) if self.parameters.may_refuse else self._all.copy()

    def oracle_action(self) -> int:
        """The best action for the query now asked."""
        return self._view.best()

    def render(self) -> Any:
        """Where the episode's queries ran, and the energy they took beside the oracle's; uint8, shape (400, 800, 3).

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return draw(self._history) if self.render_mode else None
