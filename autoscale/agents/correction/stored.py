"""What a corrector has learned as plain arrays, each with the targets last, so that it can start other targets.

``tree``, shape (networks + 1, 2, quantities, targets): each network's targets as ``Hierarchy`` has them, after one of
which nothing is known; ``above`` the nodes above them, (networks + 1, 2, quantities, nodes), without which they are
worked out; ``networks`` their names, ``queries``, ``scales``, ``spacing``, ``last`` and ``restless`` (networks,
quantities) what ``Network`` says; ``moved`` (moves,) the numbers of those networks of which ``shifts`` (moves + 1, 4,
quantities, targets) says what ``Shift`` does, on each target's processor, after one of none; ``levels`` (networks, 2,
quantities) and ``apart`` (2,) are of ``Level`` and ``Scale``. ``sums`` (2, quantities, targets), ``effects``
(quantities, effects, targets), ``spread`` (quantities, effects, effects, targets), ``noise`` and ``figures``
(quantities, targets), ``alarms`` (2, quantities, targets): of each target's processor; ``idle``, ``failures``,
``steady``, ``aged`` and ``tries`` (targets,): of its precision.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.agents.cells import Cells
from autoscale.agents.correction.cost_model_file import is_cost_model, upgraded
from autoscale.agents.correction.hierarchy import QUANTITIES, Hierarchy
from autoscale.agents.correction.network import Level, Network, Scale, Shift
from autoscale.agents.correction.shared import Shared
from autoscale.agents.correction.turns import Turns
from autoscale.arrays import Floats
from autoscale.errors import PolicyError
from autoscale.query.target import Target

_TURNS: Final = ("idle", "failures", "steady", "aged", "tries")
"""Arrays of ``Turns``."""
_SHARED: Final = {"sums": 2, "effects": 1, "spread": 1, "noise": 1, "figures": 1, "alarms": 2}
"""Arrays of ``Shared``, and which of their axes is the processors."""


Networks = dict[str, Network]
"""By their names."""


def to_state(cells: Cells, tree: Hierarchy, shared: Shared, turns: Turns, scale: Scale, networks: Networks) -> Arrays:
    """The arrays."""
    shared.settle()
    targets = cells.processor.size
    known = [tree.nothing(), *(each.known for each in networks.values())]
    shifts = [_shifts_of(each, shared, cells) for each in networks.values()]
    moved = [number for number, each in enumerate(shifts) if each.any()]
    return {
        "tree": np.stack([each[:, :, :targets] for each in known]),
        "above": np.stack([each[:, :, targets:] for each in known]),
        "networks": np.array([*networks], dtype=np.str_),
        "queries": np.array([each.queries for each in networks.values()]),
        "scales": np.array([each.scale for each in networks.values()]),
        "spacing": np.array([each.spacing for each in networks.values()]),
        "last": np.array([each.last for each in networks.values()], dtype=np.int64),
        "restless": np.array([each.restless for each in networks.values()]).reshape(-1, QUANTITIES),
        "levels": np.array([(each.level.mean, each.level.variance) for each in networks.values()]).reshape(
            -1, 2, QUANTITIES
        ),
        "moved": np.array(moved, dtype=np.int64),
        "shifts": np.stack([np.zeros((4, QUANTITIES, targets)), *(shifts[each] for each in moved)]),
        "apart": np.array([scale.total, scale.weight]),
        "is_informed": np.array([shared.is_informed]),
        "by_precision": np.array([cells.by_precision]),
        **{name: np.array(getattr(turns, name))[cells.precision] for name in _TURNS},
        **{
            name: np.moveaxis(getattr(shared, name).take(cells.processor, axis), axis, -1)
            for name, axis in _SHARED.items()
        },
    }


def _shifts_of(network: Network, shared: Shared, cells: Cells) -> Floats:
    """Shape (4, quantities, targets)."""
    figures = np.zeros((4, QUANTITIES, len(cells.processors)))
    for processor, shifts in network.shifts.items():
        figures[:, :, processor] = np.transpose([each.row(shared.changes[processor]) for each in shifts])
    return figures.take(cells.processor, 2)


def _shifts(
    state: Arrays, networks: Sequence[Network], cells: Cells
) -> Iterator[tuple[Network, dict[int, list[Shift]]]]:
    """Those that a state has, with the networks they are of."""
    moved = state.get("moved", np.array([], dtype=np.int64)).tolist()
    if not moved:
        return
    if not all(0 <= each < len(networks) for each in moved):
        raise PolicyError(f"policy array 'moved' names network {moved}, of {len(networks)}")
    _check(state, {"shifts"})
    _check_shape(state, "shifts", (len(moved) + 1, 4, QUANTITIES, cells.processor.size))
    for number, figures in zip(moved, state["shifts"][1:].take(cells.first, 3), strict=True):
        own = np.flatnonzero(figures.any((0, 1))).tolist()
        yield networks[number], {each: [Shift(*row) for row in figures[:, :, each].T.tolist()] for each in own}


def cells_of(targets: Sequence[Target], state: Arrays) -> Cells:
    """The cells that these arrays are of."""
    return Cells(targets, by_precision=bool(np.any(state.get("by_precision", False))))


def from_state(state: Arrays, cells: Cells, tree: Hierarchy) -> tuple[Shared, Turns, Scale, Networks]:
    """What all networks share, and what is known of each.

    Args:
        state: the arrays, of this agent or of the ``cost-model`` that came before it.
        cells: of the targets.
        tree: likewise.

    Raises:
        PolicyError: arrays are missing, of another shape, or not of numbers that can be.
    """
    is_old = is_cost_model(state)
    if is_old:
        state = upgraded(state, cells.processor.size)
    shared = Shared(len(cells.processors)) if is_old else _shared(state, cells)
    turns = Turns(len(cells.precisions)) if is_old else _turns(state, cells)
    _check(state, {"tree", "networks", "queries", "scales"})
    names, targets = state["networks"].tolist(), cells.processor.size
    _check_shape(state, "tree", (len(names) + 1, 2, QUANTITIES, targets))
    scale = Scale()
    if "apart" in state:
        _check_shape(state, "apart", (2,))
        scale.total, scale.weight = state["apart"].tolist()
    if "above" in state:
        _check_shape(state, "above", (len(names) + 1, 2, QUANTITIES, tree.nodes - targets))
    networks: Networks = {}
    for name, leaves, queries, own in zip(names, state["tree"][1:], state["queries"], state["scales"], strict=True):
        known = tree.nothing()
        known[:, :, :targets] = leaves
        told = tree.rebuild(known, float(own))
        if "above" in state:
            known[:, :, targets:] = state["above"][len(networks) + 1]
        if is_old:
            shared.sums += told
        networks[name] = Network(known, float(queries), float(own), _level(state, len(networks)))
        networks[name].restless = _restless(state, len(networks) - 1)
        networks[name].spacing = float(state["spacing"][len(networks) - 1]) if "spacing" in state else len(names)
        networks[name].last = int(state["last"][len(networks) - 1]) if "last" in state else 0
    for network, shifts in _shifts(state, [*networks.values()], cells):
        network.shifts = shifts
    shared.refresh()
    return shared, turns, scale, networks


def _shared(state: Arrays, cells: Cells) -> Shared:
    shared = Shared(len(cells.processors))
    _check(state, {*_SHARED, "is_informed"})
    for name, axis in _SHARED.items():
        own = getattr(shared, name)
        _check_shape(state, name, (*np.delete(own.shape, axis).tolist(), cells.processor.size))
        own[...] = np.moveaxis(state[name], -1, axis).take(cells.first, axis)
    shared.is_informed = bool(state["is_informed"].all())
    return shared


def _turns(state: Arrays, cells: Cells) -> Turns:
    turns = Turns(len(cells.precisions))
    _check(state, {"idle", "failures", "queries"})
    if "steady" not in state:  # of an earlier release: all that was tried has been as it is ever since
        seen = state["queries"].sum() - state["idle"]
        once = {"steady": np.where(seen > 0.0, seen, -1.0), "aged": state["idle"], "tries": 1.0 * (seen > 0.0)}
        state = state | once
    for name in _TURNS:
        _check_shape(state, name, cells.precision.shape)
        of_precisions = np.zeros(len(cells.precisions))
        of_precisions[cells.precision] = state[name]
        setattr(turns, name, of_precisions.tolist())
    return turns


def _level(state: Arrays, number: int) -> Level:
    level = Level()
    if "levels" in state:
        level.mean, level.variance = state["levels"][number].tolist()
    return level


def _restless(state: Arrays, number: int) -> list[float]:
    restless: list[float] = state["restless"][number].tolist() if "restless" in state else [1.0] * QUANTITIES
    return restless


def _check(state: Arrays, names: set[str]) -> None:
    missing = names - state.keys()
    if missing:
        raise PolicyError(f"policy lacks the arrays {sorted(missing)} that 'corrector' needs")


def _check_shape(state: Arrays, name: str, shape: tuple[int, ...]) -> None:
    if state[name].shape != shape:
        raise PolicyError(f"policy array '{name}' is {state[name].shape}; 'corrector' needs {shape}")
