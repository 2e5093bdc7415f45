"""How a column writes its times: ISO 8601, seconds since 1970, digits alone, or days and months by numbers; spans as
their beginning.

The whole column is looked at, since ``03/04/2024`` alone does not say which of the two is the month.

>>> moment, end = reading_of(["31.03.2024 05:00 - 31.03.2024 05:59"])("31.03.2024 05:00 - 31.03.2024 05:59")
>>> str(moment), str(end)
('2024-03-31 05:00:00', '2024-03-31 05:59:00')
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from autoscale.errors import InvalidInput
from autoscale.units import s_from_ms

Reading = Callable[[str], tuple[datetime, datetime | None]]
"""A cell to its time and, of a span, its end; aware where the cell tells its offset. Raises ValueError."""

_SPAN: Final = re.compile(r"\s+(?:-|–|to|bis)\s+")
_NUMBERED: Final = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AaPp][Mm])?)?"
)
_NAMED_ZONE: Final = re.compile(r"\s*\((?:[A-Z]{2,5})\)$|\s+(?:UTC|GMT)$")
_DAYS_END: Final = (24, 0, 0)
"""24:00 of a day is 0:00 of the next (ISO 8601-1:2019, 5.3.2)."""
_MIDNIGHT: Final = re.compile(r"^(\d{4}-?\d{2}-?\d{2}[T ])24:00(?::00(?:\.0+)?)?(?!\d|[:.])")
_COMPACT: Final = re.compile(r"(20\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(\d\d)?")
"""A time in digits alone, as of markets: as seconds since 1970 it is one of 2033 and later, as milliseconds of 1976."""
_FIRST_S, _FIRST_MS = 1e8, 1e11
_LAST: Final = datetime(9000, 1, 1, tzinfo=UTC)
_ISO: Final = "an ISO 8601 time, UTC unless it names its zone"


def reading_of(cells: Sequence[str]) -> Reading:
    """How to read a column.

    Args:
        cells: all of its cells.

    Raises:
        InvalidInput: days and months that cannot be told apart.
    """
    numbered = [found for cell in cells if (found := _NUMBERED.match(cell.strip()))]
    if not numbered:
        return _iso_or_seconds
    is_month_first = _is_month_first(numbered, any(_SPAN.search(cell) for cell in cells[:50]))

    def read(cell: str) -> tuple[datetime, datetime | None]:
        begin, *end = _SPAN.split(cell.strip(), maxsplit=1)
        return _numbered(begin, is_month_first), _numbered(end[0], is_month_first) if end else None

    return read


def as_iso(cells: Sequence[str]) -> dict[str, str]:
    """Cells in which days and months are numbers, as spreadsheets write them, to ISO 8601; all others are left out.

    Raises:
        InvalidInput: days and months that cannot be told apart.

    >>> as_iso(["13.11.2026 10:00", "2026-11-01"])
    {'13.11.2026 10:00': '2026-11-13T10:00:00'}
    """
    numbered = [cell for cell in cells if _NUMBERED.fullmatch(cell.strip())]
    read, found = reading_of(numbered), dict[str, str]()
    for cell in numbered:
        with suppress(ValueError):  # a 13th month is refused by who reads it as it stands
            found[cell] = read(cell)[0].isoformat()
    return found


def year_of(cell: str) -> int:
    """The year of a time, whichever of day and month stands first in it.

    Raises:
        ValueError: it is none.
    """
    found = _NUMBERED.fullmatch(cell.strip())
    return int(found[4]) if found else datetime.fromisoformat(cell.strip()).year


def _is_month_first(found: Sequence[re.Match[str]], is_span: bool) -> bool:
    firsts, seconds = (max(int(each[group]) for each in found) for group in (1, 3))
    if firsts > 12 or found[0][2] == ".":
        return False
    if seconds > 12:
        return True
    if is_span:  # Europe's markets write them, with the day first
        return False
    sample = found[0][0]
    raise InvalidInput(f"'{sample}' may be in two months; allowed: ISO 8601, as in 2024-03-31T05:00")


def _numbered(text: str, is_month_first: bool) -> datetime:
    found = _NUMBERED.fullmatch(_NAMED_ZONE.sub("", text.strip()))
    if found is None:
        raise ValueError(text)
    day, month = (found[3], found[1]) if is_month_first else (found[1], found[3])
    hour = int(found[5] or 0)
    if found[8]:
        hour = hour % 12 + (12 if found[8].casefold() == "pm" else 0)
    minute, second = int(found[6] or 0), int(found[7] or 0)
    is_end = (hour, minute, second) == _DAYS_END
    moment = datetime(int(found[4]), int(month), int(day), 0 if is_end else hour, minute, second)
    return _checked(moment + timedelta(days=is_end))


def _iso_or_seconds(cell: str) -> tuple[datetime, datetime | None]:
    begin, *end = _SPAN.split(cell.strip(), maxsplit=1)
    return _moment(begin), _moment(end[0]) if end else None


def _moment(text: str) -> datetime:
    if compact := _COMPACT.fullmatch(text):
        text = "{}-{}-{}T{}:{}:{}".format(*compact.groups("00"))
    try:
        plain = _MIDNIGHT.sub(r"\g<1>00:00", text)
        return _checked(datetime.fromisoformat(plain) + timedelta(days=plain != text))
    except ValueError:
        seconds = float(text)
        if seconds < _FIRST_S:
            raise
        return _checked(datetime.fromtimestamp(s_from_ms(seconds) if seconds >= _FIRST_MS else seconds, UTC))


def _checked(moment: datetime) -> datetime:
    """Within what every calendar prints."""
    time_s = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not 0.0 <= time_s < _LAST.timestamp():
        raise ValueError(f"{moment} is not within 1970 to 8999")
    return moment


ALLOWED: Final = _ISO
