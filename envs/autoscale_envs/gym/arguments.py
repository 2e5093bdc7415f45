"""What Gymnasium's environments may be called with, beside the world's options: read and refused in one place."""

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode

from autoscale.errors import InvalidInput, check_type, one_of
from autoscale_envs.variance.processes import Flags
from autoscale_envs.worlds.options import check_number

SEEDS: Final = "whole numbers, 0 or more, or None, or one of these for each environment"


def no_options(options: Mapping[str, Any] | None) -> None:
    """Whoever gives an option means something by it.

    Raises:
        InvalidInput: there are some.
    """
    if options:
        raise InvalidInput(f"options of reset are {options!r}; allowed: none")


def flag_of(oracle: bool) -> bool:
    """Whether infos show the oracle's action.

    Raises:
        InvalidInput: neither True nor False.
    """
    check_type("oracle", oracle, bool, "True or False")
    return oracle


def count_of(num_envs: int) -> int:
    """How many environments.

    Raises:
        InvalidInput: none, or no whole number.
    """
    check_number("num_envs", num_envs, Integral, "a whole number, 1 or more")
    if num_envs < 1:
        raise InvalidInput(f"num_envs is {num_envs}; allowed: 1 or more")
    return int(num_envs)


def mode_of(mode: AutoresetMode | str) -> AutoresetMode:
    """Who resets an episode that has ended.

    Raises:
        InvalidInput: no such mode.
    """
    if not isinstance(mode, AutoresetMode):
        one_of("autoreset mode", mode, [each.value for each in AutoresetMode])
    return AutoresetMode(mode)


def mask_of(options: Mapping[str, Any] | None, count: int) -> Flags:
    """Which environments a reset begins anew, shape (count,): those of ``reset_mask``, or all.

    Raises:
        InvalidInput: another option, or a mask of another shape or kind.
    """
    check_type("options of reset", options, (Mapping, type(None)), "a mapping, as {'reset_mask': truncated}, or None")
    given = options or {}
    for name in given:
        one_of("option of reset", name, ("reset_mask",))
    mask = np.asarray(given.get("reset_mask", np.ones(count, dtype=np.bool_)))
    if mask.shape != (count,) or mask.dtype != np.bool_:
        raise InvalidInput(f"reset_mask is {mask.dtype}{mask.shape}; allowed: flags ({count},)")
    return mask


def seeds_of(seed: Any, count: int) -> list[int | None]:
    """Each environment's own; None goes on with its old numbers.

    Raises:
        InvalidInput: no seeds, or another number of them.
    """
    if seed is None or isinstance(seed, Integral):
        first = _checked(seed)
        return [None if first is None else first + environment for environment in range(count)]
    check_type("seed", seed, (list, tuple, np.ndarray), SEEDS)
    if len(seed) != count:
        raise InvalidInput(f"seed holds {len(seed)}; allowed: {count}, one for each environment")
    return [_checked(each) for each in seed]


def _checked(seed: Any) -> int | None:
    if seed is None:
        return None
    check_number("seed", seed, Integral, SEEDS)
    if seed < 0:
        raise InvalidInput(f"seed is {seed}; allowed: {SEEDS}")
    return int(seed)
