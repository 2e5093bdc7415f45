"""What this machine takes for the networks, before the day: limits, loads and fixed choices follow by rule."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autoscale.query.goal import Goal
from autoscale_runtime.demo.day import heavy_co_runners, limit_s
from autoscale_runtime.demo.networks import Network
from autoscale_runtime.demo.play import Task
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.session import Session

RUNS = 5
"""Of which the median is taken."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A network on this machine while nothing else runs.

    Attributes:
        task: the network with the limit that follows.
        best_s: how long the device's fastest target takes.
        reference: the target of ``device-cpu-fp32``.
        cheapest: the device's targets, the one of the least energy first.
        setup_j: what getting to know them took. The day's sessions find it in their calibration file.
    """

    task: Task
    best_s: float
    reference: str
    cheapest: tuple[str, ...]
    setup_j: float


def measured(network: Network, bundle: Bundle, options: SessionOptions, folder: Path) -> Measured:
    """Run a network on all of this device's targets, and several times on ``device-cpu-fp32``.

    Args:
        network: which.
        bundle: what was prepared of it.
        options: of the sessions.
        folder: where its sessions' calibration is kept.
    """
    feeds = network.samples(1, options.seed)[0].feeds
    goal, kept = Goal(latency_s=float("inf")), folder / f"{network.name}.calibration.json"
    options = replace(options, calibration=kept, sensors=())  # kept whatever else the machine does
    with Session(bundle, goal, agent="device-cpu-fp32", mode="ONLY_ON_DEVICE", options=options) as session:
        session.warm_up(feeds)
        setup_j = session.calibration.energy_j
        lessons = {session.targets[i]: outcome for i, outcome in session.calibration.lessons}
        taken_s = []
        for _ in range(RUNS):
            session.run(None, feeds)
            assert session.last is not None
            taken_s.append(session.last.outcome.latency_s)
        reference = str(session.last.selected) if session.last else ""
    cheapest = sorted(lessons, key=lambda target: lessons[target].energy_j.device)
    goal = replace(goal, latency_s=limit_s(statistics.median(taken_s)))
    best_s = min(outcome.latency_s for outcome in lessons.values())
    return Measured(Task(network, bundle, goal, kept), best_s, reference, tuple(map(str, cheapest)), setup_j)


def co_runners(machine: Sequence[Measured]) -> int:
    """Enough to make the slowest network late on the device's best target."""
    slowest = max(machine, key=lambda each: each.best_s)
    return heavy_co_runners(slowest.best_s, slowest.task.goal.latency_s)
