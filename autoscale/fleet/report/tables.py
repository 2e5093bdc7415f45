"""The analysis: Ibis expressions over the ledger's rows, the same for every engine.

Sums can neither round nor overflow: they are of 64 bits where the files' own statistics say that this holds them, of
decimals of 38 digits else. The rows are read into ``cells``, the finest grouping that the report needs; most tables are
then sums of its sums.
"""

from collections.abc import Sequence
from typing import Any, Final

from autoscale.fleet.ledger.manifest import LogKey
from autoscale.fleet.ledger.rollup import HOUR_US, LEAST_PPB, MILLI_PPB, MOST_WEIGHED_NG, SUMMED, WEIGHED
from autoscale.fleet.ledger.schema import COLUMNS
from autoscale.fleet.ledger.span import Span
from autoscale.fleet.report.engine import package
from autoscale.fleet.report.sums import FIGURES, PARTS
from autoscale.units import US_PER_DAY

DIMENSIONS: Final = ("network", "target", "device_model", "region", "far_region", "hour")
"""``region`` is where the query was asked, ``far_region`` where the remote machine stands (empty: none was asked);
``hour`` is that of the day, UTC."""

COLUMN_OF: Final = {
    "network": "model",
    "target": "selected",
    "device_model": "device_model",
    "region": "region_device",
    "far_region": "region_remote",
}
"""Dimensions that a row has a column for."""

KINDS: Final = tuple(f"intensity_{part}_kind" for part in PARTS)
"""Whether the carbon intensity of each part is ``average`` or ``marginal``; empty where not known, or not asked."""

JUDGED: Final = (*(name for name in FIGURES if name != "missed"), "time_us")
"""Columns whose numbers are checked again before they are summed."""

_LOG: Final = ("device_id", "log_id")
_OPTIONAL: Final = ("region", "far_region", "methods", *KINDS)

_MILLION: Final = 1_000_000
_WIDE: Final = "decimal(38, 0)"


def counted_once(ledger: Any, shared: Sequence[LogKey]) -> Any:
    """Rows of several ledgers, each of a log that is in more than one of them once, by its number."""
    if not shared:
        return ledger
    keys = package("ibis", "fleet").memtable({name: [key[i] for key in shared] for i, name in enumerate(_LOG)})
    return ledger.anti_join(keys, _LOG).union(repeated(ledger, shared).distinct(on=[*_LOG, "sequence"], keep="first"))


def repeated(ledger: Any, shared: Sequence[LogKey]) -> Any:
    """The rows of logs that are in more than one ledger."""
    keys = package("ibis", "fleet").memtable({name: [key[i] for key in shared] for i, name in enumerate(_LOG)})
    return ledger.semi_join(keys, _LOG)


def plausible(ledger: Any) -> Any:
    """The rows in which no number is beyond what its column allows: an older collector took what this one would not."""
    limits = ((ledger[each.name], each) for each in COLUMNS if each.name in JUDGED)
    return ledger.filter(*((value <= each.limit) & (value >= 0) for value, each in limits))


def within(ledger: Any, span: Span) -> Any:
    """The rows of a span."""
    if span.since_us is not None:
        ledger = ledger.filter(ledger.time_us >= span.since_us)
    return ledger if span.until_us is None else ledger.filter(ledger.time_us < span.until_us)


def within_hours(sums: Any, span: Span) -> Any:
    """The hourly sums of a span of whole hours."""
    if span.since_us is not None:
        sums = sums.filter(sums.hour_us >= span.since_us)
    return sums if span.until_us is None else sums.filter(sums.hour_us < span.until_us)


def accounted(ledger: Any, is_wide: bool) -> Any:
    """Rows with the columns that the report takes, and dimensions by their names here.

    Args:
        ledger: a table of its rows.
        is_wide: whether 64 bits may not hold the sums.
    """
    ibis = package("ibis", "fleet")
    time_us = ledger.time_us
    missed = _missed(ledger)
    days = (time_us - time_us % US_PER_DAY) / US_PER_DAY
    kind = _WIDE if is_wide else "int64"
    return ledger.select(
        **{name: ledger[name].cast(kind) for name in FIGURES if name != "missed"},
        device_id=ledger.device_id,
        inferences=ibis.literal(1, kind),
        first_us=time_us,
        last_us=time_us,
        device_model=ledger.device_model,
        network=ledger.model,
        target=ledger.selected,
        region=ledger.region_device,
        far_region=ledger.region_remote,
        methods=ledger.methods,
        **{name: ledger[name] for name in KINDS},
        hour=((time_us % US_PER_DAY - time_us % HOUR_US) / HOUR_US).cast("int64"),
        day=days.cast("int64"),
        missed=missed.cast(kind),
        building_uj=_building_uj(ledger).cast(kind),
        **_weighed(ledger, missed),
    )


def summed(sums: Any, is_wide: bool) -> Any:
    """Hourly sums with the columns that the report takes, as :func:`accounted` has them."""
    kind, hour_us = _WIDE if is_wide else "int64", sums.hour_us
    days = (hour_us - hour_us % US_PER_DAY) / US_PER_DAY
    return sums.select(
        **{name: sums[name].cast(kind) for name in SUMMED},
        **{name: sums[name].cast(_WIDE) for name in WEIGHED},
        inferences=sums.inferences.cast(kind),
        first_us=sums.first_us,
        last_us=sums.last_us,
        device_model=sums.device_model,
        network=sums.model,
        target=sums.selected,
        region=sums.region_device,
        far_region=sums.region_remote,
        methods=sums.methods,
        **{name: sums[name] for name in KINDS},
        hour=((hour_us % US_PER_DAY) / HOUR_US).cast("int64"),
        day=days.cast("int64"),
    )


