"""A ledger of every schema gives the report that it gave then, figure for figure."""

import json
import shutil
from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import account
from tests.golden_files import SCHEMAS, differing

pytest.importorskip("duckdb")


@pytest.mark.parametrize("golden", SCHEMAS, ids=lambda golden: golden.name)
def test_a_golden_ledger_reports_what_it_did(golden: Path, tmp_path: Path) -> None:
    ledger = shutil.copytree(golden / "ledger", tmp_path / "ledger")
    (tmp_path / "report.json").write_text(json.dumps(as_json(account(ledger))))
    assert differing(tmp_path / "report.json", golden / "report.json") == []
