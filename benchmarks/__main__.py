"""Every benchmark in one table: ``python -m benchmarks [NAME ...] [--json]``; ``make bench``.

Each of the modules below has ``run() -> list[Row]``. A row is a name, a value with its unit, a target (None where there
is none; a rate must reach it, anything else must not exceed it), and a peer: what else did the same in the same run.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]

NAMES: Final = (
    "agents",
    "frozen",
    "carbon",
    "sensing",
    "session",
    "offload",
    "fleet_ledger",
    "fleet_simulate",
    "envs",
    "sb3",
    "evaluate",
    "size",
)


def main() -> None:
    """Run them, print the table or JSON; exit code 1 where a target is missed."""
    present = [name for name in NAMES if find_spec(f"benchmarks.{name}") is not None]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which: {', '.join(present)}; all where none is named"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in present]
    if unknown:
        parser.error(f"unknown benchmark {', '.join(unknown)}; allowed: {', '.join(present)}")
    rows = [{**row, "is_met": is_met(row)} for name in options.names or present for row in _run(name)]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        Console().print(to_table(rows))
    sys.exit(not all(row["is_met"] for row in rows))


def is_met(row: Row) -> bool:
    """Whether the target is met; a row without one always does."""
    if row["target"] is None:
        return True
    return bool(row["value"] >= row["target"] if is_rate(row) else row["value"] <= row["target"])


def is_rate(row: Row) -> bool:
    """Whether more is better: so many a second, or so many times another."""
    unit: str = row["unit"]
    return unit.endswith("/s") or unit == "x"


def to_table(rows: Sequence[Row]) -> Table:
    """The rows for people."""
    table = Table("figure", "value", "target", "met", "peer")
    for row in rows:
        target = "" if row["target"] is None else f"{'>=' if is_rate(row) else '<='} {row['target']:g}"
        met = "" if row["target"] is None else "yes" if row["is_met"] else "[bold red]NO[/]"
        table.add_row(row["name"], f"{row['value']:.4g} {row['unit']}", target, met, row["peer"])
    return table


def _run(name: str) -> list[Row]:
    print(f"{name} ...", file=sys.stderr, flush=True)
    rows: list[Row] = import_module(f"benchmarks.{name}").run()
    return rows


if __name__ == "__main__":
    main()
