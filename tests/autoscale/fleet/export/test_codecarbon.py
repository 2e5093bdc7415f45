"""The CSV: nothing that a device calls itself is a formula in a spreadsheet."""

import csv
from pathlib import Path

import pytest

from autoscale.fleet.export.codecarbon import as_codecarbon
from autoscale.fleet.report import account
from tests.autoscale.fleet.ledger_parts import rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)


@pytest.mark.parametrize("model", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)"])
def test_no_cell_begins_a_formula(tmp_path: Path, model: str) -> None:
    text = as_codecarbon(account(written(tmp_path / "ledger", rows(3, device_model=model, operational_device_ng=500))))
    [row] = csv.DictReader(text.splitlines())
    assert row["project_name"] == f"'{model}"
    assert float(row["emissions"]) > 0
