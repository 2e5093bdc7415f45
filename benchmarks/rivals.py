"""The rivals' table: ``python -m benchmarks.rivals FOLDER [--seeds 10] [--jobs 2] [--without vw-squarecb,dqn,ppo]``.

Three phones, all scenarios, both sigmas, networks asked in turn: ``autoscale evaluate --in-turn --scenario all --agents
rivals``, but a few runs at a time of each cell, all cells by turns, each kept in FOLDER as soon as it is done. So what
was interrupted goes on where it was, and what is there at any time is of all cells alike; DQN and PPO are trained once
for each phone. An agent that changed since then is played ``--again`` in the worlds where all were. It prints a table
for each sigma, and draws its curves into FOLDER.
"""

import argparse
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from zlib import crc32

import numpy as np

from autoscale.files import atomic_write
from autoscale_envs.evaluation import pool
from autoscale_envs.evaluation.comparisons import SimulatedComparison
from autoscale_envs.evaluation.contestants import ORACLE, rivals
from autoscale_envs.evaluation.deep import DEEP, with_trained
from autoscale_envs.evaluation.metrics import SOON
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.evaluation.report import summary
from autoscale_envs.evaluation.rollout import Result, joined, rollout
from autoscale_envs.variance.scenarios import SCENARIOS

SIGMAS: Final = (0.15, 0.3)
RUNS: Final = 1
"""Of a cell at a time: more cost some tenths less each, and what is there is of fewer cells."""
WORSE: Final = "D5"
BETTER: Final = "D6"
"""Where processors change by a factor of three unannounced."""
HEADS: Final = (
    "energy beyond the oracle's",
    "of a network's first query, mean",
    "within 1 %",
    "within 5 %",
    "networks within 5 % after ten",
    "late, mean",
    "back in 15: worse, better",
)


class Piece(NamedTuple):
    """Some runs of one cell of a plan."""

    sigma: float
    cell: Cell
    first: int


def main() -> None:
    """Compute the pieces that are not there, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10, help=f"of each cell, {RUNS} at a time")
    parser.add_argument("--queries", type=int, default=60, help="of each network")
    parser.add_argument("--warm-up", type=int, default=30, help="of these; the rest is judged")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--without", default="", help="agents, by commas")
    parser.add_argument("--again", default="", help="agents that changed, by commas: they alone are played anew")
    parser.add_argument("--table", action="store_true", help="compute nothing")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    plans = _plans(options)
    pieces = [
        Piece(sigma, cell, first)
        for first in range(0, options.seeds, RUNS)
        for cell in sorted(plans[SIGMAS[0]].cells(), key=_scattered)
        for sigma in plans
    ]
    files = {each: _file(plans[each.sigma], options.folder, each) for each in pieces}
    missing = [] if options.table else [each for each in pieces if not files[each].exists()]
    if again := options.again.split(",") if options.again else []:
        only = {sigma: replace(plan, agents=tuple(again), policies={}) for sigma, plan in plans.items()}
        _keep(only, [each for each in pieces if files[each].exists()], files, options.jobs)
    _keep(plans, missing, files, options.jobs)
    for sigma, plan in plans.items():
        own = [each for each in pieces if each.sigma == sigma and files[each].exists()]
        _tell(plan, options.folder, {each: pickle.loads(files[each].read_bytes()) for each in own})


def _keep(plans: Mapping[float, Plan], pieces: Sequence[Piece], files: Mapping[Piece, Path], jobs: int) -> None:
    """Compute pieces; of what a file holds already, that of these plans' contestants is replaced."""
    for done, (piece, found) in enumerate(pool.local(partial(_played, plans), pieces, jobs), 1):
        held = pickle.loads(files[piece].read_bytes()) if files[piece].exists() else {}
        with atomic_write(files[piece]) as file:
            file.write(pickle.dumps(held | found))
        print(f"{done} of {len(pieces)} pieces", flush=True)


