"""Intensities from a file: what was recorded for the very hours that are accounted for.

Rules, for a time that is asked for: the row whose step holds it counts as it stands. Where rows are missing, up to
``longest_gap_s`` is interpolated linearly between the neighbours (``modelled``); a longer gap, and what lies before or
after the file, falls back on the yearly average (``default``). A row with an empty figure is a missing hour. A place
that the file does not name is looked for by the zone it lies in: ``aws:eu-west-1`` finds the rows of ``IE``.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from autoscale.carbon.intensity.base import Intensity, IntensitySource, Kind
from autoscale.carbon.intensity.files.options import FileOptions
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.series import IntensitySample, Series
from autoscale.carbon.intensity.yearly import YearlyAverages
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

LONGEST_GAP_S: Final = 3 * SECONDS_PER_HOUR


class HourlyIntensity(IntensitySource):
    """Recorded intensities, from a CSV file of hours.

    Args:
        path: CSV or an API's JSON, as :func:`autoscale.carbon.intensity.files.reader.read_intensity_file` takes it.
        place: whose intensities they are, where the file has no column that says so.
        kind: ``average`` or ``marginal``; what the file says where None is given, and average where it does not say.
        longest_gap_s: the most that is interpolated.
        fallback: answers what the file does not; the yearly averages where None is given.
        options: what the file does not tell of its columns, unit, clock and basis.

    Raises:
        TraceError: the file cannot be read, or holds nothing that can be used.
        InvalidInput: options that are wrong, or that the file contradicts.

    Attributes:
        spans_s: each zone of the file, as it names it, to the times at which its figures begin and end.
    """

    def __init__(
        self,
        path: str | Path,
        place: str | None = None,
        kind: Kind | None = None,
        longest_gap_s: float = LONGEST_GAP_S,
        fallback: IntensitySource | None = None,
        options: FileOptions | None = None,
    ) -> None:
        from autoscale.carbon.intensity.files.reader import read_intensity_file  # here: few sessions have a file

        told = options or FileOptions()
        file = read_intensity_file(path, place, replace(told, kind=kind or told.kind))
        self.kind, self.basis, series = file.kind, file.basis, file.series
        self._path = Path(path)
        self.spans_s = {name: each.span_s for name, each in series.items()}
        zones = {_zone(name): each for name, each in series.items()}
        self._series: Mapping[str, Series] = zones | {name.casefold(): each for name, each in series.items()}
        if place is not None and len(series) == 1 and Places.shipped().get(next(iter(series))) is None:
            # A name that only its maker knows, as WattTime's regions: whoever names the file says whose it is.
            self._series = {**self._series, _zone(place): next(iter(series.values()))}
        self._longest_gap_s = longest_gap_s
        self._fallback = fallback or YearlyAverages()

    def at(self, place: str, time_s: float) -> Intensity:
        """The file's figure for the time, or what the rules above put in its place."""
        series = self._find(place)
        if series is None:
            return self._fallback.at(place, time_s)
        sample = series.covering(time_s)
        if sample is not None:
            return self._intensity(sample, f"{self._path.name}, {place}")
        sample = series.interpolated(time_s, self._longest_gap_s)
        if sample is not None:
            return self._intensity(sample, f"{self._path.name}, {place}, interpolated over missing rows")
        return self._fallback.at(place, time_s)

    def forecast(self, place: str, time_s: float, horizon_s: float) -> tuple[Intensity, ...]:
        """The file's rows from the time on, as expectations: a day of the past can be planned as if it were to come."""
        series = self._find(place)
        rows = series.within(time_s, time_s + horizon_s) if series else []
        expected = (IntensitySample(row.time_s, row.g_per_kwh, Method.MODELLED) for row in rows)
        return tuple(self._intensity(each, f"{self._path.name}, {place}, its later rows") for each in expected)

    def lacks(self, place: str, time_s: float) -> bool:
        """Whether the file has no figure for a time that lies between those it has for the place."""
        series = self._find(place)
        if series is None or series.covering(time_s) is not None:
            return False
        since_s, until_s = series.span_s
        return since_s <= time_s < until_s

    def _find(self, place: str) -> Series | None:
        return self._series.get(place.casefold()) or self._series.get(_zone(place))

    def _intensity(self, sample: IntensitySample, source: str) -> Intensity:
        return Intensity.of(sample.range_g_per_kwh, self.kind, source, sample.time_s, sample.method, self.basis)


def _zone(place: str) -> str:
    return Places.shipped().zone_of(place).casefold()
