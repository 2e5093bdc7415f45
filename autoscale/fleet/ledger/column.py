"""One column of the ledger: what it holds, since when, and how it comes out of a record."""

from dataclasses import dataclass
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.units import MICRO_PER_UNIT, NANO_PER_UNIT

ABSENT: Final = -1
"""An optional number that is not known, outside Parquet; there it is null. An absent text is empty, there null."""

NOT_A_NUMBER: Final = -(2**63)
"""What stands for NaN and infinity in a column of whole numbers, so that the collector can count them."""

LONGEST_TEXT: Final = 1024
"""Characters of a text, where its column does not say otherwise."""

MOST: Final = {"int64": 2**62, "int32": 2**31 - 1, "bool": 1}
"""The largest number of a kind of column."""

PER_UNIT: Final = {
    "": 1,
    "µs": MICRO_PER_UNIT,
    "µJ": MICRO_PER_UNIT,
    "ng CO2e": NANO_PER_UNIT,
    "mg CO2e/kWh": 1000,
    "1e-6": MICRO_PER_UNIT,
    "1e-9": NANO_PER_UNIT,
}
"""A column's unit to how many of it make one of the record's: seconds, joules, grams, fractions."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: ends in the unit where it is a number with one.
        kind: ``int64``, ``int32``, ``bool`` or ``text``: its type in Parquet. Numbers are never negative.
        unit: as people write it, one of ``PER_UNIT``.
        meaning: what it says.
        of: where it stands in a ``RecordView``, there in seconds, joules, grams and fractions, None where it is absent;
            empty for what the log says, not the record.
        optional: whether it may be absent.
        most: the largest number that makes sense; 0 for the most its kind holds.
        words: the texts that make sense; empty for any.
        longest: characters of a text.
        since: the first schema that has it.
        default: what rows of older schemas have in it, in its own unit; absent where it is optional and this is None.

    Raises:
        InvalidInput: rows of older schemas would have nothing in it.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    of: str = ""
    optional: bool = False
    most: int = 0
    words: tuple[str, ...] = ()
    longest: int = LONGEST_TEXT
    since: int = 1
    default: int | str | None = None

    def __post_init__(self) -> None:
        if self.since > 1 and not self.optional and self.default is None:
            since = f"column '{self.name}' is there since schema {self.since}"
            raise InvalidInput(f"{since} and has no default for older rows; allowed: a default, or optional=True")

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
        return self.most or MOST[self.kind]

    @property
    def per_unit(self) -> int:
        """How many of its unit make one of the record's."""
        return PER_UNIT[self.unit]

    @property
    def absent(self) -> int | str | None:
        """What stands in it where a row has nothing to say; None where every row must."""
        if self.default is not None or not self.optional:
            return self.default
        return "" if self.is_text else ABSENT
