"""What the whole paper table costs: 3 phones x 9 scenarios x 10 networks x 10 seeds, all agents but SB3's.

Run from the root: ``python -m benchmarks.evaluate``. Some of its cells are timed, and the rest taken to be like them.
"""

from time import process_time
from typing import Any, Final

from autoscale.agents.base import make_agent
from autoscale.loop import run_query
from autoscale_envs.evaluation.contestants import lineup
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.evaluation.rollout import rollout
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

Row = dict[str, Any]

CELLS: Final = (
    Cell("mi8pro", "D4", "mobilenet-v2"),
    Cell("s10e", "S1", "resnet-50"),
    Cell("moto-x-force", "D3", "mobilebert"),
)
CORES: Final = 2
LIMIT_S: Final = 600.0
PEER_QUERIES: Final = 300


def run() -> list[Row]:
    """Time some cells, in processor time: other work on the machine does not count."""
    plan = Plan()
    rollout(plan, CELLS[0])  # imports scikit-learn, which a process does once
    cell_s = sum(_seconds(plan, cell) for cell in CELLS) / len(CELLS)
    batch_s = cell_s / (plan.queries * plan.seeds * len(lineup((), {})))
    alone_s = _alone_s(plan)
    return [
        _row(f"paper table, {CORES} cores", cell_s * len(plan.cells()) / CORES, "s", LIMIT_S),
        _row("a query of one agent", 1e6 * batch_s, "us", None, f"a world of its own: {1e6 * alone_s:.0f} us"),
        _row("batch / worlds of their own", alone_s / batch_s, "x", None),
    ]


def main() -> None:
    """Print the rows."""
    for row in run():
        target = "" if row["target"] is None else f"<= {row['target']:g}"
        print(f"{row['name']:28} {row['value']:8.1f} {row['unit']:3} {target:8} {row['peer']}")


def _seconds(plan: Plan, cell: Cell) -> float:
    start = process_time()
    rollout(plan, cell)
    return process_time() - start


def _alone_s(plan: Plan) -> float:
    """A query of an agent that learns, in a world of its own, with what the oracle knows of it."""
    world = SimWorld(make_parameters(plan.world(CELLS[0])), seed=0)
    agent = make_agent("q-learning", world.targets)
    start = process_time()
    for _ in range(PEER_QUERIES):
        world.truth()
        world.oracle()
        run_query(world, agent, None, "AUTO")
    return (process_time() - start) / PEER_QUERIES


def _row(name: str, value: float, unit: str, target: float | None, peer: str = "") -> Row:
    return {"name": name, "value": value, "unit": unit, "target": target, "peer": peer}


if __name__ == "__main__":
    main()
