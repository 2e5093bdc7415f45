"""A ledger of schema 1 gives the report that it gave then, figure for figure."""

import json
import shutil
from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import account
from tests.golden_files import GOLDEN, differing

pytest.importorskip("duckdb")


def test_a_golden_ledger_reports_what_it_did(tmp_path: Path) -> None:
    ledger = shutil.copytree(GOLDEN / "ledger", tmp_path / "ledger")
    (tmp_path / "report.json").write_text(json.dumps(as_json(account(ledger))))
    assert differing(tmp_path / "report.json", "report.json") == []