def _plans(options: argparse.Namespace) -> dict[float, Plan]:
    """One a sigma; the deep agents of both are trained in the first one's worlds."""
    able, lacks = rivals()
    for name, needed in lacks.items():
        print(f"'{name}' is left out: {needed}")
    left_out = options.without.split(",")
    names = [each for each in able if each not in left_out]
    plan = Plan(
        scenarios=tuple(SCENARIOS),
        agents=tuple(each for each in names if each not in DEEP),
        seeds=options.seeds,
        queries=options.queries,
        warm_up=options.warm_up,
        in_turn=True,
        hidden_sigma=SIGMAS[0],
    )
    plan = with_trained(plan, [each for each in names if each in DEEP], options.folder)
    return {sigma: replace(plan, hidden_sigma=sigma) for sigma in SIGMAS}


def _scattered(cell: Cell) -> int:
    """An order in which a part of the cells is of all phones and kinds of scenarios."""
    return crc32("|".join(cell).encode())


def _played(plans: Mapping[float, Plan], piece: Piece) -> dict[str, Result]:
    return rollout(plans[piece.sigma], piece.cell, piece.first, RUNS)


def _file(plan: Plan, folder: Path, piece: Piece) -> Path:
    """Of a piece of this plan and no other; how many pieces there are to be does not matter."""
    alike = replace(plan, seeds=1, policies=dict.fromkeys(plan.policies, ""))
    name = "-".join([*piece.cell, f"{piece.sigma:g}", str(piece.first)])
    return folder / f"{name}-{crc32(repr(alike).encode()):08x}.pickle"


def _tell(plan: Plan, folder: Path, found: Mapping[Piece, dict[str, Result]]) -> None:
    """The table of one sigma, of as many runs of each cell as all that have any have; and its picture."""
    parts = {
        cell: [found[each] for each in found if each.cell == cell] for cell in dict.fromkeys(p.cell for p in found)
    }
    if not parts:
        return
    fewest = min(map(len, parts.values()))
    results = {
        cell: {name: joined([each[name] for each in own[:fewest]]) for name in own[0]} for cell, own in parts.items()
    }
    runs = len(next(iter(results.values()))[ORACLE].recovery)
    back = {name: [_back(results, each, name) for each in (WORSE, BETTER)] for name in next(iter(results.values()))}
    print(f"\nsigma {plan.hidden_sigma:g}: {len(results)} of {len(plan.cells())} cells, {runs} seeds each\n")
    if runs == 1:  # of one run nothing can be drawn anew: intervals are over cells
        (first, *_), every = results, [*results.values()]
        results = {first: {name: joined([each[name] for each in every]) for name in every[0]}}
    agents = summary(results)
    print(f"| | {' | '.join(HEADS)} |\n|---|{'---:|' * len(HEADS)}")
    for name in sorted(agents, key=lambda each: agents[each]["gap_to_oracle_iqm"]):
        print(f"| {name} | {' | '.join(_row(agents[name], back[name]))} |")
    SimulatedComparison(plan).draw(results, folder / f"rivals-{plan.hidden_sigma:g}.png")


def _back(results: Mapping[Cell, dict[str, Result]], scenario: str, name: str) -> str:
    """The share of the runs that a change put off which are near again soon, and how many runs that is of."""
    found = [own[name].recovery for cell, own in results.items() if cell.scenario == scenario]
    put_off = np.concatenate([each[~np.isnan(each)] for each in found] or [np.array([])])
    return f"{(put_off <= SOON).mean():.0%} of {put_off.size}" if put_off.size else "-"


def _row(figures: Mapping[str, Any], back: Sequence[str]) -> list[str]:
    sure = [_interval(figures, name) for name in ("gap_to_oracle", "optimal_within_1pct", "optimal_within_5pct")]
    return [
        sure[0],
        f"{100.0 * figures['gap_to_oracle_first']:.1f} %",
        *sure[1:],
        _interval(figures, "networks_within_5pct"),
        f"{100.0 * figures['late_fraction']:.2f} %",
        ", ".join(back),
    ]


def _interval(figures: Mapping[str, Any], name: str) -> str:
    middle, low, high = (100.0 * figures[f"{name}_{end}"] for end in ("iqm", "low", "high"))
    digits = 1 if middle < 10.0 and name == "gap_to_oracle" else 0
    return f"{middle:.{digits}f} % ({low:.{digits}f} to {high:.{digits}f})"


if __name__ == "__main__":
    main()
