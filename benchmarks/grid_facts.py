"""Makes ``devices/grids/{countries,zones,clouds}.toml`` anew from the public lists of yearly intensities.

Every figure that ships is on one basis: average, life cycle, of consumption (imports counted with what they were made
by), in the newest year that is public. Run beside the recorded lists::

    python -m benchmarks.grid_facts ../shared/data/grid_carbon

Names, spellings and regions are kept as the files have them; figures are replaced.
"""

import csv
import json
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

GRIDS: Final = Path(__file__).parents[1] / "devices" / "grids"
NEWEST: Final = 2025
BEFORE: Final = (2021, 2022, 2023, 2024)
RECENT: Final = (2023, 2024, 2025)
"""Years that a figure's range covers."""
LEAST_SPREAD: Final = 0.06
"""Half of 352 zones moved by less than this within two years (2021 to 2025: 5.7 %)."""
EU: Final = (
    "AUT",
    "BEL",
    "BGR",
    "HRV",
    "CYP",
    "CZE",
    "DNK",
    "EST",
    "FIN",
    "FRA",
    "DEU",
    "GRC",
    "HUN",
    "IRL",
    "ITA",
    "LVA",
    "LTU",
    "LUX",
    "MLT",
    "NLD",
    "POL",
    "PRT",
    "ROU",
    "SVK",
    "SVN",
    "ESP",
    "SWE",
)

Entry = dict[str, Any]


class Lists:
    """The recorded lists: Electricity Maps by zone and year, Our World in Data by ISO 3166-1 alpha-3 code."""

    def __init__(self, folder: Path) -> None:
        self.maps: dict[str, dict[int, float]] = defaultdict(dict)
        with (folder / "electricitymaps_yearly_2021_2025.csv").open() as file:
            for row in csv.DictReader(file):
                self.maps[row["zone"]][int(row["year"])] = float(row["ci_gco2_kwh"])
        self.owid: dict[str, Entry] = json.loads((folder / "codecarbon_global_energy_mix.json").read_text())

    def ratios(self, codes: Mapping[str, str]) -> np.ndarray[Any, Any]:
        """Consumption over production of the same year, in both lists: 10th percentile, median, 90th."""
        both = [
            self.maps[zone][min(self.owid[code]["year"], NEWEST)] / self.owid[code]["carbon_intensity"]
            for code, zone in codes.items()
            if zone in self.maps and self.owid.get(code, {}).get("carbon_intensity", 0.0) > 0.0
        ]
        return np.percentile(both, [10, 50, 90])

    def weighted(self, codes: Iterable[str], zones: Mapping[str, str]) -> dict[int, float]:
        """The mean of some countries by year, weighted by what they generate."""
        shares = {zones[code]: self.owid[code]["total_TWh"] for code in codes if code in self.owid}
        shares = {zone: share for zone, share in shares.items() if zone in self.maps}
        total = sum(shares.values())
        return {
            year: sum(share * self.maps[zone][year] for zone, share in shares.items()) / total
            for year in (*BEFORE, NEWEST)
        }


def of_years(years: Mapping[int, float], others: Iterable[float] = ()) -> Entry:
    """Figure, range and the years before, from a series of years and what other lists say on the same basis."""
    mid, seen = years[NEWEST], [*(years[year] for year in RECENT), *others]
    low, high = min(*seen, (1.0 - LEAST_SPREAD) * mid), max(*seen, (1.0 + LEAST_SPREAD) * mid)
    before = [_short(years[year]) for year in BEFORE]
    figures = {"g_per_kwh": _short(mid), "low": _short(low), "high": _short(high)}
    return {**figures, "year": NEWEST, "before": before}


