"""What a report of the fleet's ledger costs, from rows and from the sums beside them; what plain SQL on DuckDB takes
for the sums of the same rows, and pandas on as much as it can hold.

Run from the root: ``python -m benchmarks.fleet_report --rows 100e6``; 100 million rows take some 4 GB of disk while it
runs. Needs the extra ``fleet`` and pandas, and 12 GB of memory for pandas (``--pandas-rows 0`` leaves it out). Ours is
the whole command, from its start to its JSON; each is timed in a process of its own, imports and all, with bytecode as
pip writes it; ratios to plain SQL are of processor time, which other work on the machine changes less. pandas is asked
twice: with categories, as who knows it well writes it, and with strings.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final, NamedTuple

import numpy as np

from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.rollup import CARBON, FIGURES
from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.schema import COLUMNS, PARTS
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report.engine import MEMORY
from autoscale.fleet.report.tables import DIMENSIONS, KINDS

Row = dict[str, Any]

BATCH_ROWS: Final = 1 << 20
DEVICES: Final = 100_000
DAYS: Final = 30
FIRST_US: Final = 1_793_491_200_000_000
HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
PLACE: Final = ("device_model", "region_device", "region_remote")
TARGETS: Final = (
    "device:cpu/int8@1766MHz",
    "device:gpu/fp16",
    "device:npu/int8",
    "edge:tab-s6:npu/int8",
    "cloud:gpu/fp32",
)
REGIONS: Final = ("FRA", "DEU", "USA", "GBR", "POL", "SWE", "ITA", "ESP", "IND", "CHN", "BRA", "JPN")
WORDS: Final = {
    "device_id": tuple(f"device-{each:06}" for each in range(DEVICES)),
    "device_model": tuple(f"phone-{each}" for each in range(8)),
    "model": tuple(f"network-{each}" for each in range(10)),
    "selected": TARGETS,
    "region_device": REGIONS,
    "region_remote": ("", "gcp:europe-west1"),
    "methods": ("energy_j.device=modelled;latency_s=measured", "energy_j.device=measured;latency_s=measured"),
}


def fleet_rows(dice: np.random.Generator, number: int) -> Rows:
    """A batch of one day of many devices."""
    device = dice.integers(0, DEVICES, BATCH_ROWS)
    target = dice.integers(0, len(TARGETS), BATCH_ROWS)
    is_far = target >= 3
    codes = {
        "device_id": device,
        "device_model": device % 8,
        "model": dice.integers(0, 10, BATCH_ROWS),
        "selected": target,
        "region_device": device % len(REGIONS),
        "region_remote": is_far,
        "methods": device % 2,
    }
    numbers = {each.name: np.zeros(BATCH_ROWS, np.int64) for each in COLUMNS if not each.is_text}
    figures = {name: dice.integers(1000, 30_000, BATCH_ROWS) for name in FIGURES if name != "missed"}
    numbers |= {name: values * is_far if "remote" in name else values for name, values in figures.items()}
    numbers["schema"] += 1
    numbers["sequence"] = np.arange(BATCH_ROWS) + number * BATCH_ROWS
    numbers["time_us"] = FIRST_US + number % DAYS * DAY_US + np.sort(dice.integers(0, DAY_US, BATCH_ROWS))
    numbers["is_late"] = (dice.random(BATCH_ROWS) < 0.03).astype(np.int64)
    texts = {each.name: Texts.same("x", BATCH_ROWS) for each in COLUMNS if each.is_text}
    return Rows(numbers, texts | {name: Texts(each.astype(np.int32), WORDS[name]) for name, each in codes.items()})


def write_ledger(folder: Path, rows: int) -> None:
    """A ledger of at least so many rows."""
    dice = np.random.default_rng(1)
    with Ledger(folder) as ledger:
        for number in range(-(-rows // BATCH_ROWS)):
            ledger.write(fleet_rows(dice, number))


def with_duckdb(ledger: str) -> dict[str, int]:
    """The report's sums alone, as one writes them who knows SQL: the rows read once for each grouping that needs it."""
    import duckdb

    names = [name for name in FIGURES if name != "missed"]
    summed = ", ".join(f"sum({name}) AS {name}" for name in names)
    missed = "sum((is_late OR coalesce(accuracy_ppm < goal_accuracy_ppm, false))::INT) AS missed"
    weight = "sum(CASE WHEN probability_ppb >= 100000 AND chosen = selected THEN 1000000000000 // probability_ppb END)"
    again = ", ".join(f"sum({name}) AS {name}" for name in (*names, "missed", "inferences"))
    carbon = " + ".join(CARBON)
    keys = ("model", "selected", *PLACE, "hour")
    base = duckdb.connect(config={"preserve_insertion_order": "false", "memory_limit": MEMORY})
    base.execute("SET enable_progress_bar = false")
    rows = f"read_parquet({[str(each) for each in read_ledger(ledger).files]!r}, hive_partitioning = false)"
    base.execute(
        f"CREATE TEMP TABLE cells AS SELECT {', '.join(keys[:-1])}, time_us % {DAY_US} // {HOUR_US} AS hour, {summed}, "
        f"{missed}, count(*) AS inferences, {weight} AS weight FROM {rows} GROUP BY ALL"
    )
    for key in keys:
        base.execute(f"SELECT {key}, {again} FROM cells GROUP BY ALL").fetchall()
    ends = f"min(time_us), max(time_us), {summed}, {missed}, count(*)"
    for grouped in (
        f"SELECT model, {', '.join(PLACE)}, hour, selected, {again}, sum(weight) FROM cells GROUP BY ALL",
        f"SELECT time_us // {DAY_US}, {', '.join(PLACE)}, {ends} FROM {rows} GROUP BY ALL",
        f"SELECT methods, {', '.join(KINDS)}, count(*) FROM {rows} GROUP BY ALL",
        f"SELECT count(*) FROM (SELECT DISTINCT device_id FROM {rows})",
        f"SELECT device_id, count(*), sum({carbon}) FROM {rows} GROUP BY ALL ORDER BY 3 DESC LIMIT 10",
    ):
        base.execute(grouped).fetchall()
    total = ", ".join(f"sum(operational_{part}_ng)" for part in PARTS)
    found = base.execute(f"SELECT {total} FROM cells").fetchone()
    assert found is not None
    return dict(zip(PARTS, map(int, found), strict=True))


