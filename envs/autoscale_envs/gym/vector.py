"""Many ``AutoScale/EdgeInference-v0`` computed together; sub-environment ``i`` is the scalar one of its seed."""

from collections.abc import Sequence
from typing import Any, Unpack

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from autoscale.arrays import Indices
from autoscale.errors import InvalidInput, InvalidTarget
from autoscale.query.target import Target
from autoscale_envs.gym.arguments import count_of, flag_of, mask_of, mode_of, seeds_of
from autoscale_envs.gym.env import observation_space
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.observe import Rows
from autoscale_envs.worlds.options import WorldKeywords, options_from
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.world import BatchedWorld

Infos = dict[str, Any]


class EdgeInferenceVectorEnv(VectorEnv[Rows, Indices, Any]):
    """One query a step in each of ``num_envs`` environments.

    An environment whose episode has ended is reset as Gymnasium's ``SyncVectorEnv`` does it: by the next step, whatever
    the action (``NEXT_STEP``); by the same one (``SAME_STEP``), whose ``info`` then holds ``final_obs`` and
    ``final_info``; or by ``reset`` alone (``DISABLED``). ``info`` holds what the scalar environment's does but for
    ``target``, as arrays of shape (num_envs,).

    Args:
        num_envs: how many.
        autoreset_mode: when ended episodes begin anew, or its name (``NextStep``, ``SameStep``, ``Disabled``).
        oracle: whether ``info`` holds ``oracle_action``; it costs several times the step itself.
        render_mode: None; watch a scalar environment instead.
        **settings: see ``WorldOptions``.

    Raises:
        UnexpectedKeyword: a setting that does not exist.
        InvalidInput: one that is out of range; from ``step``, an action that is out of range, or an episode that has
            ended and is not reset.
    """

    metadata = {  # noqa: RUF012 - Gymnasium declares it so
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "render_modes": [],
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        oracle: bool = False,
        render_mode: None = None,
        **settings: Unpack[WorldKeywords],
    ) -> None:
        if render_mode is not None:
            raise InvalidInput(f"render_mode is {render_mode!r}; allowed: None; watch a scalar environment instead")
        self.num_envs = num_envs = count_of(num_envs)
        self.autoreset_mode = mode_of(autoreset_mode)
        self.metadata = self.metadata | {"autoreset_mode": self.autoreset_mode}
        self.render_mode = render_mode
        self.parameters = make_parameters(options_from(settings))
        self.single_observation_space = observation_space()
        self.single_action_space = gymnasium.spaces.Discrete(len(self.parameters.targets))
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shows_oracle = flag_of(oracle)
        self._world = BatchedWorld(self.parameters, [None] * num_envs, is_viewed=False)
        self._done = np.zeros(num_envs, dtype=np.intp)
        self._is_over = np.zeros(num_envs, dtype=np.bool_)
        self._are_some_over = False
        self._never = np.zeros(num_envs, dtype=np.bool_)
        self._never.flags.writeable = False  # every info holds this very one, as it does the masks
        self._all_masks = np.ones((num_envs, len(self.parameters.targets)), dtype=np.int8)
        self._all_masks.flags.writeable = False

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the actions stand for."""
        return self.parameters.targets

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Rows, Infos]:
        """Begin episodes.

        Args:
            seed: of environment 0, the others counting on; or one each; None goes on with the old numbers.
            options: ``reset_mask``, flags of shape (num_envs,), begins only those marked.

        Raises:
            InvalidInput: other options, or a mask or seeds of another length or kind; nothing was changed.
        """
        mask = mask_of(options, self.num_envs)
        for environment, each in enumerate(seeds_of(seed, self.num_envs)):
            if each is not None and mask[environment]:
                self._world.reseed(environment, each)
        self._restart(np.flatnonzero(mask))
        return self._world.rows(), self._masks()

    def step(self, actions: Indices) -> tuple[Rows, Any, Any, Any, Infos]:
        """Run every query on its target.

        Raises:
            InvalidTarget: an action that is out of range; nothing was changed.
            InvalidInput: an episode has ended, and nobody resets it; likewise.
        """
        targets = self._checked(np.asarray(actions))
        best = self.oracle_actions() if self._shows_oracle else None
        active, were_some_over = ~self._is_over, self._are_some_over
        answer = self._world.step(targets, active if were_some_over else True)
        score = answer.score
        infos = {
            "energy_j": answer.device_j,
            "latency_s": answer.latency_s,
            "carbon_g": score.carbon_g,
            "qos_violation": score.is_late,
            "accuracy_violation": score.is_inaccurate,
            "did_fallback": answer.is_refused if self.parameters.may_refuse else self._never,
        }
        if best is not None:
            infos["oracle_action"] = best
        infos |= {f"_{name}": active for name in infos}
        self._done += active
        rewards = score.reward
        if were_some_over:
            rewards = np.where(active, rewards, 0.0)
            self._restart(np.flatnonzero(self._is_over))
        is_over = self._done >= self.parameters.options.queries
        self._are_some_over = bool(is_over.any())
        self._is_over = is_over.copy()  # people keep what they were given
        if self._are_some_over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._ended(infos)
        infos |= self._masks()
        return self._world.rows(), rewards, np.zeros(self.num_envs, dtype=np.bool_), is_over, infos

    def close_extras(self, **kwargs: Any) -> None:
        """End the process that makes queries ahead."""
        self._world.streams.close()

    def action_masks(self) -> Flags:
        """Which actions can be chosen now, shape (num_envs, targets)."""
        return self._world.admitted()

    def oracle_actions(self) -> Indices:
        """The best action for each query now asked, shape (num_envs,)."""
        return self._world.best(*self._world.weighed())

    def _ended(self, infos: Infos) -> Infos:
        """Reset what has ended; that step's observation and info become the final ones."""
        is_over, last = self._is_over.copy(), self._world.rows()
        seen = np.full(self.num_envs, None, dtype=object)
        for environment in np.flatnonzero(is_over):
            seen[environment] = last[environment]
        final = {name: is_over if name.startswith("_") else value for name, value in (infos | self._masks()).items()}
        self._restart(np.flatnonzero(is_over))
        told = {name: ~is_over if name.startswith("_") else value for name, value in infos.items()}
        return told | {"final_obs": seen, "_final_obs": is_over, "final_info": final, "_final_info": is_over}

    def _masks(self) -> Infos:
        """``action_mask`` of the queries asked next; where no link can fail, one array that is always the same."""
        refuse = self.parameters.may_refuse
        masks = self.action_masks().astype(np.int8) if refuse else self._all_masks
        return {"action_mask": masks, "_action_mask": ~self._never}

    def _restart(self, environments: Indices) -> None:
        if not len(environments):
            return
        self._world.restart(environments)
        self._done[environments] = 0
        self._is_over[environments] = False
        self._are_some_over = bool(self._is_over.any())

    def _checked(self, actions: Indices) -> Indices:
        """The actions, those of environments about to be reset made harmless."""
        if self._are_some_over and self.autoreset_mode is AutoresetMode.DISABLED:
            ended = np.flatnonzero(self._is_over).tolist()
            raise InvalidInput(
                f"the episodes of {ended} have ended; allowed: reset(options={{'reset_mask': ...}}) first"
            )
        if actions.shape != (self.num_envs,) or actions.dtype.kind not in "iu":
            raise InvalidTarget(f"actions are {actions.dtype}{actions.shape}; allowed: integers ({self.num_envs},)")
        if self._are_some_over:
            actions = np.where(self._is_over, 0, actions)
        if actions.min() < 0 or actions.max() >= len(self.targets):
            raise InvalidTarget(f"actions {actions} are out of range; allowed: 0 to {len(self.targets) - 1}")
        return actions
