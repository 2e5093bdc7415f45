"""What a row of the ledger is: one table of columns that drives log, wire, validation, Parquet and simulator.

Numbers are whole: microjoules, nanograms, microseconds, millionths. Sums of them are the same on every engine and any
number of threads, which sums of doubles are not. A row never holds a query's inputs or outputs.

The table grows by columns that say ``since`` which schema they are there; none is ever taken away or given another
meaning. Their order means nothing: log, wire and Parquet name them.

>>> BY_NAME["energy_device_uj"].unit
'µJ'
"""

from typing import Final

from autoscale.fleet.ledger.column import Column
from autoscale.query.goal import OBJECTIVES
from autoscale.query.target import PLACES, PRECISIONS, PROCESSORS
from autoscale.units import US_PER_DAY

SCHEMA: Final = 2
"""The version that this code writes; it reads every one up to it. A new column, word or limit is a new version."""

MOST_UJ: Final = 3_600_000_000_000
"""A kilowatt-hour: no query takes more."""

MOST_NG: Final = 10**13
"""10 kg: a kilowatt-hour of the dirtiest grid, in the worst building."""

MOST_LATENCY_US: Final = US_PER_DAY
MOST_MG_PER_KWH: Final = 3_000_000
"""3 kg/kWh: twice what a small diesel generator emits, its fuel's making with it."""

MOST_PUE: Final = 3.0

INTENSITY_KINDS: Final = ("average", "marginal")

PARTS: Final = {"device": "the device", "network": "what lies between the machines", "remote": "the remote machine"}
"""What a query spends on, in the order of every split figure."""


def _split(name: str, unit: str, meaning: str, of: str, most: int) -> tuple[Column, ...]:
    """A figure of each part of a query; ``{}`` in the name stands for the part."""
    return tuple(
        Column(name.format(part), "int64", unit, f"{meaning}: {who}", f"{of}.{part}", most=most)
        for part, who in PARTS.items()
    )


def _range(kind: str) -> tuple[Column, ...]:
    """The low and the high end of a kind of carbon, all parts together."""
    return tuple(
        Column(
            f"{kind}_{end}_ng",
            "int64",
            "ng CO2e",
            f"{what} the three {kind} figures may sum to",
            f"ends.{kind}_{end}_g",
            most=3 * MOST_NG,
        )
        for end, what in (("low", "the least"), ("high", "the most"))
    )


def _places(
    name: str, kind: str, unit: str, meaning: str, of: str, most: int = 0, words: tuple[str, ...] = ()
) -> tuple[Column, ...]:
    """Something of the place of each part, where it took one and it is known."""
    return tuple(
        Column(
            name.format(part), kind, unit, f"{meaning}: {who}", f"{of}_{part}", optional=True, most=most, words=words
        )
        for part, who in PARTS.items()
    )


