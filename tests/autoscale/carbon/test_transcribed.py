"""The facts that ship are what their sources say; skips where the recorded data is not beside the project."""

import csv
import json
import re
import tomllib
from pathlib import Path

import pytest

from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.carbon.intensity.basis import Basis
from autoscale.carbon.intensity.places import Places
from autoscale.profiles.shipped import devices_folder
from benchmarks import grid_facts, grid_lists

DATA = Path(__file__).parents[4] / "shared" / "data"
TABLES = {
    "logic_epa": "fab_energy_kwh_per_cm2",
    "logic_gpa_95": "gas_at_95_percent_abatement_g_per_cm2",
    "logic_gpa_99": "gas_at_99_percent_abatement_g_per_cm2",
    "logic_materials": "material_g_per_cm2",
    "dram_dram_hynix": "dram_g_per_gb",
    "ssd_ssd_hynix": "flash_g_per_gb",
    "ssd_ssd_seagate": "flash_g_per_gb",
    "ssd_ssd_western": "flash_g_per_gb",
    "hdd_hdd_consumer": "disk_g_per_gb",
    "hdd_hdd_enterprise": "disk_g_per_gb",
}

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recorded data is not here")


def test_places_are_those_of_electricity_maps() -> None:
    places, years = Places.shipped(), list(range(2021, 2026))
    recorded: dict[str, dict[int, float]] = {}
    with (DATA / "grid_carbon" / "electricitymaps_yearly_2021_2025.csv").open() as file:
        for row in csv.DictReader(file):
            recorded.setdefault(row["zone"], {})[int(row["year"])] = float(row["ci_gco2_kwh"])
    for zone, by_year in recorded.items():
        place = places.find(zone)
        assert [place.in_year(year)[0].mid for year in years] == [by_year[year] for year in years]
        assert (place.year, place.basis) == (2025, Basis("life-cycle", "consumption", 2025))
        assert place.g_per_kwh.low <= min(by_year[year] for year in (2023, 2024, 2025))
    assert len(recorded) > 350


def test_islands_are_those_of_our_world_in_data() -> None:
    recorded = json.loads((DATA / "grid_carbon" / "codecarbon_global_energy_mix.json").read_text())
    for code in ("BMU", "KIR", "NRU", "MSR"):
        place = Places.shipped().find(code)
        assert place.g_per_kwh.mid == pytest.approx(recorded[code]["carbon_intensity"], rel=0.01)
        assert place.year == recorded[code]["year"]


def test_ranges_reach_to_what_another_list_has_for_the_country() -> None:
    recorded = json.loads((DATA / "grid_carbon" / "codecarbon_global_energy_mix.json").read_text())
    for code, entry in recorded.items():
        span = Places.shipped().find(code).g_per_kwh
        if entry["carbon_intensity"] and code not in ("CHL", "WORLD"):
            assert span.low * 0.99 <= entry["carbon_intensity"] <= span.high * 1.01


@pytest.mark.parametrize("name", TABLES)
def test_acts_tables_are_acts(name: str) -> None:
    text = (DATA / "embodied_carbon" / "act" / f"models_{name}.yaml").read_text()
    recorded = [float(value) for value in re.findall(r'^"[^"]+"\s*:\s*([\d.]+)', text, re.MULTILINE)]
    shipped = [value for key, value in read_embodied_facts("act").table(TABLES[name]).items() if key != "source"]
    assert len(recorded) >= 3
    assert str(recorded)[1:-1] in str([float(value) for value in shipped])


def test_the_files_of_grids_are_what_their_command_makes() -> None:
    folder = devices_folder() / "grids"
    text = (folder / "countries.toml").read_text(encoding="utf-8")
    old = tomllib.loads(text)["places"]
    lists = grid_facts.Lists(DATA / "grid_carbon")
    kept = {code: entry for code, entry in old.items() if code not in ("EUU", "XKX")}
    assert grid_facts.as_toml(grid_facts.countries(lists, kept)) == text.partition("[places]\n")[2]


def test_the_page_of_public_lists_is_what_its_command_makes() -> None:
    page = grid_lists.PAGE.read_text(encoding="utf-8")
    assert page.partition(grid_lists.MARK)[2].strip() == grid_lists.tables(DATA / "grid_carbon").strip()
