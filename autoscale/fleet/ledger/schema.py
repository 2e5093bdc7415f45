"""What a row of the ledger is: one table of columns that drives the log, the wire, validation and Parquet.

Numbers are whole: microjoules, nanograms, microseconds, millionths. Sums of them are the same on every engine and any
number of threads, which sums of doubles are not. A row never holds a query's inputs or outputs.

>>> BY_NAME["energy_device_uj"].unit
'µJ'
"""

from dataclasses import dataclass
from typing import Final

from autoscale.query.goal import OBJECTIVES
from autoscale.query.target import PLACES, PRECISIONS, PROCESSORS

SCHEMA: Final = 1
"""The version that this code writes; it reads every one up to it."""

ABSENT: Final = -1
"""An optional number that is not known, outside Parquet; there it is null. An absent text is empty, there null."""

NOT_A_NUMBER: Final = -(2**63)
"""What stands for NaN and infinity in a column of whole numbers, so that the collector can count them."""

INTENSITY_KINDS: Final = ("average", "marginal")
LONGEST_TEXT: Final = 1024

_MOST: Final = {"int64": 2**62, "int32": 2**31 - 1, "bool": 1}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: ends in the unit where it is a number with one.
        kind: ``int64``, ``int32``, ``bool`` or ``text``: its type in Parquet. Numbers are never negative.
        unit: as people write it; empty where there is none.
        meaning: what it says.
        optional: whether it may be absent.
        most: the largest number that makes sense; 0 for the most its kind holds.
        words: the texts that make sense; empty for any.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    optional: bool = False
    most: int = 0
    words: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        """Whether its values are texts; all others are whole numbers."""
        return self.kind == "text"

    @property
    def least(self) -> int:
        """The smallest number allowed, ``ABSENT`` being one."""
        return ABSENT if self.optional else 0

    @property
    def limit(self) -> int:
        """The largest number allowed."""
        return self.most or _MOST[self.kind]


_PARTS: Final = {"device": "the device", "network": "what lies between the machines", "remote": "the far machine"}


def _split(prefix: str, kind: str, suffix: str, unit: str, meaning: str, optional: bool = False) -> tuple[Column, ...]:
    """One column for each part of a split."""
    words = INTENSITY_KINDS if suffix == "_kind" else ()
    return tuple(
        Column(f"{prefix}_{part}{suffix}", kind, unit, f"{meaning}: {who}", optional, words=words)
        for part, who in _PARTS.items()
    )


COLUMNS: Final = (
    Column("schema", "int32", "", "version of this table that the row was written by"),
    Column("device_id", "text", "", "random name of one installation on one device"),
    Column("log_id", "text", "", "random name of the device's log; with device_id and sequence, a row's key"),
    Column("sequence", "int64", "", "number of the row in its log; the order, whatever the clock said", most=2**40),
    Column("session_id", "text", "", "random name of one run of the app"),
    Column("time_us", "int64", "µs", "when the query came, since 1970-01-01 UTC, by the device's clock"),
    Column("app_version", "text", "", "version of the app that asked", optional=True),
    Column("device_model", "text", "", "the device profile's name"),
    Column("model", "text", "", "the neural network's name"),
    Column("objective", "text", "", "what the goal minimises", words=OBJECTIVES),
    Column("requested", "text", "", "the pinned target, or the inference mode"),
    Column("chosen", "text", "", "the target the agent chose"),
    Column("selected", "text", "", "the target that answered"),
    Column("place", "text", "", "place of selected", words=PLACES),
    Column("processor", "text", "", "processor of selected", words=PROCESSORS),
    Column("precision", "text", "", "precision of selected", words=PRECISIONS),
    Column("did_fallback", "bool", "", "whether another target than the chosen one answered"),
    Column("attempts", "int32", "", "targets that were tried"),
    Column("probability_ppb", "int32", "1e-9", "probability with which chosen was chosen", most=10**9),
    Column("latency_us", "int64", "µs", "from the call to the answer"),
    Column("goal_latency_us", "int64", "µs", "the latest an answer is of use; absent: no limit", optional=True),
    Column("is_late", "bool", "", "whether the answer came after the goal's limit"),
    Column("accuracy_ppm", "int32", "1e-6", "accuracy of the variant that answered", optional=True, most=10**6),
    Column("goal_accuracy_ppm", "int32", "1e-6", "lowest acceptable accuracy", optional=True, most=10**6),
    Column("predicted_latency_us", "int64", "µs", "latency expected of chosen", optional=True),
    Column("predicted_energy_uj", "int64", "µJ", "energy of the device expected of chosen", optional=True),
    *_split("energy", "int64", "_uj", "µJ", "energy of"),
    *_split("operational", "int64", "_ng", "ng CO2e", "carbon of the energy of"),
    *_split("embodied", "int64", "_ng", "ng CO2e", "share of the carbon of making"),
    Column("operational_low_ng", "int64", "ng CO2e", "the least the three operational figures may sum to"),
    Column("operational_high_ng", "int64", "ng CO2e", "the most the three operational figures may sum to"),
    Column("embodied_low_ng", "int64", "ng CO2e", "the least the three embodied figures may sum to"),
    Column("embodied_high_ng", "int64", "ng CO2e", "the most the three embodied figures may sum to"),
    *_split("region", "text", "", "", "electricity region of", optional=True),
    *_split("intensity", "int64", "_mg_per_kwh", "mg CO2e/kWh", "grid carbon intensity of", optional=True),
    *_split("intensity", "text", "_kind", "", "what kind of intensity, of", optional=True),
    Column(
        "methods", "text", "", "how figures are known: 'energy_j.device=measured;latency_s=measured'", optional=True
    ),
)

BY_NAME: Final = {column.name: column for column in COLUMNS}

BATCH_COLUMNS: Final = ("schema", "device_id", "log_id")
"""The same for all rows of a log: told once for a batch."""

NUMBERS: Final = tuple(each.name for each in COLUMNS if not each.is_text and each.name not in BATCH_COLUMNS)
"""Columns of whole numbers that differ from row to row, in the order of a row in a device's log."""

TEXTS: Final = tuple(each.name for each in COLUMNS if each.is_text and each.name not in BATCH_COLUMNS)
"""Columns of texts that differ from row to row, likewise."""
