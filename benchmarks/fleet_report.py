"""What a report of the fleet's ledger costs, and what pandas takes for the same sums on as much as it can hold.

Run from the root: ``python -m benchmarks.fleet_report --rows 100e6``; 100 million rows take some 5 GB of disk while it
runs. Needs the extra ``fleet`` and pandas, and 12 GB of memory for pandas. Each is timed in a process of its own,
imports and all. pandas is asked twice: with categories, as who knows it well writes it, and with strings.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.ledger.rows import Rows, Texts
from autoscale.fleet.ledger.schema import COLUMNS
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.ledger.view import read_ledger
from autoscale.fleet.report import account
from autoscale.fleet.report.sums import FIGURES
from autoscale.fleet.report.tables import DIMENSIONS

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


def with_autoscale(ledger: str) -> dict[str, int]:
    """The whole report, on DuckDB."""
    exact: dict[str, int] = as_json(account(ledger))["exact"]["operational_ng"]
    return exact


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
    "autoscale": with_autoscale,
    "pandas": with_pandas,
    "pandas-strings": partial(with_pandas, has_categories=False),
}


def timed(way: str, ledger: Path) -> tuple[float, float, dict[str, int]]:
    """Seconds, peak GB and the sums of one way, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.fleet_report", "--way", way, str(ledger)]
    start = perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    elapsed_s = perf_counter() - start
    found = json.loads(ran.stdout)
    return elapsed_s, found["peak_gb"], found["sums"]


def run(rows: int = 20_000_000, pandas_rows: int = 20_000_000) -> list[Row]:
    """The report of ``rows``, and its ratio to pandas on ``pandas_rows``."""
    with tempfile.TemporaryDirectory() as name:
        large, small = Path(name) / "large", Path(name) / "small"
        write_ledger(large, rows)
        elapsed_s, peak_gb, _ = timed("autoscale", large)
        if pandas_rows == rows:
            small = large
        else:
            write_ledger(small, pandas_rows)
        own_s, _, own = timed("autoscale", small)
        peers = {way: timed(way, small) for way in ("pandas", "pandas-strings")}
    assert all(sums == own for _, _, sums in peers.values()), (own, peers)
    size = f"{rows / 1e6:g} M rows, {len(DIMENSIONS) + 1} dimensions"
    found = [
        {"name": "fleet report", "value": elapsed_s, "unit": "s", "target": 60.0, "peer": size},
        {"name": "fleet report memory", "value": peak_gb, "unit": "GB", "target": 4.0, "peer": size},
    ]
    for way, (its_s, its_gb, _) in peers.items():
        against = f"{way} {its_s:.1f} s and {its_gb:.1f} GB on {pandas_rows / 1e6:g} M rows, here {own_s:.1f} s"
        target = 10.0 if way == "pandas" else None
        found.append(
            {"name": f"fleet report, {way}", "value": its_s / own_s, "unit": "x", "target": target, "peer": against}
        )
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
        sums = PEERS[asked.way](asked.ledger)
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
        print(json.dumps({"peak_gb": peak_gb, "sums": sums}))
        return
    for row in run(int(asked.rows), int(asked.pandas_rows)):
        print(f"{row['name']:24} {row['value']:8.2f} {row['unit']:4} {row['target'] or 0:6g} {row['peer']}")


if __name__ == "__main__":
    main()