COLUMNS: Final = (
    Column("schema", "int32", "", "version of this table that the row was written by"),
    Column("device_id", "text", "", "random name of one installation on one device"),
    Column("log_id", "text", "", "random name of the device's log; with device_id and sequence, a row's key"),
    Column("sequence", "int64", "", "number of the row in its log; the order, whatever the clock said", most=2**40),
    Column("session_id", "text", "", "random name of one run of the app"),
    Column(
        "time_us", "int64", "µs", "when the query came, since 1970-01-01 UTC, by the device's clock", "record.time_s"
    ),
    Column("app_version", "text", "", "version of the app that asked", optional=True),
    Column("device_model", "text", "", "the device profile's name", "record.device"),
    Column("model", "text", "", "the neural network's name", "record.model"),
    Column("objective", "text", "", "what the goal minimises", "goal.objective", words=OBJECTIVES),
    Column("requested", "text", "", "the pinned target, or the inference mode", "decision.requested"),
    Column("chosen", "text", "", "the target the agent chose", "chosen"),
    Column("selected", "text", "", "the target that answered", "selected"),
    Column("place", "text", "", "place of selected", "target.place", words=PLACES),
    Column("processor", "text", "", "processor of selected", "target.processor", words=PROCESSORS),
    Column("precision", "text", "", "precision of selected", "target.precision", words=PRECISIONS),
    Column("did_fallback", "bool", "", "whether another target than the chosen one answered", "decision.did_fallback"),
    Column("attempts", "int32", "", "targets that were tried", "attempts"),
    Column("probability_ppb", "int32", "1e-9", "probability of chosen", "decision.probability", most=10**9),
    Column("latency_us", "int64", "µs", "from the call to the answer", "outcome.latency_s", most=MOST_LATENCY_US),
    Column("goal_latency_us", "int64", "µs", "the latest an answer is of use; absent: no limit", "limit_s", True),
    Column("is_late", "bool", "", "whether the answer came after the goal's limit", "is_late"),
    Column("accuracy_ppm", "int32", "1e-6", "accuracy of the variant that answered", "outcome.accuracy", True, 10**6),
    Column("goal_accuracy_ppm", "int32", "1e-6", "lowest acceptable accuracy", "goal.min_accuracy", True, 10**6),
    Column("predicted_latency_us", "int64", "µs", "latency expected of chosen", "decision.predicted_latency_s", True),
    Column(
        "predicted_energy_uj", "int64", "µJ", "device energy expected of chosen", "decision.predicted_energy_j", True
    ),
    *_split("energy_{}_uj", "µJ", "energy of", "outcome.energy_j", MOST_UJ),
    *_split("operational_{}_ng", "ng CO2e", "carbon of the energy of", "outcome.carbon_operational_g", MOST_NG),
    *_split("embodied_{}_ng", "ng CO2e", "share of the embodied carbon of", "outcome.carbon_embodied_g", MOST_NG),
    *_range("operational"),
    *_range("embodied"),
    *_places("region_{}", "text", "", "electricity region of", "region"),
    *_places(
        "intensity_{}_mg_per_kwh", "int64", "mg CO2e/kWh", "grid carbon intensity of", "intensity", MOST_MG_PER_KWH
    ),
    *_places("intensity_{}_kind", "text", "", "what kind of intensity, of", "kind", words=INTENSITY_KINDS),
    Column(
        "methods", "text", "", "how figures are known: 'accuracy=default;latency_s=measured'", "methods", optional=True
    ),
    Column(
        "pue_remote_ppm",
        "int32",
        "1e-6",
        "power usage effectiveness of the remote machine's building, which is in its carbon and not in its energy",
        "outcome.pue_remote",
        optional=True,
        most=round(MOST_PUE * 10**6),
        since=2,
    ),
    Column(
        "considered",
        "text",
        "",
        "what stood to be chosen and what was seen, as JSON (considered_text.py)",
        "considered",
        optional=True,
        longest=1 << 16,
        since=2,
    ),
)

BY_NAME: Final = {column.name: column for column in COLUMNS}

RANGES: Final = tuple(
    (f"{kind}_low_ng", tuple(f"{kind}_{part}_ng" for part in PARTS), f"{kind}_high_ng")
    for kind in ("operational", "embodied")
)
"""Columns of a low end, the parts whose sum lies between, and the high end."""

BATCH_COLUMNS: Final = ("schema", "device_id", "log_id")
"""The same for all rows of a log: a batch carries them once."""

LOG_NUMBERS: Final = ("sequence",)
LOG_TEXTS: Final = ("session_id", "app_version")
"""What a log adds to what a record says."""

NUMBERS: Final = (*LOG_NUMBERS, *(each.name for each in COLUMNS if each.of and not each.is_text))
"""Columns of whole numbers that differ from row to row, in the order of a row in a device's log."""

TEXTS: Final = (*LOG_TEXTS, *(each.name for each in COLUMNS if each.of and each.is_text))
"""Columns of texts that differ from row to row, likewise."""


def columns_of(schema: int) -> tuple[Column, ...]:
    """The columns that a version of the table has.

    >>> columns_of(SCHEMA) == COLUMNS
    True
    """
    return tuple(each for each in COLUMNS if each.since <= schema)
