"""Several collectors: each device meets its own, and their ledgers are one."""

from collections import Counter
from pathlib import Path

import pytest

from autoscale.errors import InvalidInput
from autoscale_runtime.fleet import Uploader
from autoscale_runtime.fleet.shards import shard_of
from tests.runtime.fleet.fleet_parts import logged

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

from autoscale.fleet.report import account
from autoscale_runtime.fleet.collector.service import collect


def test_devices_are_spread_evenly_and_stay() -> None:
    addresses = ["a:1", "b:1", "c:1"]
    spread = Counter(shard_of(f"device-{number}", addresses) for number in range(3000))
    assert min(spread.values()) > 900
    assert shard_of("device-7", addresses) == shard_of("device-7", addresses)
    with pytest.raises(InvalidInput, match="each once"):
        shard_of("device", ["a:1", "a:1"])


def test_three_collectors_have_every_row_once(tmp_path: Path) -> None:
    ledgers = [tmp_path / f"ledger-{number}" for number in range(3)]
    collectors = [collect(each) for each in ledgers]
    addresses = [each.address for each in collectors]
    for number in range(6):
        logged(tmp_path / f"log-{number}", 5, 5 * number)
        for _ in range(2):
            with Uploader(tmp_path / f"log-{number}", addresses) as uploader:
                uploader.upload()
    for each in collectors:
        each.stop()
    report = account(ledgers)
    assert (report.total.inferences, report.devices, report.total.latency_us) == (30, 6, sum(range(30)))
    assert report.ledger_view.counts["missing"] == 0
