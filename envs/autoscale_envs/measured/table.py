"""A table of measurements, device by device, as arrays over networks and targets."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import InvalidGoal, InvalidInput
from autoscale.query.goal import Goal
from autoscale.query.target import Target

P90: Final = 1.2816
"""Standard deviations of a normal variable between its median and its 90th percentile."""
WIDEST: Final = 1.0
"""The widest spread a row may stand for, in logarithms: beyond, it is no spread but two different things."""


@dataclass(frozen=True, slots=True)
class MeasuredRun:
    """One run of one network on one target.

    Attributes:
        device: whose.
        network: any name.
        target: where it ran, its engine included.
        latency_s: mean of the run's queries.
        energy_j: of a query, whatever the meter saw.
        latency_p90_s: 90th percentile of the run's queries; None where it was not told.
        accuracy: of this variant, a fraction; None where nobody measured it.
        latency_spread: standard deviation of the logarithm of ``latency_s`` over rounds of other releases and years,
            where the row is the newest of several; no query of one device meets it.
        energy_spread: likewise of ``energy_j``.
        runs: how many it stands for.
    """

    device: str
    network: str
    target: Target
    latency_s: float
    energy_j: float
    latency_p90_s: float | None = None
    accuracy: float | None = None
    latency_spread: float = 0.0
    energy_spread: float = 0.0
    runs: int = 1

    @property
    def query_spread(self) -> float:
        """Standard deviation of the logarithm of a query's latency within the run, of a lognormal with that p90."""
        if self.latency_p90_s is None or self.latency_p90_s <= self.latency_s:
            return 0.0
        # ln(p90 / mean) = P90 s - s^2 / 2, solved for the smaller s.
        above = 2.0 * math.log(self.latency_p90_s / self.latency_s)
        return min(P90 - math.sqrt(max(P90**2 - above, 0.0)), WIDEST)

    @property
    def is_p90_played(self) -> bool:
        """Whether queries have the p90 that was told: none has one below the mean, nor beyond the widest spread."""
        if self.latency_p90_s is None:
            return True
        spread = self.query_spread
        played_s = self.latency_s * math.exp(P90 * spread - spread**2 / 2.0)
        return math.isclose(played_s, self.latency_p90_s, rel_tol=1e-6)


class Sample(NamedTuple):
    """What the runs of a network say of every target, arrays of shape (runs, targets); unused places repeat a run.

    Attributes:
        latency_s: of each run.
        energy_j: of each run.
        query_spread: of the logarithm of a query's latency around its run's.
        runs: how many each target has, shape (targets,).
    """

    latency_s: Floats
    energy_j: Floats
    query_spread: Floats
    runs: Floats


@dataclass(frozen=True)
class MeasuredTable:
    """All rows of one device.

    Attributes:
        device: its name.
        rows: at least one; several of one network and target are runs of it.
        unknown_accuracy: what a target counts as whose accuracy no row tells.
    """

    device: str
    rows: tuple[MeasuredRun, ...]
    unknown_accuracy: float = math.nan

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """In the order they are met."""
        return tuple(dict.fromkeys(row.network for row in self.rows))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Of all networks, in the order they are met."""
        return tuple(dict.fromkeys(row.target for row in self.rows))

    @cached_property
    def engines(self) -> tuple[str, ...]:
        """The runtimes that targets name."""
        return tuple(dict.fromkeys(target.engine for target in self.targets if target.engine))

    def without(self, engine: str) -> tuple[str, ...]:
        """The networks that no row ran by a runtime."""
        ran = {row.network for row in self.rows if row.target.engine == engine}
        return tuple(name for name in self.networks if name not in ran)

    @cached_property
    def latency_s(self) -> Floats:
        """Means over runs, shape (networks, targets); NaN where nothing was measured."""
        return self._means("latency_s")

    @cached_property
    def energy_j(self) -> Floats:
        """Likewise, of a query."""
        return self._means("energy_j")

    @cached_property
    def accuracy(self) -> Floats:
        """Likewise, fractions; ``unknown_accuracy`` where nobody measured it."""
        return np.nan_to_num(self._means("accuracy"), nan=self.unknown_accuracy)

    def only(self, networks: Sequence[str]) -> "MeasuredTable":
        """The rows of some networks."""
        return replace(self, rows=tuple(row for row in self.rows if row.network in networks))

    def held_to(self, goal: Goal) -> "MeasuredTable":
        """The table as a goal reads it: against a floor, an accuracy that no row tells counts as 0.

        Raises:
            InvalidGoal: a floor for a network of which no row tells an accuracy.
        """
        if goal.min_accuracy is None:
            return self
        told = {row.network for row in self.rows if row.accuracy is not None}
        if blank := [name for name in self.networks if name not in told]:
            raise InvalidGoal(
                f"min_accuracy is {goal.min_accuracy}, but no row of '{blank[0]}' ({len(blank)} of "
                f"{len(self.networks)} networks of '{self.device}') tells an accuracy; allowed: "
                "networks that have one, or no floor"
            )
        return replace(self, unknown_accuracy=0.0)

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """One for each network."""
        return tuple(self._sample(number) for number in range(len(self.networks)))

    @cached_property
    def fastest_is_frugal(self) -> float:
        """Share of the networks whose fastest target takes no more energy than any other."""
        own = np.arange(len(self.networks))
        fastest = np.nanargmin(self.latency_s, axis=1)
        return float(np.mean(self.energy_j[own, fastest] <= np.nanmin(self.energy_j, axis=1)))

    @cached_property
    def _cells(self) -> list[list[list[MeasuredRun]]]:
        cells: list[list[list[MeasuredRun]]] = [[[] for _ in self.targets] for _ in self.networks]
        networks = {name: number for number, name in enumerate(self.networks)}
        targets = {target: number for number, target in enumerate(self.targets)}
        for row in self.rows:
            cells[networks[row.network]][targets[row.target]].append(row)
        return cells

    def _means(self, name: str) -> Floats:
        return np.array([[_mean(getattr(row, name) for row in cell) for cell in cells] for cells in self._cells])

    def _sample(self, network: int) -> Sample:
        cells = self._cells[network]
        most = max(map(len, cells))
        nothing = MeasuredRun(self.device, "", self.targets[0], math.nan, math.nan)
        full = [[(cell or [nothing])[run % max(len(cell), 1)] for cell in cells] for run in range(most)]
        return Sample(
            np.array([[row.latency_s for row in run] for run in full]),
            np.array([[row.energy_j for row in run] for run in full]),
            np.array([[row.query_spread for row in run] for run in full]),
            np.array([max(len(cell), 1) for cell in cells], dtype=np.float64),
        )


def tables_of(rows: Iterable[MeasuredRun]) -> dict[str, MeasuredTable]:
    """Rows by device, in the order they are met.

    Raises:
        InvalidInput: no rows at all.
    """
    by_device: dict[str, list[MeasuredRun]] = {}
    for row in rows:
        by_device.setdefault(row.device, []).append(row)
    if not by_device:
        raise InvalidInput("the table holds no rows; allowed: one or more measurements")
    return {device: MeasuredTable(device, tuple(own)) for device, own in by_device.items()}


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan
