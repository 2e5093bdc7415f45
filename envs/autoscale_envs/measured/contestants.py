"""Rules that people follow today, as baselines of a measured table; each may look at all of it."""

from collections.abc import Callable
from typing import Final

import numpy as np

from autoscale.agents.base import Agent, Choice
from autoscale.arrays import Indices
from autoscale.errors import InvalidInput, one_of
from autoscale.query.context import Context
from autoscale.query.target import PROCESSORS
from autoscale_envs.measured.table import MeasuredTable
from autoscale_envs.measured.world import MeasuredWorld

ORACLE: Final = "opt"
FASTEST: Final = "fastest"
STATIC_ORDER: Final = "npu-gpu-cpu"
ENGINE: Final = "engine:"
RULES: Final = (ORACLE, FASTEST, STATIC_ORDER)

Pick = Callable[[MeasuredWorld, Indices], int]
"""Takes a world and the targets that were measured for the network that asks, and gives one of them."""


class Rule(Agent):
    """Always does the same thing, by what the table says.

    Args:
        world: whose table it reads.
        name: of the rule.
        pick: the rule.
    """

    is_fixed = True

    def __init__(self, world: MeasuredWorld, name: str, pick: Pick) -> None:
        super().__init__(world.targets)
        self.name = name  # type: ignore[misc]  # one class, a rule an instance
        self._world, self._pick = world, pick

    def select(self, context: Context) -> Choice:
        """What the rule says."""
        return Choice(self._pick(self._world, context.admitted), 1.0)


def rule(name: str, world: MeasuredWorld) -> Rule | None:
    """The rule of a name, or None where it names none.

    ``opt`` knows the best target; ``fastest`` takes the one of the lowest mean latency; ``npu-gpu-cpu`` the first
    processor of that order that was measured, in its fastest variant; ``engine:NAME`` one runtime always, in the best
    of its processors and precisions, and the fastest target where it does not run the network.

    Raises:
        UnknownName: no target of the table is of that engine.
    """
    if name.startswith(ENGINE):
        engine = name.removeprefix(ENGINE)
        one_of("engine", engine, world.table.engines)
        return Rule(world, name, lambda world, admitted: _of_engine(world, admitted, engine))
    picks: dict[str, Pick] = {ORACLE: _best, FASTEST: _fastest, STATIC_ORDER: _static_order}
    return Rule(world, name, picks[name]) if name in picks else None


def played_elsewhere(name: str, table: MeasuredTable) -> tuple[str, ...]:
    """The networks on which ``engine:NAME`` has no row, and takes the fastest target of another runtime."""
    return table.without(name.removeprefix(ENGINE)) if name.startswith(ENGINE) else ()


def check_rules(names: tuple[str, ...], engines: tuple[str, ...]) -> None:
    """Whether some table has the engines that names ask for.

    Raises:
        UnknownName: none has.
        InvalidInput: a name of no engine.
    """
    for name in names:
        if name.startswith(ENGINE):
            if not engines:
                raise InvalidInput(
                    f"no target of the table names an engine, so '{name}' is none; allowed: as in #armnn"
                )
            one_of("engine", name.removeprefix(ENGINE), engines)


def _best(world: MeasuredWorld, admitted: Indices) -> int:
    return world.truth().best(world.goal, admitted)


def _fastest(world: MeasuredWorld, admitted: Indices) -> int:
    return int(admitted[np.argmin(world.truth().latency_s[admitted])])


def _static_order(world: MeasuredWorld, admitted: Indices) -> int:
    kinds = [world.targets[index].processor for index in admitted]
    first = next(kind for kind in reversed(PROCESSORS) if kind in kinds)
    return _fastest(world, admitted[[kind == first for kind in kinds]])


def _of_engine(world: MeasuredWorld, admitted: Indices, engine: str) -> int:
    own = admitted[[world.targets[index].engine == engine for index in admitted]]
    return _best(world, own) if own.size else _fastest(world, admitted)
