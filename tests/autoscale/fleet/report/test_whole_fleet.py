"""With an inventory and a life cycle every number is of the whole fleet; without, it is said what is left out."""

import csv
import io
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.codecarbon import as_codecarbon
from autoscale.fleet.export.html.page import as_html
from autoscale.fleet.export.impact_framework import as_impact_manifest
from autoscale.fleet.fleet_command import fleet
from autoscale.fleet.ledger.span import Span
from autoscale.fleet.report import Question, Report, account
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.life_cycle import read_life_cycle
from autoscale.fleet.report.scopes import by_scope
from autoscale.fleet.report.sums import kg
from tests.autoscale.fleet.ledger_parts import DAY_US, FIRST_US, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

DAY_S = 86_400
INVENTORY = """\
device_id,role,idle_power_w,intensity_g_per_kwh,making_kg,life_years
a,device,0.1,400,63.072,2
rack-1,remote,50,100,126.144,4
"""
LIFE_CYCLE = "[phases.training]\ncarbon_kg = 3\n[phases.data]\nenergy_kwh = 2\n"


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of 1000 queries, a tenth of them in the cloud."""
    far = {
        "selected": "cloud:gpu/fp32",
        "region_remote": "gcp:europe-west1",
        "energy_remote_uj": 7_200_000,
        "operational_remote_ng": 220_000,
        "pue_remote_ppm": 1_100_000,
        "log_id": "far",
    }
    here = rows(900, time_us=FIRST_US, embodied_device_ng=1000, operational_device_ng=500)
    return written(tmp_path_factory.mktemp("fleet") / "ledger", here, rows(100, time_us=FIRST_US + DAY_US - 1, **far))


@pytest.fixture(scope="module")
def whole(ledger: Path) -> Report:
    (ledger.parent / "inventory.csv").write_text(INVENTORY)
    (ledger.parent / "life.toml").write_text(LIFE_CYCLE)
    inventory, life = read_inventory(ledger.parent / "inventory.csv"), read_life_cycle(ledger.parent / "life.toml")
    return account(ledger, Question(inventory=inventory, life_cycle=life))


def test_a_year_longer_is_of_all_making_and_the_inventorys_years(whole: Report) -> None:
    longer = whole.savings[0]
    assert longer.carbon_ng == round(DAY_S * 1e6 / 3)  # a milligram a second over 3 years instead of 2
    assert "life_years" in longer.method


def test_machines_that_wait_move_with_the_queries(whole: Report, ledger: Path) -> None:
    moved, alone = whole.savings[1], account(ledger).savings[1]
    assert moved.carbon_ng > 100 * alone.carbon_ng > 0
    assert "while they wait" in moved.method


def test_of_no_inference_there_is_no_score(whole: Report, ledger: Path) -> None:
    machines = read_inventory(ledger.parent / "inventory.csv")
    later = account(ledger, Question(inventory=machines, span=Span.parse("2027-01-01", "2027-02-01")))
    told, page = as_json(later), as_html(later)
    assert told["fleet"]["carbon_kg"]["total"]["mid"] > 1.0
    assert told["fleet"]["sci_g_per_inference"] is told["sci_for_ai"]["consumer_g_per_inference"] is None
    assert "fleet.sci_g_per_inference" not in {each["name"] for each in told["declarations"]}
    assert "no inference in this span" in page
    assert not re.search(r"\de[+-]\d", page + as_html(whole))  # 6e+07 mg is nothing that people read


def test_growth_starts_from_the_fleet(whole: Report) -> None:
    found = as_json(whole)
    first, second = found["growth"][0]["years"][:2]
    assert whole.fleet is not None
    year_kg = kg(whole.fleet.total_ng.mid) * 365 * DAY_US / whole.span.duration_us
    assert first["operational_kg"] + first["embodied_kg"] == pytest.approx(year_kg, rel=1e-3)
    assert first["waiting_kg"] < year_kg
    assert second["phases_kg"] == first["phases_kg"] > 3 * 364


def test_every_export_has_what_waits(whole: Report, ledger: Path) -> None:
    alone = account(ledger)
    table = list(csv.DictReader(io.StringIO(as_codecarbon(whole))))
    assert [row["project_name"] for row in table[-4:]] == ["waiting devices", "waiting remotes", "training", "data"]
    assert {row["pue"] for row in table[:-4]} == {"1.0", "1.1"}
    manifest = as_impact_manifest(whole)
    assert '"waiting remotes":' in manifest and '"training":' in manifest
    page = as_html(whole)
    assert page.index("Carbon of the whole fleet") < page.index("Carbon of all queries")
    for export in (as_codecarbon, as_impact_manifest, as_html):
        assert export(whole) != export(alone)
    assert "it takes an inventory" in as_html(alone)


def test_scopes_sum_to_the_whole_in_each_view(whole: Report) -> None:
    assert whole.fleet is not None
    for view in by_scope(whole).values():
        assert sum(view.values()) == whole.fleet.total_ng.mid
    assert by_scope(whole)["operator"]["scope 2: electricity bought"] > 0


def test_each_value_is_declared(whole: Report) -> None:
    told = as_json(whole)
    said = told["declarations"]
    estimates = {f"{kind}.{each['name']}" for kind in ("counterfactuals", "savings") for each in told[kind]}
    scores = {f"sci_for_ai.{name}" for name, value in told["sci_for_ai"].items() if value is not None}
    assert estimates | scores <= {each["name"] for each in said}
    assert {"energy_kwh.remote", "fleet.idle.remote", "fleet.sci_g_per_inference", "life_cycle.data"} <= {
        each["name"] for each in said
    }
    for each in said:
        assert all(each[name] for name in ("unit", "boundary", "method", "nature", "completeness"))
    by_name = {each["name"]: each for each in said}
    assert by_name["carbon_kg.operational.remote"]["operator"].startswith("scope 3, category 1")


def test_what_is_left_out_and_what_stands_in_is_said(whole: Report, ledger: Path) -> None:
    assert any("Phase 'data' names neither region" in each for each in as_json(whole)["notices"])
    said = CliRunner().invoke(fleet, ["report", str(ledger)]).output
    assert "takes an inventory" in " ".join(said.split())
    assert "e+" not in said
