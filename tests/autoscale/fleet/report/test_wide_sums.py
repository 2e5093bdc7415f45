"""Sums beyond 64 bits' comfort: engines hand them over as decimals, and a report is of whole numbers all the same."""

from pathlib import Path

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.report import EngineOptions, account
from autoscale.fleet.report.engine import engine
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


@pytest.mark.parametrize("total", [7, 2**63 - 1, 2**63, -(2**100)])
def test_a_sum_is_handed_over_whole_whether_or_not_64_bits_hold_it(total: int) -> None:
    with engine(EngineOptions()) as opened:
        [row] = opened.rows(f"SELECT 'all' AS name, {total}::HUGEINT AS total", ("total",))
    assert row == {"name": "all", "total": total}
