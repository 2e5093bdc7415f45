"""Rows of schema 1 that wait on a device are taken into a ledger of schema 1, each of them, and counted as then."""

import json
import shutil
from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import account
from autoscale_runtime.fleet import Uploader
from autoscale_runtime.fleet.collector.service import collect
from tests.golden_files import GOLDEN, differing

pytest.importorskip("duckdb")


def test_a_golden_log_uploads_into_a_golden_ledger(tmp_path: Path) -> None:
    ledger, log = (shutil.copytree(GOLDEN / name, tmp_path / name) for name in ("ledger", "log"))
    with collect(ledger) as collector, Uploader(log, collector.address) as uploader:
        done = uploader.upload()
    assert (done.accepted, done.duplicate, done.rejected, done.skipped) == (300, 0, 0, 0)
    (tmp_path / "report.json").write_text(json.dumps(as_json(account(ledger))))
    assert differing(tmp_path / "report.json", "report_after_upload.json") == []