def with_pandas(ledger: str, *, has_categories: bool = True) -> dict[str, int]:
    """The report's sums alone, in memory, as one writes them who knows pandas.

    Only the columns needed, all files at once, groups as they come, and the texts, where ``has_categories``, straight
    from the files' dictionaries into categories instead of into strings.
    """
    import pandas as pd  # type: ignore[import-untyped,unused-ignore]  # it ships no types

    sums = [name for name in FIGURES if name != "missed"]
    texts = ["device_id", "model", "selected", *PLACE, "methods", "intensity_device_kind"]
    columns = [*texts, "time_us", "is_late", "accuracy_ppm", "goal_accuracy_ppm", *sums]
    files = [str(each) for each in read_ledger(ledger).files]
    frame = pd.read_parquet(files, engine="pyarrow", columns=columns, read_dictionary=texts * has_categories)
    frame["hour"] = (frame["time_us"] // HOUR_US % 24).astype("int8")
    frame["day"] = (frame["time_us"] // DAY_US).astype("int32")
    frame["missed"] = frame["is_late"] | (frame["accuracy_ppm"] < frame["goal_accuracy_ppm"])
    frame["inferences"] = 1
    summed = [*sums, "missed", "inferences"]

    def grouped(table: Any, keys: list[str]) -> Any:
        return table.groupby(keys, observed=True, sort=False, dropna=False)[summed].sum()

    cells = grouped(frame, ["model", "selected", *PLACE, "hour"]).reset_index()
    for name in ("model", "selected", *PLACE, "hour"):
        grouped(cells, [name])
    grouped(cells, ["model", "device_model", "region_device", "hour", "selected"])
    grouped(frame, ["day", *PLACE])
    frame.groupby(["methods", "intensity_device_kind"], observed=True, sort=False, dropna=False).size()
    frame["device_id"].nunique(), frame["time_us"].min(), frame["time_us"].max()
    return {part: int(cells[f"operational_{part}_ng"].sum()) for part in ("device", "network", "remote")}


PEERS: Final[dict[str, Callable[[str], dict[str, int]]]] = {
    "duckdb": with_duckdb,
    "pandas": with_pandas,
    "pandas-strings": partial(with_pandas, has_categories=False),
}


class Timed(NamedTuple):
    """What one way took in a process of its own, and came to."""

    elapsed_s: float
    cpu_s: float
    peak_gb: float
    sums: dict[str, int]


def timed(way: str, ledger: Path) -> Timed:
    """Run one way."""
    own = ["autoscale", "fleet", "report", str(ledger), "--json", "-", *["--sums"] * (way == "sums")]
    command = ["benchmarks.fleet_report", "--way", way, str(ledger)] if way in PEERS else own
    with tempfile.TemporaryFile() as told:
        start = perf_counter()
        process = subprocess.Popen([sys.executable, "-m", *command], stdout=told, env=_as_installed(ledger.parent))
        _, status, used = os.wait4(process.pid, 0)
        elapsed_s = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        assert not process.returncode, command
        told.seek(0)
        sums = json.load(told)["exact"]["operational_ng"]
    return Timed(elapsed_s, used.ru_utime + used.ru_stime, used.ru_maxrss / (1 << 20), sums)


def _as_installed(folder: Path) -> dict[str, str]:
    """Modules are compiled once, as they are by who installs them, and not at every start."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return environment | {"PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def run(rows: int = 20_000_000, pandas_rows: int = 20_000_000) -> list[Row]:
    """The report of ``rows``, and its ratio to pandas on ``pandas_rows``."""
    with tempfile.TemporaryDirectory() as name:
        large, small = Path(name) / "large", Path(name) / "small"
        write_ledger(large, rows)
        with Ledger(large) as opened:
            roll_up_months(opened, datetime.fromtimestamp(FIRST_US / 1e6, UTC) + timedelta(days=2 * DAYS))
        timed("sums", large)  # compiles what it imports
        whole, plain, summed = (timed(way, large) for way in ("autoscale", "duckdb", "sums"))
        if pandas_rows == rows:
            small = large
        elif pandas_rows:
            write_ledger(small, pandas_rows)
        own = timed("autoscale", small) if pandas_rows else whole
        peers = {way: timed(way, small) for way in ("pandas", "pandas-strings") if pandas_rows}
    assert plain.sums == summed.sums == whole.sums
    assert all(each.sums == own.sums for each in peers.values()), (own, peers)
    size = f"{rows / 1e6:g} M rows, {len(DIMENSIONS) + 1} dimensions"
    found = [
        {"name": "fleet report", "value": whole.elapsed_s, "unit": "s", "target": 60.0, "peer": size},
        {"name": "fleet report memory", "value": whole.peak_gb, "unit": "GB", "target": 1.0, "peer": size},
        {
            "name": "over plain DuckDB",
            "value": whole.cpu_s / plain.cpu_s,
            "unit": "x",
            "target": 1.3,
            "peer": f"{whole.cpu_s:.1f} s of CPU, plain SQL {plain.cpu_s:.1f} s and {plain.peak_gb:.1f} GB",
        },
        {
            "name": "fleet report, from sums",
            "value": summed.elapsed_s,
            "unit": "s",
            "target": 1.0,
            "peer": f"{summed.cpu_s:.1f} s of CPU, {summed.peak_gb:.1f} GB",
        },
    ]
    for way, each in peers.items():
        against = f"{way} {each.elapsed_s:.1f} s and {each.peak_gb:.1f} GB on {pandas_rows / 1e6:g} M rows"
        ratio, target = each.elapsed_s / own.elapsed_s, 10.0 if way == "pandas" else None
        own_says = f"{against}, here {own.elapsed_s:.1f} s"
        found.append({"name": f"fleet report, {way}", "value": ratio, "unit": "x", "target": target, "peer": own_says})
    return found


def main() -> None:
    """Print the rows, or run one way for them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=float, default=20e6)
    options.add_argument("--pandas-rows", type=float, default=20e6)
    options.add_argument("--way", choices=PEERS)
    options.add_argument("ledger", nargs="?")
    asked = options.parse_args()
    if asked.way:
        print(json.dumps({"exact": {"operational_ng": PEERS[asked.way](asked.ledger)}}))
        return
    for row in run(int(asked.rows), int(asked.pandas_rows)):
        print(f"{row['name']:24} {row['value']:8.2f} {row['unit']:4} {row['target'] or 0:6g} {row['peer']}")


if __name__ == "__main__":
    main()
