"""A route that stays on the device: a loaded model on one of its processors."""

import time
from abc import abstractmethod
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import ClassVar, Final

from autoscale.errors import TargetError
from autoscale.query.outcome import Outcome
from autoscale.query.target import Target
from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.copies import LazyRunner
from autoscale_runtime.device.fast_path import FastPath
from autoscale_runtime.device.first_guess import first_guess_s
from autoscale_runtime.device.kept_calibration import KeptTarget
from autoscale_runtime.device.query import Query
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.base import Expected, Failed, Moment, Route
from autoscale_runtime.device.sized_mean import FIXED, Size, SizedMean
from autoscale_runtime.grid.watch import Grids
from autoscale_runtime.meters.base import Reading

WEIGHT: Final = 0.1
"""Share of a new observation in the running means of a route: the last ten or so count."""

FIRST: Final = 2
"""So many queries of a size are known of it before it counts as learned: one alone may be a cold start."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model for one target of this device, and what its route must know of it.

    Attributes:
        target: of this device.
        runner: the model, loaded for it.
        accuracy: of this variant.
        macs: of the network, for a first guess at its time.
        account: what its work costs.
        is_shipped: whether the engine that ships for the format runs it.
        measured_s: how long it took here, as the power table's rows have it; None where they do not.
    """

    target: Target
    runner: Runner
    accuracy: float | None
    macs: int
    account: DeviceAccount
    is_shipped: bool = True
    measured_s: float | None = None

    @property
    def first_guess_s(self) -> float:
        """How long a query takes, until the first has run."""
        return first_guess_s(self.macs) if self.measured_s is None else self.measured_s