def together(parts: Sequence[Any]) -> Any:
    """Rows and sums as one table, one of them at least."""
    first, *others = (each.select(*sorted(set(each.columns) - {"device_id"})) for each in parts)
    return first.union(*others) if others else parts[0]


def _missed(ledger: Any) -> Any:
    is_short = (ledger.accuracy_ppm < ledger.goal_accuracy_ppm).fill_null(False)
    return package("ibis", "fleet").ifelse(ledger.is_late | is_short, 1, 0)


def _weighed(ledger: Any, missed: Any) -> dict[str, Any]:
    """``WEIGHED`` of each row: in 64 bits; their sums in more."""
    ibis, ppb = package("ibis", "fleet"), ledger.probability_ppb.cast("int64")
    # Rounded down to a whole number without a division of doubles, which would round otherwise
    inverse = (MILLI_PPB - MILLI_PPB % ppb.clip(lower=1)) / ppb.clip(lower=1)
    stands = (ppb >= LEAST_PPB) & (ledger.chosen == ledger.selected)
    weight = ibis.ifelse(stands, inverse.round().cast("int64"), 0)
    capped = carbon_ng(ledger).clip(upper=MOST_WEIGHED_NG).cast("int64")
    values = (weight, weight * capped, weight * missed.cast("int64"))
    return {name: each.cast(_WIDE) for name, each in zip(WEIGHED, values, strict=True)}


def _building_uj(ledger: Any) -> Any:
    """A whole number, as all that is summed is, rounded down: 0 where a row does not say its PUE."""
    beyond = ledger.energy_remote_uj * (
        ledger.pue_remote_ppm.fill_null(0).clip(lower=_MILLION).cast("int64") - _MILLION
    )
    return ((beyond - beyond % _MILLION) / _MILLION).round().cast("int64")


def cells(rows: Any) -> Any:
    """Sums for every combination of ``DIMENSIONS``; for an engine to keep."""
    return _grouped(rows, DIMENSIONS, **_sums(rows), **_of(rows, WEIGHED))


def total(cells: Any) -> Any:
    """One row: the sums of all."""
    return cells.agg(inferences=cells.inferences.sum(), **_sums(cells))


def by(cells: Any, *dimensions: str) -> Any:
    """Sums for each value of some of ``DIMENSIONS``."""
    return cells.group_by(*dimensions).agg(inferences=cells.inferences.sum(), **_sums(cells))


def by_scenario(cells: Any, *dimensions: str) -> Any:
    """Queries, their carbon, how many missed the goal, what they weigh: for each value of some of ``DIMENSIONS``."""
    return cells.group_by(*dimensions).agg(
        inferences=cells.inferences.sum(), carbon_ng=carbon_ng(cells).sum(), **_of(cells, ("missed", *WEIGHED))
    )


def carbon_ng(table: Any) -> Any:
    """All carbon of a row, operational and embodied, everywhere."""
    first, *others = (table[f"{kind}_{part}_ng"] for kind in ("operational", "embodied") for part in PARTS)
    return sum(others, first)


def by_day(rows: Any) -> Any:
    """Sums, first and last time for each day (whole days since 1970), device model and pair of regions: what time
    series are made of.
    """
    ends = {"first_us": rows.first_us.min(), "last_us": rows.last_us.max()}
    return _grouped(rows, ("day", "device_model", "region", "far_region"), **ends, **_sums(rows))


def by_device(parts: Sequence[Any]) -> Any:
    """For each device that reported: its busy microseconds, and the embodied carbon that its queries carry."""
    rows = _named(parts, "device_id", "latency_us", "embodied_device_ng")
    return rows.group_by("device_id").agg(
        latency_us=rows.latency_us.sum(), embodied_device_ng=rows.embodied_device_ng.sum()
    )


def heaviest(parts: Sequence[Any], most: int) -> Any:
    """The devices whose queries emitted most, in order: how many queries, and their carbon everywhere."""
    columns = ("device_id", "inferences", "carbon_ng")
    named = [each if "carbon_ng" in each.columns else each.mutate(carbon_ng=carbon_ng(each)) for each in parts]
    parts = [each.select("device_id", **{name: each[name].cast(_WIDE) for name in columns[1:]}) for each in named]
    rows = _named(parts, *columns)
    summed = rows.group_by("device_id").agg(inferences=rows.inferences.sum(), carbon_ng=rows.carbon_ng.sum())
    return summed.order_by([summed.carbon_ng.desc(), summed.device_id]).limit(most)


def devices(parts: Sequence[Any]) -> Any:
    """The devices that reported, each once; to count them so is faster on DuckDB than a distinct count."""
    return _named(parts, "device_id").distinct()


def _named(parts: Sequence[Any], *columns: str) -> Any:
    """Some columns of rows and of sums by device."""
    first, *others = (each.select(*columns) for each in parts)
    return first.union(*others) if others else first


def by_method(rows: Any) -> Any:
    """How many queries' figures are known in which way."""
    return _grouped(rows, ("methods", *KINDS))


def _grouped(rows: Any, names: Sequence[str], **figures: Any) -> Any:
    """Rows by some columns. Texts that are not known become empty in what comes out, not in every row: DuckDB groups
    by the files' dictionaries as they are, and any change to a text unpacks them.
    """
    grouped = rows.group_by(*names).agg(inferences=rows.inferences.sum(), **figures)
    return grouped.fill_null({name: "" for name in names if name in _OPTIONAL})


def _sums(table: Any) -> dict[str, Any]:
    return _of(table, SUMMED)


def _of(table: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: table[name].sum() for name in names}
