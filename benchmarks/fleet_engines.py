"""Whether DuckDB, with any number of threads, and Spark come to the same report of a large ledger, byte for byte; and
both to the same figures from its hourly sums, and from the sums of months that are left once its rows were aged.

Run from the root: ``python -m benchmarks.fleet_engines --devices 5000 --days 40``: a simulated ledger of ten million
records, and each report in a process of its own. Needs the extras ``fleet`` and ``spark``, and Java 17. Also counted:
sums that do not add up, in whole numbers, to the total, or to the fleet with what idles and what no query carries.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.ledger.erasure import retain
from autoscale.fleet.ledger.months import roll_up_months
from autoscale.fleet.ledger.store import Ledger
from autoscale.fleet.report import EngineOptions, Question, Report, Span, account
from autoscale.fleet.report.inventory import InventoryMachine, read_inventory
from autoscale.fleet.report.sums import Sums
from autoscale_envs.fleet.plan import FleetPlan
from autoscale_envs.fleet.simulate import simulate

Row = dict[str, Any]

DUCKDB: Final = EngineOptions("duckdb")
SPARK: Final = EngineOptions("spark", master="local[2]")
WAYS: Final = (
    ("rows", DUCKDB),
    ("rows", EngineOptions("duckdb", threads=1)),
    ("rows", EngineOptions("duckdb", threads=5)),
    ("rows", SPARK),
    ("sums", DUCKDB),
    ("sums", SPARK),
    ("months", DUCKDB),
    ("months", SPARK),
)
"""What is read, and by which engine; all are held against the first."""

SPANS: Final = (("", ""), ("2025-01-02T07", ""), ("2025-01-02T07:11", "2025-01-04T13:00:00.000001"))
FIGURES: Final = ("span", "inferences", "exact", "by", "methods", "counterfactuals")
"""Of a report, what sums tell as well as rows: not who the devices were, nor so when each waited."""
INVENTORY: Final = """\
device_id,role,idle_power_w,making_kg,life_years,intensity_g_per_kwh
silent,device,0.1,60,3,400
rack-1,remote,50,1000,4,100
"""


def answer(ledger: str, source: str, inventory: str, since: str, until: str, options: EngineOptions) -> dict[str, Any]:
    """A report's fingerprint, without the engine's name, and how many of its sums do not add up."""
    machines: tuple[InventoryMachine, ...] = read_inventory(Path(inventory))
    question = Question(Span.parse(since, until), machines, from_sums=source == "sums")
    report = account(ledger, question, options)
    figures = {name: value for name, value in as_json(report).items() if name != "engine"}
    same = {name: figures[name] for name in FIGURES}
    inferences = report.total.inferences
    return {"figures": _digest(same), "all": _digest(figures), "inferences": inferences, "off": off(report)}


def _digest(figures: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(figures).encode()).hexdigest()


def off(report: Report) -> int:
    """How many of a report's sums do not add up."""
    parts = [list(named.values()) for named in report.by.values()]
    parts.append([each.sums for each in report.days])
    wrong = sum(_total(each) != report.total for each in parts)
    fleet = report.fleet
    assert fleet is not None
    added = zip(fleet.queries_ng, fleet.idle_ng, fleet.unallocated_ng, fleet.total_ng, strict=True)
    return wrong + sum(sum(three) != total for *three, total in added) + (fleet.queries_ng != report.total.total_ng)


def _total(parts: list[Sums]) -> Sums:
    total = parts[0]
    for each in parts[1:]:
        total = total.plus(each)
    return total


def in_own_process(question: list[str], options: EngineOptions) -> tuple[float, dict[str, Any]]:
    """Seconds and the answer of one engine, imports and all."""
    asked = json.dumps([*question, options.name, options.master, options.threads])
    start = perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.fleet_engines", "--ask", asked],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return perf_counter() - start, found


def run(devices: int = 5_000, days: int = 40) -> list[Row]:
    """Every span in every way that tells it: months have no minutes."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        ledger, aged, inventory = Path(name) / "ledger", Path(name) / "aged", Path(name) / "inventory.csv"
        records = simulate(FleetPlan(devices, days), ledger)
        inventory.write_text(INVENTORY, encoding="utf-8")
        shutil.copytree(ledger, aged)
        with Ledger(aged) as opened:
            retain(opened, 1)
            roll_up_months(opened)
        for span in SPANS:
            ways = [each for each in WAYS if each[0] != "months" or not any(":" in end for end in span)]
            asked = ([str(aged if source == "months" else ledger), source, str(inventory)] for source, _ in ways)
            found = [in_own_process([*each, *span], way[1]) for each, way in zip(asked, ways, strict=True)]
            rows += _rows(" to ".join(span) if any(span) else f"{records:,} records", ways, found)
    return rows


def _rows(name: str, ways: Sequence[tuple[str, EngineOptions]], found: list[tuple[float, dict[str, Any]]]) -> list[Row]:
    first = found[0][1]
    seconds = ", ".join(
        f"{source} {each.name}{f' {each.threads} threads' if each.threads else ''} {elapsed_s:.1f} s"
        for (source, each), (elapsed_s, _) in zip(ways, found, strict=True)
    )
    differ = sum(
        answer["figures"] != first["figures"] or (source == "rows" and answer["all"] != first["all"])
        for (source, _), (_, answer) in zip(ways, found, strict=True)
    )
    wrong = sum(answer["off"] for _, answer in found)
    return [
        {"name": f"{name}: reports that differ", "value": differ, "unit": "", "target": 0, "peer": seconds},
        {"name": f"{name}: sums off", "value": wrong, "unit": "", "target": 0, "peer": f"{first['inferences']:,} rows"},
    ]


def main() -> None:
    """Print the rows, or answer for them; exit code 1 where anything differs."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--devices", type=int, default=5_000)
    options.add_argument("--days", type=int, default=40)
    options.add_argument("--ask", help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.ask:
        *question, name, master, threads = json.loads(asked.ask)
        print(json.dumps(answer(*question, EngineOptions(name, master, threads))))
        return
    rows = run(asked.devices, asked.days)
    for row in rows:
        print(f"{row['name']:64} {row['value']:4} {row['peer']}")
    sys.exit(any(row["value"] for row in rows))


if __name__ == "__main__":
    main()
