"""Records as the whole numbers and texts of rows, by the table of columns.

It is on the path of every query and takes some microseconds: each half of a row is one look-up of all its attributes.
"""

import struct
from operator import attrgetter
from typing import Final

from autoscale.fleet.ledger.column import ABSENT, MOST, NOT_A_NUMBER
from autoscale.fleet.ledger.record_view import RecordView
from autoscale.fleet.ledger.schema import BY_NAME, LOG_NUMBERS, LOG_TEXTS, NUMBERS, RANGES, TEXTS
from autoscale.query.record import Record

_NUMBERS: Final = NUMBERS[len(LOG_NUMBERS) :]
_TEXTS: Final = TEXTS[len(LOG_TEXTS) :]
_PER_UNIT: Final = tuple(BY_NAME[name].per_unit for name in _NUMBERS)
_fit_64_bits: Final = struct.Struct(f"<{len(_NUMBERS)}q").pack

_numbers_of: Final = attrgetter(*(BY_NAME[name].of for name in _NUMBERS))
_texts_of: Final = attrgetter(*(BY_NAME[name].of for name in _TEXTS))

_RANGES: Final = tuple(
    (_NUMBERS.index(low), tuple(map(_NUMBERS.index, parts)), _NUMBERS.index(high)) for low, parts, high in RANGES
)


def encode_record(record: Record) -> tuple[list[int], tuple[str, ...]]:
    """What a record has of ``schema.NUMBERS`` and ``schema.TEXTS``: all but what the log says, which comes first."""
    view = RecordView(record)
    texts = _texts_of(view)
    if None in texts:
        texts = tuple("" if each is None else each for each in texts)
    return _whole_numbers(_numbers_of(view)), texts


def _whole_numbers(values: tuple[float | None, ...]) -> list[int]:
    try:
        row = [ABSENT if value is None else round(value * per) for value, per in zip(values, _PER_UNIT, strict=True)]
        _fit_64_bits(*row)
    except (ValueError, OverflowError, struct.error):
        row = [_whole(value, per) for value, per in zip(values, _PER_UNIT, strict=True)]
    for low, (device, network, remote), high in _RANGES:
        total = row[device] + row[network] + row[remote]  # rounded parts may sum to more or less than rounded ends
        if 0 <= total < row[low]:
            row[low] = total
        elif total > row[high]:
            row[high] = total
    return row


def _whole(value: float | None, per_unit: int) -> int:
    """A figure as a whole number of its small unit; ``NOT_A_NUMBER`` where it is none, or far too large."""
    if value is None:
        return ABSENT
    try:
        number = round(value * per_unit)
    except (ValueError, OverflowError):
        return NOT_A_NUMBER
    return number if abs(number) <= MOST["int64"] else NOT_A_NUMBER
