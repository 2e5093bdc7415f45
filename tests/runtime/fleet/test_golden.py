"""Rows of every schema that wait on a device are taken into a ledger of it, each of them, and counted as then."""

import json
import shutil
from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import account
from autoscale_runtime.fleet import Uploader
from autoscale_runtime.fleet.collector.service import collect
from tests.golden.make import write
from tests.golden_files import SCHEMAS, differing

pytest.importorskip("duckdb")


@pytest.mark.parametrize("golden", SCHEMAS, ids=lambda golden: golden.name)
def test_a_golden_log_uploads_into_a_golden_ledger(golden: Path, tmp_path: Path) -> None:
    ledger, log = (shutil.copytree(golden / name, tmp_path / name) for name in ("ledger", "log"))
    with collect(ledger) as collector, Uploader(log, collector.address) as uploader:
        done = uploader.upload()
    assert (done.accepted, done.duplicate, done.rejected, done.skipped) == (300, 0, 0, 0)
    (tmp_path / "report.json").write_text(json.dumps(as_json(account(ledger))))
    assert differing(tmp_path / "report.json", golden / "report_after_upload.json") == []


def test_golden_files_of_the_next_schema_can_be_made(tmp_path: Path) -> None:
    write(tmp_path / "schema")
    assert {each.name for each in (tmp_path / "schema").iterdir()} == {
        "ledger",
        "log",
        "report.json",
        "report_after_upload.json",
    }
    assert json.loads((tmp_path / "schema" / "report_after_upload.json").read_text())["inferences"] == 730
