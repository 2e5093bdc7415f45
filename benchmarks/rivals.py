"""The rivals' table: ``python -m benchmarks.rivals FOLDER [--seeds 10] [--jobs 2] [--without vw-squarecb,dqn,ppo]``.

Three phones, all scenarios, networks asked in turn: ``autoscale evaluate --in-turn --scenario all --agents rivals``,
but each cell of it is kept in FOLDER as soon as it is done, so that what was interrupted goes on where it was; the
table, and rivals.png in FOLDER, are of the cells that are there.
"""

import argparse
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from zlib import crc32

from rich.console import Console

from autoscale.files import atomic_write
from autoscale_envs.evaluation import pool
from autoscale_envs.evaluation.comparisons import SimulatedComparison
from autoscale_envs.evaluation.contestants import RIVALS
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.variance.scenarios import SCENARIOS

QUERIES: Final = 60
"""Of each network; the last half is judged."""


def main() -> None:
    """Compute the cells that are not there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--without", default="", help="agents, by commas")
    parser.add_argument("--table", action="store_true", help="compute nothing")
    options = parser.parse_args()
    left_out = options.without.split(",")
    plan = Plan(
        scenarios=tuple(SCENARIOS),
        agents=tuple(each for each in RIVALS if each not in left_out),
        seeds=options.seeds,
        queries=QUERIES,
        warm_up=QUERIES // 2,
        in_turn=True,
    )
    comparison, began_s = SimulatedComparison(plan), perf_counter()
    options.folder.mkdir(parents=True, exist_ok=True)
    results = dict(_kept(plan, options.folder))
    missing = [each for each in sorted(plan.cells(), key=_order) if each not in results]
    for cell, found in pool.local(comparison.work(), () if options.table else missing, options.jobs):
        results[cell] = found
        with atomic_write(_file(plan, options.folder, cell)) as file:
            file.write(pickle.dumps(found))
        print(f"{len(results)} of {len(plan.cells())} cells", flush=True)
    comparison.tell(Console(width=120), results, perf_counter() - began_s)
    comparison.draw(results, options.folder / "rivals.png")


def _order(cell: Cell) -> tuple[str, ...]:
    return cell.scenario[::-1], cell.device


def _kept(plan: Plan, folder: Path) -> Iterator[tuple[Cell, Any]]:
    files = ((cell, _file(plan, folder, cell)) for cell in plan.cells())
    return ((cell, pickle.loads(file.read_bytes())) for cell, file in files if file.exists())


def _file(plan: Plan, folder: Path, cell: Sequence[str]) -> Path:
    """Of a cell of this plan and no other."""
    return folder / f"{'-'.join(cell)}-{crc32(repr(plan).encode()):08x}.pickle"


if __name__ == "__main__":
    main()
