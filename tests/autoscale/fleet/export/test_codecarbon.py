"""The CSV: CodeCarbon's columns mean what CodeCarbon means by them, and no cell is a formula in a spreadsheet."""

import csv
from pathlib import Path

import numpy as np
import pytest

from autoscale.carbon.intensity.files.reader import read_intensity_file
from autoscale.fleet.export.codecarbon import as_codecarbon
from autoscale.fleet.report import account
from tests.autoscale.fleet.ledger_parts import DAY_US, FIRST_US, rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)


@pytest.mark.parametrize("model", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"])
def test_no_cell_begins_a_formula(tmp_path: Path, model: str) -> None:
    text = as_codecarbon(account(written(tmp_path / "ledger", rows(3, device_model=model, operational_device_ng=500))))
    [row] = csv.DictReader(text.splitlines())
    assert row["project_name"] == f"'{model}"
    assert float(row["emissions"]) > 0


def test_a_day_read_back_is_that_day(tmp_path: Path) -> None:
    """CodeCarbon's timestamp is when a run ended; who reads it goes back from there by its duration."""
    figures = {"energy_device_uj": 3_600_000, "operational_device_ng": np.array([100, 200, 300]) * 1000}
    times_us = FIRST_US + DAY_US // 2 + np.arange(3) * DAY_US
    report = account(written(tmp_path / "ledger", rows(3, time_us=times_us, region_device="FRA", **figures)))
    path = tmp_path / "emissions.csv"
    path.write_text(as_codecarbon(report))
    [series] = read_intensity_file(path, "FR").series.values()
    told = [series.covering(float(each) / 1e6) for each in times_us + np.array([1, 0, -1]) * DAY_US // 4]
    assert [each and round(each.g_per_kwh, 6) for each in told] == [100.0, 200.0, 300.0]
    days = [row["timestamp"][:10] for row in csv.DictReader(path.read_text().splitlines())]
    assert days == ["2026-11-01", "2026-11-02", "2026-11-03"]
