"""Keeps the carbon intensities of a session or a server current, in a thread of its own.

A source may ask a server, which takes as long as it takes: no query waits for it. A query reads ``now``, an attribute.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from autoscale.carbon import Electricity, Intensity, IntensitySource, Interval, YearlyAverages
from autoscale.carbon.intensity.base import Kind
from autoscale.carbon.intensity.electricity import region_code
from autoscale.carbon.intensity.places import WORLD
from autoscale.errors import UnknownName
from autoscale.query.observation import Observation
from autoscale.query.outcome import Method
from autoscale_runtime.grid.charge import ChargeLog

REFRESH_S: Final = 60.0
_LOG: Final = logging.getLogger("autoscale.grid")


@dataclass(frozen=True, slots=True)
class ReportedGrid:
    """What a remote machine says of its electricity.

    Attributes:
        g_per_kwh: gCO2e/kWh.
        kind: ``average`` or ``marginal``.
        method: how it is known there.
        region: where that is, by any spelling; empty where it does not tell.
    """

    g_per_kwh: float
    kind: Kind
    method: Method
    region: str = ""


@dataclass(frozen=True)
class Grids:
    """What is known of the grids at one moment.

    Attributes:
        intensities: ``device``, ``network``, and ``edge`` and ``cloud`` where known, to the electricity they draw.
        regions: likewise to the code of the place; what is not known is not there.
    """

    intensities: dict[str, Intensity]
    regions: dict[str, str]

    @cached_property
    def observation(self) -> Observation:
        """As an agent sees it."""
        return Observation(intensity_g_per_kwh={part: each.g_per_kwh for part, each in self.intensities.items()})

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Party to ``average`` or ``marginal``."""
        return {part: each.kind for part, each in self.intensities.items()}


class GridWatch:
    """The intensities of this machine and of those it talks to.

    Args:
        electricity: which grids, and who tells.
        charge: of this device's battery; None for a machine without one.
        clock: seconds since 1970 UTC.
        refresh_s: between two looks at the source. A live one is left alone while nobody reads.

    Raises:
        UnknownName: no source of that name, or a place that it does not know.
        TraceError: a CSV file that cannot be read.
        InvalidInput: a live source without its key.

    Attributes:
        now: the latest :class:`Grids`; replaced, never changed.
        is_live: whether it asks a server.
    """

    def __init__(
        self,
        electricity: Electricity,
        charge: ChargeLog | None = None,
        clock: Callable[[], float] = time.time,
        refresh_s: float = REFRESH_S,
    ) -> None:
        self._source = electricity.opened()
        self.is_live = self._source.is_live
        self._places = electricity.places
        self._charge = charge
        self._clock = clock
        self._refresh_s = refresh_s
        self._is_wanted = True
        self._reported: dict[str, ReportedGrid] = {}
        self._reported_intensities: dict[str, Intensity] = {}
        self._trouble: str | None = None
        self._guard = threading.Lock()
        self._closed = threading.Event()
        regions = {part: electricity.region(part) for part in self._places}
        # Nobody waits for a server before the first query: yearly averages stand in for a moment.
        ask = _standing_in if self.is_live else self._source.at
        asked = {part: ask(place, clock()) for part, place in self._places.items()}
        self.now = Grids(asked, {part: region for part, region in regions.items() if region})

    def read(self) -> Grids:
        """``now``, and a sign that somebody wants to know."""
        self._is_wanted = True
        return self.now

    def start(self, observe: Callable[[], Observation] | None = None) -> None:
        """Keep ``now`` current from here on.

        Args:
            observe: tells the battery's charge; None where there is no battery.
        """
        threading.Thread(target=self._keep, args=(observe,), name="autoscale-grid", daemon=True).start()

    def refresh(self, observe: Callable[[], Observation] | None = None) -> None:
        """Ask the source, in this thread; arguments as for :meth:`start`.

        Raises:
            UnknownName: as the source does for one of the places; its intensity stays as it was, the others are new.
        """
        now_s = self._clock()
        asked, failures = self._ask(now_s)
        seen = None if observe is None else observe()
        if "device" in asked and self._charge is not None and seen is not None and seen.battery is not None:
            place = self._places["device"]
            asked["device"] = self._charge.update(self._source, place, seen.battery, seen.is_charging, now_s)
        with self._guard:
            self.now = Grids({**self.now.intensities, **asked, **self._reported_intensities}, self.now.regions)
        if failures:
            raise failures[0]

    def _ask(self, now_s: float) -> tuple[dict[str, Intensity], list[Exception]]:
        asked, failures = {}, []
        for part, place in self._places.items():
            try:
                asked[part] = self._source.at(place, now_s)
            except Exception as error:  # a source may be anybody's, and knows other places better
                failures.append(error)
        return asked, failures

    def report(self, part: str, grid: ReportedGrid) -> None:
        """Take a remote machine's word for its own grid: the grams in its answers come from it."""
        if self._reported.get(part) == grid:
            return
        with self._guard:
            self._reported[part] = grid
            known = Interval.exactly(grid.g_per_kwh)
            self._reported_intensities[part] = Intensity.of(
                known, grid.kind, "its own word", self._clock(), grid.method
            )
            regions = {**self.now.regions, part: region_code(grid.region)}
            named = {each: region for each, region in regions.items() if region}
            self.now = Grids({**self.now.intensities, **self._reported_intensities}, named)

    def close(self) -> None:
        """Stop; a request under way is not waited for."""
        self._closed.set()

    def _keep(self, observe: Callable[[], Observation] | None) -> None:
        while not self._closed.is_set():
            if self._is_wanted or not self.is_live:
                self._is_wanted = False
                self._try_to_refresh(observe)
            self._closed.wait(self._refresh_s)

    def _try_to_refresh(self, observe: Callable[[], Observation] | None) -> None:
        try:
            self.refresh(observe)
            self._say(self._source.trouble)
        except Exception as error:  # a source or sensor may be anybody's, and the next round may do better
            self._say(f"it stays as it was: {error!r}")

    def _say(self, trouble: str | None) -> None:
        """Log what is wrong once, not every minute."""
        if trouble is not None and trouble != self._trouble:
            _LOG.warning("carbon intensity: %s", trouble)
        self._trouble = trouble


def _standing_in(place: str, time_s: float) -> Intensity:
    """The yearly average of a place; the world's of one that only a live source knows."""
    averages: IntensitySource = YearlyAverages()
    try:
        return averages.at(place, time_s)
    except UnknownName:
        return averages.at(WORLD, time_s)
