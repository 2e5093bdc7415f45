"""One record as the whole numbers and texts of a row. It is on the path of every query: some microseconds."""

from collections.abc import Mapping
from typing import Final

from autoscale.fleet.ledger.schema import ABSENT, NOT_A_NUMBER
from autoscale.query.outcome import Method, Split
from autoscale.query.record import Decision, Record
from autoscale.query.target import Target
from autoscale.units import MICRO_PER_UNIT, NANO_PER_UNIT

_MILLI: Final = 1000
_MOST: Final = 2**62


class RowEncoder:
    """Makes rows of records; what it has printed once it remembers.

    Args:
        app_version: of the app that asks, which no record says.
    """

    def __init__(self, app_version: str = "") -> None:
        self._app_version = app_version
        self._printed: dict[Target, str] = {}
        self._methods: dict[tuple[tuple[str, Method], ...], str] = {}

    def numbers(self, record: Record) -> tuple[int, ...]:
        """The values of ``schema.NUMBERS`` after ``sequence``."""
        decision, goal = record.decision, record.goal
        outcome = decision.outcome
        operational = _split(outcome.carbon_operational_g, NANO_PER_UNIT)
        embodied = _split(outcome.carbon_embodied_g, NANO_PER_UNIT)
        ends = outcome.known_ends()
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
            *_range(operational, ends.operational_low_g, ends.operational_high_g),
            *_range(embodied, ends.embodied_low_g, ends.embodied_high_g),
            *self._intensities(record),
        )

    def texts(self, record: Record) -> tuple[str, ...]:
        """The values of ``schema.TEXTS`` after ``session_id``."""
        decision = record.decision
        chosen, selected = decision.chosen, decision.selected
        remote, seen = _far_place(decision), record.observation.intensity_g_per_kwh
        regions, kinds = record.regions, record.intensity_kinds
        return (
            self._app_version,
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
            kinds.get("device", "") if "device" in seen else "",
            kinds.get("network", "") if remote and "network" in seen else "",
            kinds.get(remote, "") if remote in seen else "",
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


def _range(parts: tuple[int, int, int], low_g: float, high_g: float) -> tuple[int, int]:
    """Low and high in nanograms; the sum of the rounded parts lies between them, as the ledger demands."""
    if NOT_A_NUMBER in parts:
        return NOT_A_NUMBER, NOT_A_NUMBER
    total = sum(parts)
    return min(whole(low_g, NANO_PER_UNIT), total), max(whole(high_g, NANO_PER_UNIT), total)


def _far_place(decision: Decision) -> str:
    """Where the far machine of a query stands: that of the answer, else of the choice that failed, else empty."""
    target = decision.selected if decision.selected.is_remote else decision.chosen
    return target.place if target.is_remote else ""
