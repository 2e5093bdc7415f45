"""A year of a large fleet as hourly sums alone, its months summed, and reported: what is left once its rows were aged.

One day of some devices is simulated; each day of the year is that day, its sums times as many as the fleet is larger.
A larger fleet has more groups than a small one, until it has all there are: the day should be of many devices, and how
many sums there are is printed.

Run from the root: ``python -m benchmarks.fleet_year 20000``. Needs the extra ``fleet``; takes some minutes and 2 GB.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types

from autoscale.fleet.ledger.arrow import write_parquet
from autoscale.fleet.ledger.entry import Entry
from autoscale.fleet.ledger.manifest import Change
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.rollup import SUMMED, WEIGHED
from autoscale.fleet.ledger.store import Ledger
from autoscale.units import US_PER_DAY

DEVICES: Final = 20_000
DAYS: Final = 365
FLEET_DEVICES: Final = 1_000_000
START: Final = datetime(2025, 1, 1, tzinfo=UTC)
FLEET: Final = "from autoscale.fleet.fleet_command import fleet; fleet()"
MOMENTS: Final = ("hour_us", "first_us", "last_us")


def day_later(table: Any, days: int, times: int) -> Any:
    """Sums of a day as those of another one, of so many times the fleet."""
    columns = {name: table[name] for name in table.column_names}
    for name in MOMENTS:
        columns[name] = pc.add(columns[name], pa.scalar(days * US_PER_DAY, pa.int64()))
    for name in ("inferences", *SUMMED, *WEIGHED):
        columns[name] = pc.multiply_checked(columns[name], pa.scalar(times, pa.int64()))
    plain = {
        name: pc.dictionary_encode(each) if pa.types.is_string(each.type) else each for name, each in columns.items()
    }
    return pa.table(plain)


def write_year(day_ledger: Path, year: Path, days: int, times: int) -> tuple[int, int]:
    """A ledger of sums alone; how many of them, and of how many queries."""
    tables = [pq.ParquetFile(each).read() for each in sorted((day_ledger / "sums").rglob("*.sums"))]
    written, queries = 0, 0
    with Ledger(year) as ledger, ledger.written() as added:
        for number in range(days):
            day = (START + timedelta(days=number)).date().isoformat()
            folder = year / "sums" / f"day={day}"
            folder.mkdir()
            for index, each in enumerate(tables):
                table = day_later(each, number, times)
                path = folder / f"{index:04d}.sums"
                rows = int(pc.sum(table["inferences"]).as_py())
                ledger.add(added, path, day, rows, write_parquet(table, path))
                written, queries = written + table.num_rows, queries + rows
        _commit(ledger, added, queries)
    return written, queries


def _commit(ledger: Ledger, added: list[Entry], queries: int) -> None:
    counts = {"accepted": queries, "aged": queries}
    ledger.manifest.commit(Change(added=tuple(added), counts=counts), time.time())


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Simulate, write, report; print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("devices", nargs="?", type=int, default=DEVICES, help="that the day is simulated of")
    options.add_argument("days", nargs="?", type=int, default=DAYS, help="of the year")
    options.add_argument("--folder", type=Path, help="to write in; the system's for temporary files, where not given")
    asked = options.parse_args()
    devices, days = asked.devices, asked.days
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        day, year, told = Path(name) / "day", Path(name) / "year", Path(name) / "report.json"
        fleet = [sys.executable, "-c", FLEET]
        simulate = ["simulate", "--devices", str(devices), "--days", "1", "--start", START.date().isoformat()]
        subprocess.run([*fleet, *simulate, "--out", str(day)], check=True, capture_output=True)
        sums, queries = write_year(day, year, days, FLEET_DEVICES // devices)
        began_s = time.perf_counter()
        with Ledger(year) as ledger:
            made = roll_up_months(ledger)
        rolled_s = time.perf_counter() - began_s
        began_s, before_s = time.perf_counter(), _children_cpu_s()
        subprocess.run([*fleet, "report", str(year), "--json", str(told)], check=True, capture_output=True)
        elapsed_s, cpu_s = time.perf_counter() - began_s, _children_cpu_s() - before_s
        print(f"{len(made)} months summed in {rolled_s:.1f} s, once")
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert json.loads(told.read_text())["inferences"] == queries
        print(f"{days} days of {FLEET_DEVICES:,} devices, {queries:,} queries as {sums:,} sums")
        print(f"reported in {elapsed_s:.1f} s, {cpu_s:.1f} s of CPU")
        print(f"{used.ru_maxrss / 1024:,.0f} MB at most, the simulation with it")


if __name__ == "__main__":
    main()
