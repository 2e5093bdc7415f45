"""Hourly sums of rows, made when rows are written: what a report of a year reads, and what stays when rows are aged.

A file of rows has two beside it, of the same name in other folders, Parquet too (their suffixes are others, so that who
globs for rows finds rows): ``sums/``, by hour, network, target, device model,
regions and how figures are known, without any device's name; and ``devices/``, by device. Their sums are those of the
rows, to the nanogram, since all of them are whole numbers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from autoscale.fleet.ledger.arrow import arrow, optional_package
from autoscale.fleet.ledger.exact_path import for_duckdb
from autoscale.fleet.ledger.schema import PARTS
from autoscale.units import MICRO_PER_UNIT, US_PER_DAY

CARBON: Final = tuple(f"{kind}_{part}_ng" for kind in ("operational", "embodied") for part in PARTS)
"""A query's carbon: the sum of these columns."""

FIGURES: Final = (
    *(f"energy_{part}_uj" for part in PARTS),
    *CARBON,
    "operational_low_ng",
    "operational_high_ng",
    "embodied_low_ng",
    "embodied_high_ng",
    "latency_us",
    "missed",
)
"""What is summed: columns of the ledger, and ``missed``, the queries that came late or fell short of their accuracy."""

SUMMED: Final = (*FIGURES, "building_uj")
"""With what the remote machines' buildings took beside their joules, by their PUE."""

LEAST_PPB: Final = 100_000
"""Chosen with a lower probability (one in ten thousand), a query stands for no others: it would for too many."""

MOST_WEIGHED_NG: Final = 900 * 10**9
"""As much of a query's carbon is weighed, lest a product need more than 64 bits: 0.9 kg."""

MILLI_PPB: Final = 10**12
"""Over a probability in billionths: its inverse in thousandths."""

WEIGHED: Final = ("weight_milli", "weighed_ng_milli", "weighed_missed_milli")
"""Sums of a query's weight, of its carbon and of its miss times that. The weight is one over the probability of the
choice, in thousandths of a query; 0 where the row does not say the probability, or another target answered."""

ALIKE: Final = (
    "model",
    "selected",
    "device_model",
    "region_device",
    "region_remote",
    "methods",
    *(f"intensity_{part}_kind" for part in PARTS),
)
"""Columns of rows that are summed together, beside the hour."""

MEMORY: Final = "2GB"
"""What a merge of sums may hold before it spills to disk."""

HOUR_US: Final = 3_600_000_000
SUMS: Final[dict[str, str]] = {
    "hour_us": "int64",
    **dict.fromkeys(ALIKE, "text"),
    **dict.fromkeys(("inferences", "first_us", "last_us", *SUMMED, *WEIGHED), "int64"),
}
"""Columns of ``sums/`` to their kinds; ``hour_us`` is when the hour began."""

DEVICES: Final[dict[str, str]] = {
    "device_id": "text",
    **dict.fromkeys(("inferences", "latency_us", "embodied_device_ng", "carbon_ng"), "int64"),
}
"""Columns of ``devices/`` to their kinds."""

MONTHLY: Final[dict[str, str]] = SUMS | dict.fromkeys(WEIGHED, "wide")
"""Columns of the sums of a month, ``days`` and ``hours``: weights of so many may need more than 64 bits."""

DROPPED: Final = {"days": ("selected",), "hours": ("methods", *(f"intensity_{part}_kind" for part in PARTS))}
"""Folder of sums of a month to the columns that are null in it, for fewer sums. Those by day say no target and stand at
the day's beginning; those by hour of the day say not how figures are known, and stand on the month's first day."""

ASKING: Final = "asking"
"""Folder of sums of a month by device, of the columns of ``DEVICES``."""

MONTHS: Final = (*DROPPED, ASKING)
"""Folders of sums of a month."""

CARBON_NG: Final = " + ".join(CARBON)
"""SQL of all carbon of a row, operational and embodied, everywhere."""


def made(divided: str = "//") -> dict[str, str]:
    """SQL of what is summed and is no column of a row: figure to expression, each of whole numbers.

    Args:
        divided: the engine's division of whole numbers, rounded down.
    """
    missed = "CASE WHEN is_late OR coalesce(accuracy_ppm < goal_accuracy_ppm, false) THEN 1 ELSE 0 END"
    stands = f"probability_ppb >= {LEAST_PPB} AND chosen = selected"
    weight = f"CASE WHEN {stands} THEN {MILLI_PPB} {divided} probability_ppb ELSE 0 END"
    overhead = f"greatest(coalesce(pue_remote_ppm, 0), {MICRO_PER_UNIT}) - {MICRO_PER_UNIT}"
    return {
        "missed": missed,
        "weight_milli": weight,
        "weighed_ng_milli": f"({weight}) * least({CARBON_NG}, {MOST_WEIGHED_NG})",
        "weighed_missed_milli": f"({weight}) * ({missed})",
        "building_uj": f"(energy_remote_uj * ({overhead})) {divided} {MICRO_PER_UNIT}",
    }


