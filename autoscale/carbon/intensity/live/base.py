"""What the live sources share: caching, back-off, the rule for stale data. Each source only reads its server."""

import os
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autoscale.carbon.intensity.base import Intensity, IntensitySource
from autoscale.carbon.intensity.live.answers import Unusable
from autoscale.carbon.intensity.live.cache import Snapshot, SnapshotFolder
from autoscale.carbon.intensity.live.http import HttpFailure
from autoscale.carbon.intensity.places import WORLD
from autoscale.carbon.intensity.series import IntensitySample
from autoscale.carbon.intensity.yearly import YearlyAverages
from autoscale.errors import InvalidInput, UnknownName
from autoscale.units import SECONDS_PER_HOUR

REFRESH_S: Final = 300.0
STALE_S: Final = 2 * SECONDS_PER_HOUR
FIRST_WAIT_S: Final = 30.0
LONGEST_WAIT_S: Final = SECONDS_PER_HOUR


def carbon_cache_folder() -> Path:
    """``autoscale/carbon`` in the user's cache folder (XDG base directories)."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "autoscale" / "carbon"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live source behaves.

    Attributes:
        zones: place to the source's own name of its zone; what is not in it, the source translates if it can.
        folder: where what was got is kept; None keeps it in memory only.
        refresh_s: the least time between two requests for a zone.
        stale_s: how long after its step the last sample still stands for now.
        fallback: answers when the source has nothing.
        clock: seconds since 1970 UTC.
    """

    zones: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = field(default_factory=carbon_cache_folder)
    refresh_s: float = REFRESH_S
    stale_s: float = STALE_S
    fallback: IntensitySource = field(default_factory=YearlyAverages)
    clock: Callable[[], float] = time.time


class LiveSource(IntensitySource):
    """A source that asks a server; safe to share between threads.

    Args:
        options: how it behaves.

    Attributes:
        name: in the registry, in files and in ``Intensity.source``.
        variables: of the environment that it is set up by, where the caller does not.
        scope: which emissions it counts, so that figures of two sources are not compared unawares.
    """

    name: str
    scope: str
    variables: tuple[str, ...] = ()
    is_live = True

    def __init__(self, options: LiveOptions | None = None) -> None:
        self.options = options or LiveOptions()
        self._kept = SnapshotFolder(self.options.folder)
        self._snapshots: dict[str, Snapshot | None] = {}
        self._failed_s: dict[str, float] = {}
        self._wait_s: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._troubles: dict[str, str | None] = {}
        self._lock = threading.Lock()

    @property
    def trouble(self) -> str | None:
        """The last failure in words, of any zone whose last request did not go well; else None."""
        return next((each for each in tuple(self._troubles.values()) if each), None)

    @abstractmethod
    def read(self, zone: str, now_s: float) -> Snapshot:
        """Ask the server for a zone's recent past and its forecast.

        Raises:
            HttpFailure: it did not answer well.
            Unusable: it answered with something else than promised.
        """

    def at(self, place: str, time_s: float) -> Intensity:
        """By the rule that the package's docstring states; asks the server first where that is due."""
        snapshot = self._snapshot(place)
        for intensity in self._candidates(snapshot, place, time_s) if snapshot else ():
            return intensity
        return self._fall_back(place, time_s)

    def forecast(self, place: str, time_s: float, horizon_s: float) -> tuple[Intensity, ...]:
        """What the source last forecast for the span."""
        snapshot = self._snapshot(place)
        if snapshot is None or snapshot.expected is None:
            return ()
        samples = snapshot.expected.within(time_s, time_s + horizon_s)
        return tuple(self._intensity(each, place, "forecast") for each in samples)

    def _candidates(self, snapshot: Snapshot, place: str, time_s: float) -> list[Intensity]:
        history, expected = snapshot.history, snapshot.expected
        found = (
            (history and history.covering(time_s), "settled or estimated"),
            (expected and expected.covering(time_s), "forecast"),
            (history and history.held(time_s, self.options.stale_s), "held beyond its hour"),
        )
        return [self._intensity(sample, place, how) for sample, how in found if sample]

    def _intensity(self, sample: IntensitySample, place: str, how: str) -> Intensity:
        source = f"{self.name}, {self.zone_of(place)}, {self.scope}, {how}"
        return Intensity.of(sample.range_g_per_kwh, self.kind, source, sample.time_s, sample.method, self.basis)

    def zone_of(self, place: str) -> str:
        """The source's own name of a place: as the options say, else as the source knows it."""
        return self.options.zones.get(place) or self.own_name(place)

    def own_name(self, place: str) -> str:
        """What the source calls a place of ours; the place itself where it calls it the same, or does not know it."""
        return place

    def _fall_back(self, place: str, time_s: float) -> Intensity:
        """A zone only the source knows falls back on its country, by the code it begins with, or on the world."""
        for known in (place, place.partition("-")[0]):
            try:
                return self.options.fallback.at(known, time_s)
            except UnknownName:
                continue
        return self.options.fallback.at(WORLD, time_s)

    def _snapshot(self, place: str) -> Snapshot | None:
        """What is known of a place; while one thread asks the server, others make do with what there was."""
        zone = self.zone_of(place)
        if self._snapshots.get(zone) is None:
            with self._lock:
                self._renew(zone, self.options.clock())
        elif self._lock.acquire(blocking=False):
            try:
                self._renew(zone, self.options.clock())
            finally:
                self._lock.release()
        return self._snapshots[zone]

    def _renew(self, zone: str, now_s: float) -> None:
        if zone not in self._snapshots:
            self._snapshots[zone] = self._kept.load(self._file(zone))
        snapshot = self._snapshots[zone]
        is_fresh = snapshot is not None and _is_within(snapshot.fetched_s, now_s, self.options.refresh_s)
        is_waiting = zone in self._wait_s and _is_within(self._failed_s[zone], now_s, self._wait_s[zone])
        if not is_fresh and not is_waiting:
            self._refresh(zone, now_s)

    def _refresh(self, zone: str, now_s: float) -> None:
        try:
            snapshot = self.read(zone, now_s)
            if snapshot.history is None and snapshot.expected is None:
                raise Unusable("the server has nothing for it, or nothing that the account may see")
        except HttpFailure as error:
            self._back_off(zone, now_s, str(error), error.retry_after_s)
        except (Unusable, InvalidInput) as error:
            self._back_off(zone, now_s, f"{self.name}, {zone}: {error}", None)
        else:
            self._snapshots[zone] = snapshot
            self._failures[zone] = 0
            self._wait_s.pop(zone, None)
            self._troubles[zone] = self._kept.keep(self._file(zone), snapshot)

    def _file(self, zone: str) -> str:
        return f"{self.name}-{self.kind}-{self.scope}-{zone}"

    def _back_off(self, zone: str, now_s: float, problem: str, asked_s: float | None) -> None:
        failures = self._failures.get(zone, 0)
        wait_s = min(FIRST_WAIT_S * 2.0 ** min(failures, 10), LONGEST_WAIT_S)
        self._failed_s[zone], self._wait_s[zone] = now_s, max(wait_s, asked_s or 0.0)
        self._failures[zone] = failures + 1
        self._troubles[zone] = problem


def _is_within(since_s: float, now_s: float, span_s: float) -> bool:
    """Not where the clock was set back: what comes from the future would hold for ever."""
    return 0.0 <= now_s - since_s < span_s
