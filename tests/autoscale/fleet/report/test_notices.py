"""What a reader is shown before the figures."""

import json
from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.report import Question, account
from autoscale.fleet.report.inventory import read_inventory
from autoscale.fleet.report.notices import ASSUMPTIONS, notices
from tests.autoscale.fleet.ledger_parts import rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)


def noticed(ledger: Path, question: Question | None = None) -> list[str]:
    return notices(account(ledger, question))


def test_nothing_is_noticed_where_nothing_stands_in_the_way(tmp_path: Path) -> None:
    assert noticed(written(tmp_path / "ledger", rows(5))) == []


def test_a_simulated_ledger_is_reported_and_so_is_a_stopped_one(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", rows(5))
    path = ledger / ASSUMPTIONS
    path.write_text(json.dumps({"simulated": True, "is_complete": True}))
    assert [each.partition(":")[0] for each in noticed(ledger)] == ["Simulated"]
    path.write_text(json.dumps({"simulated": True, "is_complete": False}))
    assert "stopped" in noticed(ledger)[1]
    path.write_text("[not an account")
    assert noticed(ledger) == []


def test_figures_that_nobody_measured(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", rows(5, methods="latency_s=modelled;energy_j.device=default"))
    assert noticed(ledger) == ["No figure here was measured: all are modelled or defaults."]


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", rows(5), rows(7, log_id="other", time_us=1_793_600_000_000_000))
    next(iter(sorted((ledger / "records").rglob("*.parquet")))).write_bytes(b"half")
    [notice] = noticed(ledger)
    assert notice.startswith("5 rows are left out") or notice.startswith("7 rows are left out")


def test_clocks_that_were_set_back(tmp_path: Path) -> None:
    path = written(tmp_path / "ledger", rows(5))
    assert as_json(account(path))["rows"]["clock_set_back"] == 0
    with Ledger(path) as ledger:
        ledger.manifest.commit(Change(counts={"clock_set_back": 1200}), 0.0)
    assert noticed(path) == [
        "1,200 times a device's clock was set back: the span and the days of its rows may be wrong."
    ]
    assert as_json(account(path))["rows"]["clock_set_back"] == 1200


def test_average_and_marginal_added_up(tmp_path: Path) -> None:
    ledger = written(tmp_path / "ledger", rows(4, intensity_device_kind=["average", "average", "average", "marginal"]))
    [notice] = noticed(ledger)
    assert notice.endswith("added up (average: device; marginal: device).")


def test_a_server_of_another_kind_than_the_device(tmp_path: Path) -> None:
    kinds = {"intensity_device_kind": "average", "intensity_remote_kind": "marginal"}
    [notice] = noticed(written(tmp_path / "ledger", rows(4, **kinds)))
    assert notice.endswith("added up (average: device; marginal: remote).")


def test_devices_and_embodied_carbon_that_the_inventory_lacks(tmp_path: Path) -> None:
    inventory = tmp_path / "fleet.csv"
    inventory.write_text("device_id,idle_power_w,making_kg\na,1,0\n")
    ledger = written(
        tmp_path / "ledger", rows(2, device_id=["a", "b"], log_id=["a", "b"], embodied_device_ng=2 * 10**12)
    )
    unlisted, overdrawn = noticed(ledger, Question(inventory=read_inventory(inventory)))
    assert unlisted.startswith("1 devices reported that the inventory does not have")
    assert overdrawn.startswith("Queries carry 2 kg more making")
