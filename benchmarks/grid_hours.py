"""Makes ``devices/grids/hours.toml`` anew, and measures how far its shapes miss a year they were not fitted on.

Run beside the recorded hours::

    python -m benchmarks.grid_hours ../shared/data/grid_carbon            # the table of errors alone
    python -m benchmarks.grid_hours ../shared/data/grid_carbon --write    # and the file

Zones without recorded hours keep the shape the file has.
"""

import csv
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from autoscale.carbon.intensity.shapes import DAYS, HOURS
from benchmarks.grid_facts import GRIDS, rewrite

Floats = NDArray[np.float64]
Year = dict[datetime, float]

RENAMED: Final = {"DE-LU": "DE", "IN-UP": "IN-NO"}
"""Zones that the lists of yearly means call otherwise."""
GONE: Final = ("IN-MH",)
LEAST_SPREAD: Final = 0.05
DRAWN_OUT: Final = 1.25
"""By how much one year's range is widened, since it was fitted on that very year."""
SINGLE_VALUED: Final = 3
"""Zones whose hours take no more values than these have no shape."""


def recorded(folder: Path) -> dict[str, dict[int, Year]]:
    """The hours of each zone by year, life cycle, of consumption."""
    found: dict[str, dict[int, Year]] = defaultdict(lambda: defaultdict(dict))
    for name, zone_of, figure in (
        ("electricitymaps_hourly_2021_2023_4zones.csv", "zone", "ci_lca_gco2_kwh"),
        ("electricitymaps_hourly_2024_10zones.csv", "zone", "ci_lca_gco2_kwh"),
    ):
        for row in _rows(folder / name):
            if row[figure]:
                _keep(found, row[zone_of], row["datetime_utc"], row[figure])
    with (folder / "hourly_2022_zones.csv").open() as file:
        reader = csv.reader(file)
        zones = next(reader)[1:]
        for time, *figures in reader:
            for zone, cell in zip(zones, figures, strict=True):
                if cell:
                    _keep(found, zone, time, cell)
    for name, zone in (("lww_fr_ci.csv", "FR"), ("lww_ger_ci.csv", "DE")):
        for row in _rows(folder / name):
            time, cell = row["Time"], row["Carbon Intensity"]
            if time.startswith("2020") and time[14:16] == "00" and cell:
                _keep(found, zone, time, cell)
    return found


def _rows(path: Path) -> Iterable[dict[str, str]]:
    with path.open() as file:
        yield from csv.DictReader(file)


def _keep(found: dict[str, dict[int, Year]], zone: str, time: str, cell: str) -> None:
    moment = datetime.fromisoformat(time).replace(tzinfo=None)
    found[RENAMED.get(zone, zone)][moment.year].setdefault(moment, float(cell))


def grid_of(year: Year) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Month from 0, hour, and intensity over the year's mean."""
    values = np.array(list(year.values()))
    months, hours = (np.array([getattr(time, name) for time in year]) for name in ("month", "hour"))
    return months - 1, hours, values / values.mean()


def factors(years: Sequence[Year], halved: bool = True) -> tuple[Floats, Floats]:
    """Factors by month, half as far from 1 as they were, and by hour, over a month's average; mean over years."""
    found = []
    for year in years:
        month, hour, ratio = grid_of(year)
        months = np.array([ratio[month == each].mean() for each in range(12)])
        over = ratio / months[month]
        hours = np.array([over[hour == each].mean() for each in range(HOURS)])
        found.append((1.0 + 0.5 * (months - 1.0) if halved else months, hours))
    months, hours = (np.mean([each[part] for each in found], axis=0) for part in (0, 1))
    return months / np.average(months, weights=DAYS), hours / hours.mean()


def missed(fit: tuple[Floats, Floats], year: Year) -> Floats:
    """Actual over typical of the hours of a year, given the year's average."""
    month, hour, ratio = grid_of(year)
    return np.asarray(ratio / (fit[0][month] * fit[1][hour]))


def spread(years: Sequence[Year]) -> tuple[float, float]:
    """What four of five hours lie between, over what is typical of another year; of the same one where it is alone."""
    pairs = [*permutations(years, 2)] or [(years[0], years[0])]
    low, high = np.percentile(np.concatenate([missed(factors([fit]), tried) for fit, tried in pairs]), [10, 90])
    drawn = DRAWN_OUT if len(years) == 1 else 1.0
    low, high = 1.0 - drawn * (1.0 - low), 1.0 + drawn * (high - 1.0)
    return min(max(low, 0.05), 1.0 - LEAST_SPREAD), max(high, 1.0 + LEAST_SPREAD)


def shape(years: dict[int, Year]) -> dict[str, Any]:
    """An entry of the file."""
    chosen = [years[each] for each in sorted(years)]
    fit = factors(chosen)
    low, high = spread(chosen)
    rounded = {"months": [round(float(x), 2) for x in fit[0]], "hours": [round(float(x), 2) for x in fit[1]]}
    ends = {"low": round(float(low), 2), "high": round(float(high), 2)}
    return {**rounded, **ends, "years": sorted(years), "source": source_of(years)}


def source_of(years: Iterable[int]) -> str:
    """The key of the citation that holds all of some years."""
    has = set(years)
    return "".join(
        word for word, of in (("y20", {2020}), ("y21", {2021, 2023}), ("y22", {2022}), ("y24", {2024})) if has & of
    )


def errors(years: dict[int, Year]) -> tuple[Floats, list[int]]:
    """Mean absolute percentage errors over pairs of years, of the shape and of the yearly average alone."""
    found = []
    for fitted, tried in permutations(years, 2):
        over = missed(factors([years[fitted]]), years[tried])
        ratio = grid_of(years[tried])[2]
        found.append((np.abs(1.0 / over - 1.0).mean(), np.abs(1.0 / ratio - 1.0).mean()))
    return np.mean(found, axis=0), sorted(years)


def whole_years(folder: Path) -> dict[str, dict[int, Year]]:
    """What is recorded, without years of which a month is missing."""
    return {
        zone: {year: hours for year, hours in years.items() if len(hours) > 8000}
        for zone, years in recorded(folder).items()
    }


def main(folder: Path, writes: bool) -> None:
    hours = whole_years(folder)
    table = {zone: errors(years) for zone, years in sorted(hours.items()) if len(years) > 1}
    for zone, ((typical, yearly), of) in table.items():
        print(f"{zone:12} {100 * typical:5.1f} % {100 * yearly:5.1f} %   {', '.join(map(str, of))}")
    typical, yearly = np.mean([each[0] for each in table.values()], axis=0)
    print(f"{'mean':12} {100 * typical:5.1f} % {100 * yearly:5.1f} %")
    if writes:
        old = tomllib.loads((GRIDS / "hours.toml").read_text())["shapes"]
        varied = {z: y for z, y in hours.items() if len(set(next(iter(y.values())).values())) > SINGLE_VALUED}
        kept = {RENAMED.get(zone, zone): entry for zone, entry in old.items() if zone not in GONE}
        made = kept | {zone: shape(years) for zone, years in varied.items() if zone not in GONE}
        rewrite(GRIDS / "hours.toml", dict(sorted(made.items())), "[shapes]\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), "--write" in sys.argv)
