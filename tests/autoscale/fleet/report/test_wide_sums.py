"""Sums beyond 64 bits' comfort: engines hand them over as decimals, and a report is of whole numbers all the same."""

from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import account
from tests.autoscale.fleet.ledger_parts import random_rows, written

for needed in ("duckdb", "pyarrow"):
    pytest.importorskip(needed)

TIMES = 10**9


def test_a_fleet_thousand_million_times_as_large_has_as_many_times_the_carbon(tmp_path: Path) -> None:
    from benchmarks.fleet_year import write_year

    small = written(tmp_path / "small", random_rows(9000, 5, days=1))
    _, queries = write_year(small, tmp_path / "large", 1, TIMES)
    one, many = (account(each) for each in (small, tmp_path / "large"))
    assert many.total.inferences == queries == TIMES * one.total.inferences
    assert many.total.total_ng.mid == TIMES * one.total.total_ng.mid
    assert all(type(each) is int for counts in many.methods.values() for each in counts.values())
    assert as_json(many)["exact"]["energy_uj"]["device"] == TIMES * as_json(one)["exact"]["energy_uj"]["device"]
