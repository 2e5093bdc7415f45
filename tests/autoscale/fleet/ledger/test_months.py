"""Sums of whole months are read in place of hourly ones, tell the same to the nanogram, go with what they are of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.ledger import new_files
from autoscale.fleet.ledger.erasure import forget, retain
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.rows import Rows
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report import EngineOptions, Question, Span, account
from autoscale.fleet.report.reading import reading
from autoscale.units import US_PER_DAY
from tests.autoscale.fleet.ledger_parts import random_rows, written

pytest.importorskip("duckdb")
pq = pytest.importorskip("pyarrow.parquet")

SAME = ("exact", "by", "inferences", "devices", "counterfactuals", "methods", "span", "savings", "growth")


def figures(ledger: Path, span: Span | None = None, sums: bool = False, **question: Any) -> dict[str, Any]:
    asked = Question(span or Span(), from_sums=sums, **question)
    return as_json(account(ledger, asked, EngineOptions(threads=2)))


DECEMBER = datetime(2026, 12, 3, tzinfo=UTC)


@pytest.fixture
def months(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three days of November and one of December, and what came of them later; the sums of November are made."""
    monkeypatch.setattr(new_files, "ROLL_UP_ROWS", 500)
    ledger = written(tmp_path / "ledger", random_rows(3000, 1), random_rows(200, 2))
    with Ledger(ledger) as opened:
        assert roll_up_months(opened, DECEMBER) == ["2026-11"]
        assert roll_up_months(opened, DECEMBER) == []
        opened.write(shifted(random_rows(600, 3, days=1), 30))
        opened.write(random_rows(600, 4, days=1))
        assert roll_up_months(opened, DECEMBER) == []  # one file beside it is as quick to read
    return ledger


def shifted(given: Rows, days: int) -> Rows:
    return Rows({**given.numbers, "time_us": given.numbers["time_us"] + days * US_PER_DAY}, given.texts)


def read(ledger: Path, span: Span, only: tuple[str, ...] = ()) -> list[int]:
    """How many files of rows, of hourly sums, of months by day and by hour."""
    found = reading(read_ledger(ledger), span, True, only)
    return [len(each) for each in (found.rows, found.sums, found.days, found.hours)]


@pytest.mark.parametrize(
    ("since", "until", "only", "files"),
    [
        ("", "", (), [3, 2, 1, 1]),
        ("2026-11-01", "2026-12-01", (), [3, 2, 1, 1]),
        ("2026-11-02", "", (), [2, 3, 0, 0]),
        ("", "2026-11-30T23:00", (), [3, 4, 0, 0]),
        ("", "", (("region", "FRA"), ("network", "mobilebert")), [3, 2, 1, 1]),
        ("", "", (("target", "cloud:gpu/fp32"),), [3, 5, 0, 0]),
        ("", "", (("hour", "12"),), [3, 5, 0, 0]),
    ],
)
def test_sums_of_a_month_tell_what_rows_do(
    months: Path, since: str, until: str, only: tuple[tuple[str, str], ...], files: list[int]
) -> None:
    span = Span.parse(since, until)
    assert read(months, span, tuple(name for name, _ in only)) == files
    if only[:1] != (("hour", "12"),):  # an hour is a number, no text
        rows_say, sums_say = figures(months, span, only=only), figures(months, span, sums=True, only=only)
        for name in SAME:
            assert sums_say[name] == rows_say[name]


def test_sums_of_a_month_go_with_what_they_are_of(months: Path) -> None:
    before = figures(months)
    with Ledger(months) as opened:
        retain(opened, 1, DECEMBER + timedelta(days=5))
        assert read(months, Span())[2:] == [1, 1]
        assert figures(months)["exact"] == before["exact"]
        assert roll_up_months(opened, DECEMBER + timedelta(days=40)) == ["2026-12"]
        assert read(months, Span()) == [0, 4, 2, 2]
        assert figures(months)["exact"] == before["exact"]


def test_a_device_that_is_forgotten_takes_the_sums_of_its_months_along(months: Path) -> None:
    with Ledger(months) as opened:
        forget(opened, "device-3")
    assert read(months, Span())[2:] == [0, 0]
    assert figures(months, sums=True)["exact"] == figures(months)["exact"]
    with Ledger(months) as opened:
        assert roll_up_months(opened, DECEMBER) == ["2026-11"]
    assert figures(months, sums=True)["exact"] == figures(months)["exact"]


def test_where_the_sums_of_a_month_are_damaged_the_hourly_ones_are_read(months: Path) -> None:
    before = figures(months)
    for path in (months / "days").rglob("*.sums"):
        path.write_bytes(b"x" * path.stat().st_size)
    after = figures(months, sums=True)
    assert (after["exact"], after["by"]) == (before["exact"], before["by"])
    assert "1 files of sums are damaged: the rows are read in their place." in after["notices"]


def test_the_devices_of_most_carbon_are_the_same_by_rows_and_by_sums(months: Path) -> None:
    by_rows, by_sums = figures(months), figures(months, sums=True)
    named = by_rows["devices_of_most_carbon"]
    assert named == by_sums["devices_of_most_carbon"]
    grams = [each["carbon_ng"] for each in named]
    assert (len(named), grams) == (10, sorted(grams, reverse=True))


def test_a_months_devices_are_read_in_place_of_each_days(months: Path) -> None:
    whole, cut = (reading(read_ledger(months), Span.parse(since), True) for since in ("", "2026-11-02"))
    assert [len([path for path in each.devices if "asking" in path.parts]) for each in (whole, cut)] == [1, 0]


def named(ledger: Path) -> set[str]:
    """The folders of which a file has rows or sums of ``device-3``."""
    files = [path for kind in ("*.parquet", "*.devices") for path in ledger.rglob(kind)]
    return {
        path.relative_to(ledger).parts[0]
        for path in files
        if "device-3" in pq.ParquetFile(path).read(columns=["device_id"])["device_id"].to_pylist()
    }


def test_no_file_names_a_device_that_is_forgotten(months: Path) -> None:
    assert named(months) == {"records", "devices", "asking"}
    with Ledger(months) as opened:
        forget(opened, "device-3")
        assert named(months) == set()  # when it returns, not with the next opening


def test_where_a_months_devices_are_damaged_those_of_its_days_are_read(months: Path) -> None:
    before = figures(months)
    for path in (months / "asking").rglob("*.devices"):
        path.write_bytes(b"x" * path.stat().st_size)
    after = figures(months, sums=True)
    for name in ("exact", "devices", "devices_of_most_carbon"):
        assert after[name] == before[name]
