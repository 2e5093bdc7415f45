"""A collector that runs, and rows for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autoscale.fleet.ledger.rows import Rows
from autoscale.fleet.ledger.validation import Rules
from tests.runtime.fleet.fleet_parts import rows_of_log

if TYPE_CHECKING:  # it needs pyarrow, without which the tests are skipped
    from autoscale_runtime.fleet.collector.service import Collector


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


@pytest.fixture
def collector(ledger: Path) -> Iterator["Collector"]:
    from autoscale_runtime.fleet.collector.service import collect

    with collect(ledger, Rules(device_models=frozenset(["mi8pro"]))) as running:
        yield running


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return rows_of_log(tmp_path / "rows", 10)
