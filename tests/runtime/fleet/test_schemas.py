"""Devices, collectors and ledgers of several schemas side by side: no row is lost, and none counts twice.

The older version is this one; later ones are copies of it whose table has grown (``later_schema``).
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from autoscale.errors import InvalidInput
from autoscale.fleet import read_ledger
from autoscale.fleet.ledger.schema import SCHEMA
from autoscale.fleet.ledger.validation import Rules
from autoscale_runtime.fleet import Uploader
from autoscale_runtime.fleet.batches import LaterSchema
from autoscale_runtime.fleet.device_log.uploader import Uploaded
from tests.golden_files import GOLDEN, differing
from tests.runtime.fleet.fleet_parts import keys, logged, sequences
from tests.runtime.fleet.later_schema import Version, later_version
from tests.waiting import until

pytest.importorskip("duckdb")
pq = pytest.importorskip("pyarrow.parquet")

from autoscale.fleet.ledger import store  # noqa: E402  needs what was just found
from autoscale.fleet.ledger.readmission import readmit  # noqa: E402
from autoscale.fleet.report import account  # noqa: E402
from autoscale_runtime.fleet.collector.service import collect  # noqa: E402

NONE: Final = "no column"

LOG: Final = """
import sys
from pathlib import Path
from tests.runtime.fleet.fleet_parts import logged
logged(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
"""
"""Appends records: a folder, how many, and the latency of the first in microseconds."""

UPLOAD: Final = """
import json, sys
from dataclasses import asdict
from autoscale_runtime.fleet import Uploader
with Uploader(sys.argv[1], sys.argv[2]) as uploader:
    try:
        uploader.upload()
    except Exception as error:
        print(json.dumps(asdict(uploader.total) | {"error": str(error)}))
    else:
        print(json.dumps(asdict(uploader.total)))
"""

COMPACT: Final = """
import sys
from autoscale.fleet.ledger import store
from autoscale.fleet.ledger.view import read_ledger
store.MANY = 2
with store.Ledger(sys.argv[1]) as ledger:
    for day in ledger.crowded_days():
        ledger.compact(day)
"""


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The next version but one: a column that is optional, one with a default, a text."""
    return later_version(tmp_path_factory.mktemp("later"), 2)


def upload(log: Path, address: str) -> Uploaded:
    """With this version."""
    with Uploader(log, address) as uploader:
        return uploader.upload()


def columns(ledger: Path, *names: str) -> list[tuple[Any, ...]]:
    """Rows of the ledger, sorted by the first column; None for what is null, "no column" where a file has none."""
    rows: list[tuple[Any, ...]] = []
    for path in read_ledger(ledger).files:
        table = pq.ParquetFile(path).read()
        has = [table[name].to_pylist() if name in table.column_names else [NONE] * len(table) for name in names]
        rows += zip(*has, strict=True)
    return sorted(rows, key=lambda row: int(row[0]))


def test_an_older_device_uploads_to_a_later_collector(tmp_path: Path, later: Version) -> None:
    log, ledger = (shutil.copytree(GOLDEN / name, tmp_path / name) for name in ("log", "ledger"))
    with later.collecting(ledger) as address:
        assert upload(log, address) == Uploaded(accepted=300)
    later.command("report", ledger, "--json", tmp_path / "report.json")
    assert differing(tmp_path / "report.json", GOLDEN / "report_after_upload.json") == []
    new = [row for row in columns(ledger, "schema", "queue_us", "tries", "engine") if row[1] != NONE]
    assert new == [(1, None, 1, None)] * 300


def test_a_later_device_keeps_its_rows_until_the_collector_is_as_late(tmp_path: Path, later: Version) -> None:
    log, ledger = tmp_path / "log", tmp_path / "ledger"
    later.run(LOG, log, 5, 0)
    with collect(ledger) as collector:
        for _ in range(4):
            refused = later.run(UPLOAD, log, collector.address)
            assert f"schema is {later.schema}; allowed: up to {SCHEMA}; update the collector" in refused["error"]
            assert refused["skipped"] == 0
        with Uploader(log, collector.address) as uploader:  # nor does an app that was set back lose them
            with pytest.raises(LaterSchema, match="the rows wait here"):
                uploader.upload()
            uploader.start()
            assert isinstance(until(lambda: uploader.last_error), LaterSchema)
    assert sequences(log) == list(range(5))
    assert read_ledger(ledger).counts == {"missing": 0}
    with later.collecting(ledger) as address:
        assert later.run(UPLOAD, log, address)["accepted"] == 5
    rows = columns(ledger, "latency_us", "queue_us", "tries", "engine", "schema", "energy_device_uj", "objective")
    assert rows == [(number, number, 1, "cpu", later.schema, 250_000, "energy") for number in range(5)]


def test_an_updated_device_uploads_what_waited_and_what_came_since(tmp_path: Path, later: Version) -> None:
    log, ledger = tmp_path / "log", tmp_path / "ledger"
    logged(log, 3)
    later.run(LOG, log, 2, 3)
    assert len(list(log.glob("*.log"))) == 2
    with collect(ledger) as collector:
        found = later.run(UPLOAD, log, collector.address)
        assert (found["accepted"], found["skipped"]) == (3, 0)
        assert "update the collector" in found["error"]
    with later.collecting(ledger) as address:
        assert later.run(UPLOAD, log, address)["accepted"] == 2
        logged(log, 2, 5)  # the app was set back to the older version, and then
        later.run(LOG, log, 1, 7)
        assert upload(log, address) == Uploaded(accepted=3)  # which carries the later one's rows, too
    new = later.schema
    assert columns(ledger, "latency_us", "schema", "queue_us", "tries") == [
        *((number, SCHEMA, NONE, NONE) for number in (0, 1, 2)),
        *((number, new, number, 1) for number in (3, 4)),
        *((number, SCHEMA, None, 1) for number in (5, 6)),
        (7, new, 7, 1),
    ]
    assert len(set(keys(ledger))) == read_ledger(ledger).counts["accepted"] == 8
    assert read_ledger(ledger).counts["missing"] == 0


@pytest.fixture
def mixed(tmp_path: Path, later: Version) -> Path:
    """A ledger of 4 rows of this version and 3 of the later one, in files of both."""
    ledger = tmp_path / "ledger"
    logged(tmp_path / "old", 4)
    later.run(LOG, tmp_path / "new", 3, 4)
    with collect(ledger) as collector:
        upload(tmp_path / "old", collector.address)
    with later.collecting(ledger) as address:
        later.run(UPLOAD, tmp_path / "new", address)
    assert len(read_ledger(ledger).files) == 2
    return ledger


def test_days_of_several_schemas_are_merged_and_reported(tmp_path: Path, mixed: Path, later: Version) -> None:
    def reported(name: str, *options: str) -> dict[str, Any]:
        later.command("report", mixed, "--json", tmp_path / name, *options)
        figures: dict[str, Any] = json.loads((tmp_path / name).read_text())
        return figures

    before = reported("before.json")
    later.run(COMPACT, mixed)
    assert len(read_ledger(mixed).files) == 1
    assert reported("after.json") == before
    assert before["inferences"] == 7
    rows = columns(mixed, "latency_us", "queue_us", "tries", "engine")
    assert rows[:4] == [(number, None, 1, None) for number in range(4)]
    assert rows[4:] == [(number, number, 1, "cpu") for number in range(4, 7)]


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_every_engine_reads_the_columns_of_all_schemas(mixed: Path, later: Version, engine: str) -> None:
    if engine == "spark":
        pytest.importorskip("pyspark")
    assert later.run(READ, mixed, engine) == [[number, None if number < 4 else number, 1] for number in range(7)]
    for path in [each for each in read_ledger(mixed).files if "queue_us" in pq.read_schema(each).names]:
        path.unlink()  # and where no file has them
    assert later.run(READ, mixed, engine) == [[number, None, 1] for number in range(4)]


READ: Final = """
import json, sys
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report.engine import EngineOptions, engine
from autoscale.fleet.report.survey import survey
with engine(EngineOptions(sys.argv[2], "local[1]")) as opened:
    files = read_ledger(sys.argv[1]).files
    table = opened.read(files, survey(files).is_mixed)
    rows = opened.rows(f"SELECT latency_us, queue_us, tries FROM ({table})")
print(json.dumps(sorted([row["latency_us"], row["queue_us"], row["tries"]] for row in rows)))
"""


def test_an_older_version_reports_a_later_ledger_and_leaves_its_files(mixed: Path) -> None:
    assert account(mixed).total.inferences == 7
    with pytest.MonkeyPatch.context() as patch, store.Ledger(mixed) as ledger:
        patch.setattr(store, "MANY", 2)
        [day] = ledger.crowded_days()
        with pytest.raises(OSError, match=r"has the columns \['engine', 'queue_us', 'tries'\] of a later schema"):
            ledger.compact(day)
        assert ledger.crowded_days() == []
    assert len(read_ledger(mixed).files) == 2
    assert len(set(keys(mixed))) == 7


def test_rows_in_quarantine_come_back_under_a_later_version(tmp_path: Path, later: Version) -> None:
    ledger = tmp_path / "ledger"
    logged(tmp_path / "old", 4)
    later.run(LOG, tmp_path / "new", 3, 4)
    (tmp_path / "devices.csv").write_text("device_id\nnobody\n")
    with collect(ledger, Rules(devices=frozenset(["nobody"]))) as collector:
        upload(tmp_path / "old", collector.address)
    with later.collecting(ledger, "--inventory", tmp_path / "devices.csv") as address:
        later.run(UPLOAD, tmp_path / "new", address)
    assert read_ledger(ledger).counts["rejected:unknown_device"] == 7
    ids = [(tmp_path / name / "device_id").read_text() for name in ("old", "new")]
    with store.Ledger(ledger) as opened, pytest.raises(InvalidInput, match="update AutoScale"):
        readmit(opened, Rules(devices=frozenset(["nobody"])))
    (tmp_path / "devices.csv").write_text("\n".join(["device_id", *ids]))
    later.command("readmit", ledger, "--inventory", tmp_path / "devices.csv")
    rows = columns(ledger, "latency_us", "queue_us", "tries")
    assert rows == [(number, None if number < 4 else number, 1) for number in range(7)]
    assert read_ledger(ledger).counts["accepted"] == 7