class LocalRoute(Route):
    """A model in this process. A kind of processor says how its time is predicted, and learns that from its queries.

    Attributes:
        estimators: names of the attributes that it learns.
    """

    estimators: ClassVar[tuple[str, ...]] = ("_cpu_s",)

    def __init__(self, model: LocalModel) -> None:
        self.target = model.target
        self.accuracy = model.accuracy
        self.is_shipped = model.is_shipped
        self._runner = model.runner
        self._account = model.account
        self._drawn = model.account.table.drawn(model.target)
        self._cpu_clock = time.process_time
        self._cpu_s = SizedMean(self._first_cpu_s(model), WEIGHT)
        self._first: LocalRoute | None = None
        self._lessons = 0

    def _first_cpu_s(self, model: LocalModel) -> float:
        """How long this process's cores work on a query, until the first has run."""
        return min(model.first_guess_s, first_guess_s(model.macs))

    @property
    def runner(self) -> Runner:
        """The model."""
        return self._runner

    @property
    def coverage(self) -> float | None:
        """As the runner says."""
        return self._runner.coverage

    @property
    def is_open(self) -> bool:
        """Whether it can answer without another setting of the same model being let go."""
        return not isinstance(self._runner, LazyRunner) or self._runner.is_ready

    @property
    def standing(self) -> int:
        """How often it has learned."""
        return self._lessons

    @abstractmethod
    def expected_times_s(self, cpu_load: float | None, size: Size = FIXED) -> tuple[float, float]:
        """How long a query of a size would take at a co-runner load, and this process's cores work on it."""

    def learn(self, latency_s: float, cpu_s: float, cpu_load: float | None, size: Size = FIXED) -> None:
        """Take in how long a query took, and for how long this process's cores worked on it."""
        self._cpu_s.add(cpu_s, size)

    def expected(self, query: Query, moment: Moment) -> Expected:
        """From the time of the last queries of its size and the load of the moment."""
        return self.expected_of(query.size, moment)

    def first_expected(self, size: Size, moment: Moment) -> Expected:
        """What it expected of a size when it was calibrated, or had met that size twice."""
        return (self._first or self).expected_of(size, moment)

    def expected_of(self, size: Size, moment: Moment) -> Expected:
        """Of any query of a size."""
        latency_s, cpu_s = self.expected_times_s(moment.observation.cpu_load, size)
        energy_j = self._drawn.energy_j(latency_s, cpu_s)
        return Expected(latency_s, energy_j, self._account.added_g(energy_j, latency_s, grids=moment.grids))

    def calibrated(self) -> None:
        """Remember what is expected now, for those who ask what was before the route learned from queries."""
        self._first = copy(self)
        copied: dict[int, object] = {}  # of what two of them share there is one copy
        for name in self.estimators:
            setattr(self._first, name, deepcopy(getattr(self, name), copied))

    def run(self, query: Query, moment: Moment, timeout_s: float) -> tuple[list[Array], Outcome]:
        """Run it here; a started kernel is not interrupted, whatever the timeout."""
        account, grids = self._account, moment.grids
        mark, started_s, started_cpu_s = account.begin(), time.perf_counter(), self._cpu_clock()
        try:
            answer = self._runner.run(query.output_names, query.feeds)
        except TargetError as error:
            latency_s = time.perf_counter() - started_s
            raise Failed(account.end(mark, self.target, latency_s, grids=grids), error) from error
        latency_s, cpu_s = time.perf_counter() - started_s, self._cpu_clock() - started_cpu_s
        figures = latency_s, cpu_s, moment.observation.cpu_load, query.size
        self.learn(*figures)
        if self._first is not None and self._first._cpu_s.count(query.size) < FIRST:
            self._first.learn(*figures)
        self._lessons += 1
        return answer.outputs, account.end(mark, self.target, latency_s, self.accuracy, grids=grids)

    def wake(self, query: Query) -> None:
        """Run it once for nobody, where it is loaded: an engine's first run has memory to fetch, and tells no speed.

        Raises:
            TargetError: it fails.
        """
        if not isinstance(self._runner, LazyRunner) or self._runner.loaded is not None:
            self.reset()
            self._runner.run(query.output_names, query.feeds)
            self.reset()

    def recall(self, known: KeptTarget, size: Size, grids: Grids) -> Outcome:
        """Take in what a session before measured of queries of a size; what one costs."""
        for _ in range(FIRST):
            self.learn(known.latency_s, known.cpu_s, None, size)
        by_table_j = self._by_table_j(known.latency_s, known.cpu_s)  # which may be another than it was
        energy_j = known.energy_j if by_table_j is None else by_table_j
        reading = Reading(energy_j, known.method, "as a session before read it", known.latency_s)
        return self._account.outcome(reading, known.latency_s, self.accuracy, grids=grids)

    def noted(self, outcome: Outcome, size: Size, distrusted: str) -> KeptTarget:
        """What a later session may recall of queries of a size, of which one cost that."""
        latency_s, cpu_s = self.expected_times_s(None, size)
        energy_j = self._by_table_j(latency_s, cpu_s)
        if energy_j is None:
            energy_j = outcome.energy_j.device * latency_s / outcome.latency_s  # that run may have had to wait
        return KeptTarget(latency_s, cpu_s, energy_j, outcome.methods["energy_j.device"], distrusted)

    def _by_table_j(self, latency_s: float, cpu_s: float) -> float | None:
        """None where a meter tells the energy: by it, not by what other threads did meanwhile, as a short run's is."""
        return self._drawn.energy_j(latency_s, cpu_s) if self._account.is_modelled else None

    def settle(self) -> FastPath | None:
        """The route without its learning, for a session that has nothing left to decide.

        None where the energy is reported by a meter that must be asked after each query.
        """
        if not self._account.is_modelled:
            return None
        return FastPath(self.target, self._runner, self.accuracy, self._account)

    def loading(self, loading_s: float, moment: Moment) -> Expected:
        """What loading a model for that long costs."""
        energy_j = self._account.table.energy_j(loading_s, loading_s)
        return Expected(loading_s, energy_j, self._account.added_g(energy_j, loading_s, grids=moment.grids))

    def load(self) -> None:
        """Load the model."""
        if isinstance(self._runner, LazyRunner):
            self._runner.load()

    def is_random(self) -> bool:
        """As the runner says."""
        return self._runner.is_random()

    def reset(self) -> None:
        """As the runner does."""
        self._runner.reset()

    def close(self) -> None:
        """Let the model go."""
        self._runner.close()