def countries(lists: Lists, old: Mapping[str, Entry]) -> dict[str, Entry]:
    """The countries of a file, each with the newest figure there is for it."""
    zones = {code: entry["code2"] for code, entry in old.items() if "code2" in entry}
    ratios = lists.ratios(zones)
    made = {code: _country(lists, ratios, code, entry) for code, entry in old.items()}
    world, union = (lists.weighted(codes, zones) for codes in (zones, EU))
    made["WORLD"] = _named(old["WORLD"]) | of_years(world, [520.0]) | {"source": "world"}
    made["EUU"] = {"code2": "EU", "name": "European Union", "also": ["EU27"]} | of_years(union) | {"source": "union"}
    made["XKX"] = {"code2": "XK", "name": "Kosovo"} | of_years(lists.maps["XK"]) | {"source": "maps"}
    return made


def _country(lists: Lists, ratios: np.ndarray[Any, Any], code: str, old: Entry) -> Entry:
    named, owid = _named(old), lists.owid.get(code)
    if code in NEIGHBOURS:
        zone = NEIGHBOURS[code]
        return named | {"zone": zone} | of_years(lists.maps[zone]) | {"source": "neighbour"}
    if old.get("code2") in lists.maps:
        said = [owid["carbon_intensity"]] if owid and owid["carbon_intensity"] else []
        return named | of_years(lists.maps[old["code2"]], said) | {"source": "maps"}
    owid = owid or lists.owid["KIR"]
    is_island = code not in MAINLAND
    low, mid, high = (ratios[0], 1.0, ratios[2]) if is_island else ratios
    ends = zip(("g_per_kwh", "low", "high"), (mid, low, high), strict=True)
    figures = {key: _short(owid["carbon_intensity"] * factor) for key, factor in ends}
    source = "mainland" if not is_island else "island" if code in lists.owid else "unknown"
    return named | figures | {"year": owid["year"], "source": source}


NEIGHBOURS: Final = {
    "AND": "ES",
    "CHL": "CL-SEN",
    "GGY": "FR",
    "IMN": "GB",
    "JEY": "FR",
    "LIE": "CH",
    "MCO": "FR",
    "SMR": "IT",
    "VAT": "IT",
}
"""Countries without figures of their own, and the zone that supplies them."""
MAINLAND: Final = ("RUS", "UKR", "ESH")
"""Countries with neighbours' lines that only the list of production has."""


def _named(entry: Entry) -> Entry:
    return {key: entry[key] for key in ("code2", "name", "also", "zone") if key in entry}


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def as_toml(entries: Mapping[str, Entry]) -> str:
    """One line an entry."""
    lines = []
    for code, entry in entries.items():
        key = code if code.replace("-", "").replace("_", "").isalnum() else f'"{code}"'
        cells = ", ".join(f"{name} = {_cell(value)}" for name, value in entry.items())
        lines.append(f"{key} = {{ {cells} }}")
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_cell, value))}]"
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def rewrite(path: Path, entries: Mapping[str, Entry], table: str = "[places]\n") -> None:
    """Replace the places of a file, keeping what stands above them."""
    head, mark, _ = path.read_text(encoding="utf-8").partition(table)
    path.write_text(head + mark + as_toml(entries), encoding="utf-8")


def main(folder: Path) -> None:
    lists = Lists(folder)
    old = {name: tomllib.loads((GRIDS / f"{name}.toml").read_text())["places"] for name in ("countries", "zones")}
    made = countries(lists, old["countries"])
    aside = {code: entry for code, entry in old["zones"].items() if "like" in entry}
    zones = {
        code: _named(old["zones"].get(code, {"name": code})) | of_years(years) | {"source": "maps"}
        for code, years in lists.maps.items()
        if "-" in code
    }
    rewrite(GRIDS / "countries.toml", made)
    rewrite(GRIDS / "zones.toml", zones | aside)
    ratios = lists.ratios(_code2(made)).round(2)
    print(f"{len(made)} countries, {len(zones)} zones; consumption over production {ratios}")


def _code2(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {code: entry["code2"] for code, entry in entries.items() if "code2" in entry}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
