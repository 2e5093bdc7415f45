"""Our yearly intensities beside the public lists, with the reason for each difference of more than a fifth.

Run beside the recorded lists; makes the tables of ``docs/intensities.md``::

    python -m benchmarks.grid_lists ../shared/data/grid_carbon
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.carbon.intensity.basis import Basis, on_account_basis
from autoscale.carbon.intensity.places import Place, Places
from autoscale.interval import Interval

PAGE: Final = Path(__file__).parents[1] / "docs" / "intensities.md"
MARK: Final = "<!-- made by python -m benchmarks.grid_lists -->\n"
FAR: Final = 0.2
PLACES: Final = Places.shipped()


@dataclass(frozen=True)
class PublicList:
    """A list of yearly figures.

    Attributes:
        name: as people know it.
        basis: what it counts.
        read: its folder to (spelling of the place, g/kWh, year).
    """

    name: str
    basis: Basis
    read: Callable[[Path], Iterator[tuple[str, float, int]]]


def _owid(folder: Path) -> Iterator[tuple[str, float, int]]:
    for code, each in json.loads((folder / "codecarbon_global_energy_mix.json").read_text()).items():
        yield code, each["carbon_intensity"], each["year"]


def _europe(folder: Path) -> Iterator[tuple[str, float, int]]:
    for row in _rows(folder / "codecarbon_eu_carbon_intensity_2000_2020.csv"):
        if row["Year"] == "2020":
            yield row["Code"], float(row["Carbon intensity of electricity (gCO2/kWh)"]), 2020


def _zones(folder: Path) -> Iterator[tuple[str, float, int]]:
    for row in _rows(folder / "zone_yearly_mean_2020_2022.csv"):
        yield row["zonecode"], float(row["2022"]), 2022


def _nordic(folder: Path) -> Iterator[tuple[str, float, int]]:
    for zone, each in json.loads((folder / "codecarbon_nordic_emissions.json").read_text())["data"].items():
        yield zone, each["emission_factor"], each["year"]


def _google(folder: Path) -> Iterator[tuple[str, float, int]]:
    del folder
    for _, name, _ in PLACES.entries():
        region = PLACES.region(name)
        if region and region.direct:
            yield name, region.direct.range.mid, 2025


def _codecarbon_clouds(folder: Path) -> Iterator[tuple[str, float, int]]:
    for row in _rows(folder / "codecarbon_cloud_region_impact.csv"):
        if row["impact"]:
            yield f"{row['provider']}:{row['region']}", float(row["impact"]), 2021


def _ccf(provider: str) -> Callable[[Path], Iterator[tuple[str, float, int]]]:
    def read(folder: Path) -> Iterator[tuple[str, float, int]]:
        for row in _rows(folder / f"ccf_grid_emissions_factors_{provider}.csv"):
            tonnes = float(row["CO2e (metric ton/kWh)"])
            g_per_kwh = tonnes * 1e6 if tonnes < 0.01 else tonnes  # two rows are in g/kWh, whatever the header says
            yield f"{provider}:{row['Region'].replace(' ', '').casefold()}", g_per_kwh, 2021

    return read


LISTS: Final = (
    PublicList("Our World in Data (Ember), countries, 2022 or 2023", Basis("life-cycle", "production"), _owid),
    PublicList("European Environment Agency, 2020", Basis("direct", "production"), _europe),
    PublicList("Electricity Maps, zones, 2022", Basis("life-cycle", "consumption"), _zones),
    PublicList("CodeCarbon, Nordic bidding zones, 2024", Basis("unknown", "unknown"), _nordic),
    PublicList("Google, regions, 2025", Basis("direct", "consumption"), _google),
    PublicList("CodeCarbon, cloud regions, about 2021", Basis("direct", "production"), _codecarbon_clouds),
    PublicList("Cloud Carbon Footprint, AWS, about 2021", Basis("direct", "production"), _ccf("aws")),
    PublicList("Cloud Carbon Footprint, Azure, about 2021", Basis("direct", "production"), _ccf("azure")),
    PublicList("Cloud Carbon Footprint, Google, about 2021", Basis("direct", "production"), _ccf("gcp")),
)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8-sig") as file:
        yield from csv.DictReader(file)


@dataclass(frozen=True)
class Beside:
    """One place in both lists."""

    place: Place
    spelling: str
    theirs: float
    reason: str

    @property
    def ratio(self) -> float:
        """Ours over theirs."""
        return self.place.g_per_kwh.mid / self.theirs


def compared(each: PublicList, folder: Path) -> list[Beside]:
    """The places of a list that we have, with a figure above 0."""
    found = []
    for spelling, theirs, year in each.read(folder):
        place = PLACES.get(spelling)
        if place is not None and theirs > 0.0:
            found.append(Beside(place, spelling, theirs, reason(place, theirs, each.basis, year)))
    return found


def reason(place: Place, theirs: float, basis: Basis, year: int) -> str:
    """Why two figures differ by more than a fifth: the first cause that explains it; empty where they do not."""
    ours = place.g_per_kwh.mid
    of_year = place.in_year(max(year, 2021))[0].mid
    direct = on_account_basis(Interval.exactly(theirs), Basis(basis.emissions, "consumption"))[0]
    causes = (
        ("", _near(ours, theirs)),
        ("the year: of it ours is as theirs", _near(of_year, theirs)),
        ("direct: as life cycle theirs is as ours", _holds(direct, ours)),
        ("direct, and the year", _holds(direct, of_year)),
        ("production against consumption", basis.accounting == "production" and 0.4 <= of_year / direct.mid <= 2.5),
        ("a small or clean grid: few g/kWh are far apart", min(ours, theirs) < 60.0),
    )
    return next((cause for cause, holds in causes if holds), "another grid, older data or another method")


def _near(one: float, other: float) -> bool:
    return abs(one / other - 1.0) <= FAR


def _holds(span: Interval, figure: float) -> bool:
    return span.low * (1.0 - FAR / 2) <= figure <= span.high * (1.0 + FAR / 2)


def tables(folder: Path) -> str:
    """Markdown: a line a list, then each place that is far off with the reason."""
    every = {each.name: compared(each, folder) for each in LISTS}
    lines = ["| list | places | median of ours over theirs | within a fifth | in our range | why the others are not |"]
    lines += ["|---|---:|---:|---:|---:|---|"]
    for name, rows in every.items():
        far = [each for each in rows if each.reason]
        inside = [0.99 * each.place.g_per_kwh.low <= each.theirs <= 1.01 * each.place.g_per_kwh.high for each in rows]
        why = "; ".join(
            f"{cause.partition(':')[0]} {count}" for cause, count in Counter(e.reason for e in far).most_common()
        )
        median = float(np.median([each.ratio for each in rows]))
        share = 100.0 * (1.0 - len(far) / len(rows))
        lines.append(
            f"| {name} | {len(rows)} | {median:.2f} | {share:.0f} % | {100.0 * np.mean(inside):.0f} % | {why} |"
        )
    lines += ["", "Each of them:", "", "| list | place | ours g/kWh | theirs | reason |", "|---|---|---:|---:|---|"]
    lines += [
        f"| {name.partition(',')[0]} | {each.spelling} | {each.place.g_per_kwh.mid:g} | {each.theirs:.4g} "
        f"| {each.reason} |"
        for name, rows in every.items()
        for each in sorted(rows, key=lambda each: each.spelling)
        if each.reason
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    head, _, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(head + MARK + "\n" + tables(Path(sys.argv[1])), encoding="utf-8")
    print(PAGE)
