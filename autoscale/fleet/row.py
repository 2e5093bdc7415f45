"""One record as the whole numbers and texts of a row. It is on the path of every query: some microseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from autoscale.errors import InvalidInput, one_of
from autoscale.fleet.schema import ABSENT, INTENSITY_KINDS, NOT_A_NUMBER
from autoscale.outcome import Method, Split
from autoscale.record import Decision, Record
from autoscale.target import Target
from autoscale.units import MICRO_PER_UNIT, NANO_PER_UNIT

_MILLI: Final = 1000
_MOST: Final = 2**62
_WHERE: Final = ("device", "edge", "cloud", "network")


@dataclass(frozen=True, slots=True)
class Spread:
    """How far carbon may lie from the figures of a record: factors on their sums, (low, high).

    Raises:
        InvalidInput: factors that do not enclose 1.
    """

    operational: tuple[float, float] = (1.0, 1.0)
    embodied: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("operational", "embodied"):
            low, high = getattr(self, name)
            if not 0.0 <= low <= 1.0 <= high < float("inf"):
                raise InvalidInput(f"spread of {name} is {low} to {high}; allowed: factors that enclose 1")


@dataclass(frozen=True, slots=True)
class Origin:
    """What a record does not say of itself, and its row must.

    Attributes:
        app_version: version of the app that asks.
        regions: electricity region of ``device``, ``edge``, ``cloud`` and ``network``, as far as known.
        intensity_kinds: likewise ``average`` or ``marginal``; average where not said.
        spread: of the carbon figures.

    Raises:
        UnknownName: a place or a kind that is none.
    """

    app_version: str = ""
    regions: Mapping[str, str] = field(default_factory=dict)
    intensity_kinds: Mapping[str, str] = field(default_factory=dict)
    spread: Spread = Spread()

    def __post_init__(self) -> None:
        for where in (*self.regions, *self.intensity_kinds):
            one_of("place", where, _WHERE)
        for kind in self.intensity_kinds.values():
            one_of("kind of intensity", kind, INTENSITY_KINDS)


class Flattener:
    """Makes rows of records; what it has printed once it remembers."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._printed: dict[Target, str] = {}
        self._methods: dict[tuple[tuple[str, Method], ...], str] = {}

    def numbers(self, record: Record) -> tuple[int, ...]:
        """The values of ``schema.NUMBERS`` after ``sequence``."""
        decision, goal = record.decision, record.goal
        outcome = decision.outcome
        operational = _split(outcome.carbon_operational_g, NANO_PER_UNIT)
        embodied = _split(outcome.carbon_embodied_g, NANO_PER_UNIT)
        return (
            whole(record.time_s, MICRO_PER_UNIT),
            decision.did_fallback,
            len(decision.attempts),
            whole(decision.probability, NANO_PER_UNIT),
            whole(outcome.latency_s, MICRO_PER_UNIT),
            ABSENT if goal.latency_s == float("inf") else whole(goal.latency_s, MICRO_PER_UNIT),
            outcome.latency_s > goal.latency_s,
            _optional(outcome.accuracy, MICRO_PER_UNIT),
            _optional(goal.min_accuracy, MICRO_PER_UNIT),
            _optional(decision.predicted_latency_s, MICRO_PER_UNIT),
            _optional(decision.predicted_energy_j, MICRO_PER_UNIT),
            *_split(outcome.energy_j, MICRO_PER_UNIT),
            *operational,
            *embodied,
            *_range(operational, self._origin.spread.operational),
            *_range(embodied, self._origin.spread.embodied),
            *self._intensities(record),
        )

    def texts(self, record: Record) -> tuple[str, ...]:
        """The values of ``schema.TEXTS`` after ``session_id``."""
        origin, decision = self._origin, record.decision
        chosen, selected = decision.chosen, decision.selected
        remote, seen = _far_place(decision), record.observation.intensity_g_per_kwh
        regions, kinds = origin.regions, origin.intensity_kinds
        return (
            origin.app_version,
            record.device,
            record.model,
            record.goal.objective,
            decision.requested,
            self._print(chosen),
            self._print(selected),
            selected.place,
            selected.processor,
            selected.precision,
            regions.get("device", ""),
            regions.get("network", "") if remote else "",
            regions.get(remote, ""),
            kinds.get("device", "average") if "device" in seen else "",
            kinds.get("network", "average") if remote and "network" in seen else "",
            kinds.get(remote, "average") if remote in seen else "",
            self._print_methods(decision.outcome.methods),
        )

    def _intensities(self, record: Record) -> tuple[int, int, int]:
        seen, remote = record.observation.intensity_g_per_kwh, _far_place(record.decision)
        network = seen.get("network") if remote else None
        return (
            _optional(seen.get("device"), _MILLI),
            _optional(network, _MILLI),
            _optional(seen.get(remote), _MILLI),
        )

    def _print(self, target: Target) -> str:
        printed = self._printed.get(target)
        if printed is None:
            printed = self._printed[target] = str(target)
        return printed

    def _print_methods(self, methods: Mapping[str, Method]) -> str:
        key = tuple(methods.items())
        printed = self._methods.get(key)
        if printed is None:
            printed = self._methods[key] = ";".join(f"{figure}={method}" for figure, method in sorted(key))
        return printed


def whole(value: float, per_unit: int) -> int:
    """A figure as a whole number of its small unit; ``NOT_A_NUMBER`` where it is none, or far too large.

    >>> whole(0.0125, 1_000_000)
    12500
    """
    try:
        number = round(value * per_unit)
    except (ValueError, OverflowError):
        return NOT_A_NUMBER
    return number if -_MOST <= number <= _MOST else NOT_A_NUMBER


def _optional(value: float | None, per_unit: int) -> int:
    return ABSENT if value is None else whole(value, per_unit)


def _split(split: Split, per_unit: int) -> tuple[int, int, int]:
    return whole(split.device, per_unit), whole(split.network, per_unit), whole(split.remote, per_unit)


def _range(parts: tuple[int, int, int], factors: tuple[float, float]) -> tuple[int, int]:
    if NOT_A_NUMBER in parts:
        return NOT_A_NUMBER, NOT_A_NUMBER
    total = sum(parts)
    return whole(total * factors[0], 1), whole(total * factors[1], 1)


def _far_place(decision: Decision) -> str:
    """Where the far machine of a query stands: that of the answer, else of the choice that failed, else empty."""
    target = decision.selected if decision.selected.is_remote else decision.chosen
    return target.place if target.is_remote else ""
