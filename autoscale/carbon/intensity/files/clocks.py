"""Whose clock a column of times shows, and what its changes do to it.

A time without an offset is UTC where nothing else is told and nothing speaks against it. A file that lacks the very
hour that clocks jump over in spring, or has the one twice that they repeat in autumn, speaks against it: it is refused
until the time zone is told. With a zone, the hour that comes twice is told apart by its order, and a time that no clock
there showed costs its row.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from autoscale.errors import InvalidInput

_SPELLINGS: Final = {"cet/cest": "Europe/Brussels", "cet": "Europe/Brussels", "mez/mesz": "Europe/Berlin"} | {
    "mez": "Europe/Berlin",
    "gmt": "UTC",
    "z": "UTC",
    "wet/west": "Europe/Lisbon",
    "eet/eest": "Europe/Athens",
}
_OFFSET: Final = re.compile(r"(?:utc|gmt)?\s*([+-])(\d{1,2})(?::?(\d{2}))?")
_HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NoSuchTime(Exception):
    """A local time that the clocks of a zone never showed, or showed more often than they can."""

    why: str

    def __str__(self) -> str:
        return self.why


def zone_of_clock(name: str) -> tzinfo:
    """A time zone by its IANA name, an offset, or as Europe's markets write it.

    Raises:
        InvalidInput: none of that name.

    >>> str(zone_of_clock("CET/CEST")), str(zone_of_clock("UTC+01:00"))
    ('Europe/Brussels', 'UTC+01:00')
    """
    plain = name.strip().casefold()
    if plain in ("utc", "gmt", "z"):
        return UTC
    offset = _OFFSET.fullmatch(plain)
    if offset:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if ahead < timedelta(hours=15):
            return datetime.strptime(f"{offset[1]}{int(offset[2]):02}{int(offset[3] or 0):02}", "%z").tzinfo or UTC
    try:
        return ZoneInfo(_SPELLINGS.get(plain, name.strip()))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        allowed = "an IANA name, as in Europe/Berlin or America/New_York, UTC, or an offset, as in +01:00"
        raise InvalidInput(f"time zone is '{name}'; allowed: {allowed} (needs the system's or PyPI's tzdata)") from None


def zone_in(column: str) -> str | None:
    """The time zone that a column's name ends with: ``MTU (UTC)``, ``Time [CET/CEST]``; None where it names none."""
    found = re.search(r"[(\[]([^()\[\]]+)[)\]]\s*$", column)
    return found[1] if found else None


class Clock:
    """Turns a zone's local times, in the order of a file, into seconds since 1970.

    Args:
        times: all of them that have no offset, in the order of the file.
        zone: whose clock they show.
    """

    def __init__(self, times: Sequence[datetime], zone: tzinfo) -> None:
        self._zone = zone
        self._often = Counter(time for time in times if _is_twice(time, zone))
        self._seen: Counter[datetime] = Counter()
        self._falls = _falls(times)
        self._alone = self._folds_of_single(times[::-1] if self._falls else times)

    def time_s(self, time: datetime) -> float:
        """Seconds since 1970 of the next of the times.

        Raises:
            NoSuchTime: clocks there never showed it, or not that often.
        """
        fold = self._alone.get(time, 0)
        if self._often[time] > 1:
            number, self._seen[time] = self._seen[time], self._seen[time] + 1
            if number > 1:
                raise NoSuchTime(f"comes {number + 1} times; allowed: twice, where clocks in {self._zone} go back")
            fold = 1 - number if self._falls else number
        local = time.replace(tzinfo=self._zone, fold=fold)
        if _is_never(time, self._zone):
            raise NoSuchTime(f"does not exist in {self._zone}, whose clocks jump over it")
        return local.timestamp()

    def _folds_of_single(self, rising: Sequence[datetime]) -> dict[datetime, int]:
        """Of times that clocks show twice and a file has once: those after its clock fell are of the second round."""
        folds: dict[datetime, int] = {}
        before, fold = None, 0
        for time in rising:
            if time not in self._often:
                before, fold = None, 0
                continue
            fold = 1 if before is not None and time <= before else fold
            before = time
            if self._often[time] == 1:
                folds[time] = fold
        return folds


def local_change(
    times: Sequence[datetime], repeated: Sequence[datetime], differing: Iterable[datetime], step: timedelta
) -> str | None:
    """What of some times taken as UTC speaks for a local clock, in words; None where nothing does.

    Args:
        times: once each, rising.
        repeated: those that a file has twice: where clocks of one place show all of them twice, no download is
            overlapped by another.
        differing: of them those with different figures, which speak one by one.
        step: between most of the times.
    """
    of_one_place = any(all(_is_twice(time, zone) for time in repeated) for zone in _changing_on(repeated[:1]))
    for time in repeated[:1] if of_one_place else differing:
        if any(_is_twice(time, zone) for zone in _changing_on([time])):
            why = "local time without one repeats an hour in autumn"
            return f"the time repeats {time.isoformat(' ')}, as where clocks go back ({why})"
    for before, after in pairwise(times):
        lacks = before + step
        if after - before == step + _HOUR and any(_is_never(lacks, zone) for zone in _changing_on([lacks])):
            return f"the hour from {(before + step).isoformat(' ')} is not there, as where clocks go forward"
    return None


def _changing_on(times: Sequence[datetime]) -> Iterable[ZoneInfo]:
    """The zones whose clocks changed on the day of a time, or the next to it; none of no time."""
    return (zone for time in times for zone in _changing_about(datetime(time.year, time.month, time.day)))


@cache
def _changing_about(day: datetime) -> tuple[ZoneInfo, ...]:
    ends = (day - timedelta(days=1), day + timedelta(days=2))
    return tuple(zone for zone in _zones() if len({end.replace(tzinfo=zone).utcoffset() for end in ends}) > 1)


@cache
def _zones() -> tuple[ZoneInfo, ...]:
    """Every one there is: some changed their clocks at an hour, or on a day, of their own."""
    found = []
    for name in sorted(available_timezones()):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            found.append(ZoneInfo(name))
    return tuple(found)


def _is_twice(time: datetime, zone: tzinfo) -> bool:
    first, second = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    offsets = first.utcoffset(), second.utcoffset()
    return None not in offsets and offsets[0] > offsets[1]  # type: ignore[operator]  # neither is None


def _is_never(time: datetime, zone: tzinfo) -> bool:
    first, second = (time.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    offsets = first.utcoffset(), second.utcoffset()
    return None not in offsets and offsets[0] < offsets[1]  # type: ignore[operator]  # neither is None


def _falls(times: Sequence[datetime]) -> bool:
    """Whether a file goes back in time."""
    rising = sum(1 if after > before else -1 for before, after in pairwise(times) if after != before)
    return rising < 0
