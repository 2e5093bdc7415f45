"""How fast a simulated fleet's ledger is made, with the files on disk: a million devices for a day.

Run from the root: ``python -m benchmarks.fleet_simulate``. Needs the extra ``fleet``. One thread simulates, another
writes, so two free cores are wanted; on a busy machine the rate by processor time says what they would give.
"""

import os
import resource
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from autoscale_envs.fleet.plan import FleetPlan
from autoscale_envs.fleet.simulate import simulate

Row = dict[str, Any]

PLAN: Final = FleetPlan(devices=1_000_000, days=1, queries_per_day=10.0)
CORES: Final = 2
TARGET: Final = 1e6
LIMIT_MB: Final = 2000.0


def run() -> list[Row]:
    """Make ten million records."""
    with tempfile.TemporaryDirectory() as folder:
        began_s, used_s = perf_counter(), process_time()
        records = simulate(PLAN, Path(folder) / "ledger")
        elapsed_s, cpu_s = perf_counter() - began_s, process_time() - used_s
        size = sum(each.stat().st_size for each in Path(folder).rglob("*.parquet"))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    return [
        _row("simulated records", records / elapsed_s, "records/s", TARGET, load),
        _row(f"by processor time, {CORES} cores", CORES * records / cpu_s, "records/s", TARGET, load),
        _row("a record on disk", size / records, "B", None, f"{records:,} records"),
        _row("peak memory", peak_mb, "MB", LIMIT_MB, f"{PLAN.devices:,} devices"),
    ]


def main() -> None:
    """Print the rows."""
    for row in run():
        target = "" if row["target"] is None else f"target {row['target']:g}"
        print(f"{row['name']:32} {row['value']:12,.1f} {row['unit']:10} {target:14} {row['peer']}")


def _row(name: str, value: float, unit: str, target: float | None, peer: str) -> Row:
    return {"name": name, "value": value, "unit": unit, "target": target, "peer": peer}


if __name__ == "__main__":
    main()
