"""The facts that ship are what their sources say; skips where the recorded data is not beside the project."""

import csv
import json
import re
from pathlib import Path

import pytest

from autoscale.carbon.embodied.facts import read_embodied_facts
from autoscale.carbon.intensity.places import Places

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


def test_countries_are_those_of_our_world_in_data() -> None:
    recorded = json.loads((DATA / "grid_carbon" / "codecarbon_global_energy_mix.json").read_text())
    places = Places.shipped()
    del recorded["CAF"]  # all hydropower: 0 by rounding there, hydropower's life cycle here
    for code, entry in recorded.items():
        place = places.find(code)
        assert place.g_per_kwh.mid == pytest.approx(entry["carbon_intensity"], rel=0.01)
        assert (place.name, place.year) == (entry["country_name"], entry["year"])


def test_zones_are_those_of_electricity_maps() -> None:
    places = Places.shipped()
    with (DATA / "grid_carbon" / "zone_yearly_mean_2020_2022.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if "-" in row["zonecode"]]
    for row in rows:
        years = [float(row[year]) for year in ("2020", "2021", "2022")]
        span = places.find(row["zonecode"]).g_per_kwh
        assert (span.low, span.mid, span.high) == pytest.approx((min(years), years[-1], max(years)), rel=0.01)
    assert len(rows) > 80


@pytest.mark.parametrize("name", TABLES)
def test_acts_tables_are_acts(name: str) -> None:
    text = (DATA / "embodied_carbon" / "act" / f"models_{name}.yaml").read_text()
    recorded = [float(value) for value in re.findall(r'^"[^"]+"\s*:\s*([\d.]+)', text, re.MULTILINE)]
    shipped = [value for key, value in read_embodied_facts("act").table(TABLES[name]).items() if key != "source"]
    assert len(recorded) >= 3
    assert str(recorded)[1:-1] in str([float(value) for value in shipped])