def sums_of(path: Path) -> tuple[Any, Any]:
    """The ``pyarrow.Table`` of a file's hourly sums, and that of its devices; the file is of today's schema.

    Raises:
        OSError: it cannot be read, or a sum needs more than 64 bits.
        MissingExtra: duckdb is not installed.
    """
    duckdb = optional_package("duckdb")
    expressions = made()
    figures = ", ".join(f"sum({expressions.get(name, name)})::BIGINT AS {name}" for name in (*SUMMED, *WEIGHED))
    keys = ", ".join(ALIKE)
    hourly = (
        f"SELECT time_us - time_us % {HOUR_US} AS hour_us, {keys}, count(*) AS inferences, min(time_us) AS first_us, "
        f"max(time_us) AS last_us, {figures} FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
    )
    by_device = (
        "SELECT device_id, count(*) AS inferences, sum(latency_us)::BIGINT AS latency_us, sum(embodied_device_ng)"
        f"::BIGINT AS embodied_device_ng, sum({CARBON_NG})::BIGINT AS carbon_ng FROM read_parquet(?) "
        "GROUP BY ALL ORDER BY ALL"
    )
    try:
        with _opened(duckdb, {}) as base:
            queries = (base.sql(each, params=[for_duckdb(path)]) for each in (hourly, by_device))
            first, second = (_plain(each.to_arrow_table()) for each in queries)
            return first, second
    except duckdb.Error as error:
        raise OSError(f"'{path}' cannot be summed: {error}") from error


def merged_sums(paths: Sequence[Path], inferences: int) -> Any:
    """The ``pyarrow.Table`` of sums of several files, those of one hour that are alike as one.

    Raises:
        OSError: a file cannot be read, a sum needs more than 64 bits, or they are not of that many queries.
        MissingExtra: duckdb is not installed.
    """
    return _regrouped(paths, inferences, "hour_us", (), SUMS)


def month_sums(paths: Sequence[Path], inferences: int, folder: str, month_us: int) -> Any:
    """The ``pyarrow.Table`` of hourly sums of a month, for a folder of ``DROPPED``.

    Raises:
        OSError: likewise.
        MissingExtra: likewise.
    """
    moment = {"days": f"hour_us - hour_us % {US_PER_DAY}", "hours": f"{month_us} + hour_us % {US_PER_DAY}"}[folder]
    return _regrouped(paths, inferences, moment, DROPPED[folder], MONTHLY)


def month_devices(paths: Sequence[Path], inferences: int) -> Any:
    """The ``pyarrow.Table`` of sums by device of a month.

    Raises:
        OSError: likewise.
        MissingExtra: likewise.
    """
    figures = ", ".join(f"sum({name})::BIGINT AS {name}" for name in DEVICES if name != "device_id")
    return _merged(paths, inferences, f"SELECT device_id, {figures} FROM read_parquet(?) GROUP BY ALL ORDER BY ALL")


def _opened(duckdb: Any, limits: Mapping[str, Any]) -> Any:
    """A base of one thread, which draws no progress between what a command or a collector prints."""
    base = duckdb.connect(config={"threads": 1, **limits})
    base.execute("SET enable_progress_bar = false")
    return base


def _regrouped(
    paths: Sequence[Path], inferences: int, moment: str, dropped: Sequence[str], columns: Mapping[str, str]
) -> Any:
    kinds = {"int64": "BIGINT", "wide": "DECIMAL(38, 0)"}
    keys = ", ".join(f"NULL::VARCHAR AS {name}" if name in dropped else name for name in ALIKE)
    figures = ", ".join(f"sum({name})::{kinds[columns[name]]} AS {name}" for name in ("inferences", *SUMMED, *WEIGHED))
    regrouped = (
        f"SELECT {moment} AS hour_us, {keys}, min(first_us) AS first_us, max(last_us) AS last_us, {figures} "
        "FROM read_parquet(?) GROUP BY ALL ORDER BY ALL"
    )
    return _merged(paths, inferences, regrouped)


def _merged(paths: Sequence[Path], inferences: int, merging: str) -> Any:
    duckdb = optional_package("duckdb")
    try:
        with _opened(duckdb, {"memory_limit": MEMORY}) as base:
            table = _plain(base.sql(merging, params=[list(map(for_duckdb, paths))]).to_arrow_table())
    except duckdb.Error as error:
        raise OSError(f"{len(paths)} files of sums cannot be merged: {error}") from error
    found = arrow("compute").sum(table["inferences"]).as_py()
    if found != inferences:
        raise OSError(f"{len(paths)} files of sums are of {found} queries; {inferences} were written")
    return table


def _plain(table: Any) -> Any:
    """Texts as dictionaries, as the ledger writes them."""
    pa = arrow()
    is_text = pa.types.is_string
    columns = [each.dictionary_encode() if is_text(each.type) else each for each in table.columns]
    return pa.table(columns, names=table.column_names)
