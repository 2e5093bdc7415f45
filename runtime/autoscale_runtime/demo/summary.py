"""What the day came to: one row a policy, for people and for machines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from autoscale_runtime.demo.hindsight import best_static, clairvoyant, is_late
from autoscale_runtime.demo.play import Effort, StepResult, Task

REFERENCE: Final = "device-cpu-fp32"
CLOUD: Final = "cloud"
DEVICE: Final = "device-best"
STATIC: Final = "static-best"
OURS: Final = "autoscale"
CLAIRVOYANT: Final = "clairvoyant"


@dataclass(frozen=True, slots=True)
class PolicySummary:
    """One policy's day. Energy is the device's; the field names are those of ``--json``.

    What getting to know the cloud took is in ``energy_j_per_query`` and in no network's share of it.
    """

    energy_j_per_query: float
    network_energy_j_per_query: Mapping[str, float]
    ppw: float
    latency_p50_s: float
    latency_p95_s: float
    late_fraction: float
    accuracy: float
    carbon_g_per_query: float
    targets: Mapping[str, float]
    lost: int


def row(day: Sequence[StepResult], learning_j: float, reference: PolicySummary | None) -> PolicySummary:
    """One policy's row.

    Args:
        day: what became of its queries, at least one of them answered.
        learning_j: energy spent on getting to know the targets, spread over the day's queries.
        reference: the row that its PPW is against; None for the reference itself.
    """
    decided = [(each, each.decision) for each in day if each.decision is not None]
    outcomes = [decision.outcome for _, decision in decided]
    energy_j = (sum(outcome.energy_j.device for outcome in outcomes) + learning_j) / len(day)
    latencies_s = np.array([outcome.latency_s for outcome in outcomes])
    late = sum(decision.outcome.is_late(each.step.task.goal) for each, decision in decided)
    ran = Counter(str(decision.selected) for _, decision in decided)
    lost = len(day) - len(decided)
    return PolicySummary(
        energy_j_per_query=energy_j,
        network_energy_j_per_query=_by_network(day),
        ppw=1.0 if reference is None else reference.energy_j_per_query / energy_j,
        latency_p50_s=float(np.quantile(latencies_s, 0.5)),
        latency_p95_s=float(np.quantile(latencies_s, 0.95)),
        # A lost query never came, which is as late as can be.
        late_fraction=(late + lost) / len(day),
        accuracy=float(np.mean([each.score for each in day])),
        carbon_g_per_query=float(np.mean([outcome.carbon_g for outcome in outcomes])),
        targets={target: count / len(day) for target, count in ran.most_common()},
        lost=lost,
    )


def _by_network(day: Sequence[StepResult]) -> dict[str, float]:
    spent_j: dict[str, list[float]] = {}
    for each in day:
        spent_j.setdefault(each.step.task.network.name, []).append(_device_j(each))
    return {network: float(np.mean(energies_j)) for network, energies_j in sorted(spent_j.items())}


@dataclass(frozen=True, slots=True)
class DayResult:
    """What a day came to.

    Attributes:
        days: policy to what became of its queries; the best fixed choices in hindsight are policies too.
        rows: the same, summed up.
        static: network to its best fixed choice in hindsight.
        effort: what deciding took AutoScale.
    """

    days: Mapping[str, Sequence[StepResult]]
    rows: Mapping[str, PolicySummary]
    static: Mapping[str, str]
    effort: Effort

    def energy_over(self, name: str) -> float:
        """AutoScale's energy over another policy's."""
        return self.rows[OURS].energy_j_per_query / self.rows[name].energy_j_per_query


def day_result(played: Mapping[str, Sequence[StepResult]], effort: Effort) -> DayResult:
    """Sum up a day that fixed policies and AutoScale lived through.

    Args:
        played: policy to what became of its queries; all but ``autoscale`` are fixed, all but it and ``cloud`` stay on
            the device.
        effort: AutoScale's.
    """
    fixed = {name: lived for name, lived in played.items() if name != OURS}
    static, targets = best_static(fixed)
    days = {
        REFERENCE: played[REFERENCE],
        CLOUD: played[CLOUD],
        DEVICE: best_static({name: lived for name, lived in fixed.items() if name != CLOUD})[0],
        STATIC: static,
        OURS: played[OURS],
        CLAIRVOYANT: clairvoyant(played),
    }
    reference = row(days[REFERENCE], 0.0, None)
    rows = {name: row(lived, effort.warm_up_j * (name == OURS), reference) for name, lived in days.items()}
    return DayResult(days, {**rows, REFERENCE: reference}, targets, effort)


def to_json(made: DayResult, recorded: DayResult, setup_j: float, method: str, tasks: Sequence[Task]) -> dict[str, Any]:
    """The document that ``--json`` writes."""
    return {
        "method": method,
        "setup_j": setup_j,
        "limits_s": {each.network.name: each.goal.latency_s for each in tasks},
        "decision_us": {
            "select_p50": 1e6 * float(np.median(made.effort.select_s)),
            "learn_p50": 1e6 * float(np.median(made.effort.learn_s)),
        },
        **_day_json(made),
        "recorded": _day_json(recorded),
    }


def _day_json(day: DayResult) -> dict[str, Any]:
    return {
        "queries": len(day.days[OURS]),
        "lost": sum(each.lost for each in day.rows.values()),
        "policies": {name: {k: v for k, v in asdict(each).items() if k != "lost"} for name, each in day.rows.items()},
        "static_best": dict(day.static),
        "phases": _by_phase(day),
        "energy_over_static_best": day.energy_over(STATIC),
        "energy_over_clairvoyant": day.energy_over(CLAIRVOYANT),
        "learning_j": day.effort.warm_up_j,
    }


def _device_j(answered: StepResult) -> float:
    return 0.0 if answered.decision is None else answered.decision.outcome.energy_j.device


def _by_phase(day: DayResult) -> list[dict[str, Any]]:
    """Network by network and phase by phase: how many queries, and the joules and late answers of each policy."""
    first = next(iter(day.days.values()))
    cells: dict[tuple[str, str], list[int]] = {}
    for number, each in enumerate(first):
        cells.setdefault((each.step.task.network.name, each.step.phase.name), []).append(number)
    return [
        {
            "network": network,
            "phase": phase,
            "queries": len(numbers),
            "energy_j": {name: sum(_device_j(lived[i]) for i in numbers) for name, lived in day.days.items()},
            "late": {name: sum(is_late(lived[i]) for i in numbers) for name, lived in day.days.items()},
        }
        for (network, phase), numbers in cells.items()
    ]


def to_table(rows: Mapping[str, PolicySummary]) -> Table:
    """The same for people."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("policy", "mJ/query", "PPW", "p50 ms", "p95 ms", "late", "right", "mgCO2e", "lost"):
        table.add_column(name, justify="left" if name == "policy" else "right", no_wrap=True)
    for name, each in rows.items():
        table.add_row(
            name,
            f"{1e3 * each.energy_j_per_query:.1f}",
            f"{each.ppw:.2f}x",
            f"{1e3 * each.latency_p50_s:.1f}",
            f"{1e3 * each.latency_p95_s:.1f}",
            f"{each.late_fraction:.1%}",
            f"{each.accuracy:.1%}",
            f"{1e3 * each.carbon_g_per_query:.3f}",
            str(each.lost),
        )
    return table


def to_network_table(day: DayResult) -> Table:
    """What each policy spent a query of each network."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    shown = (DEVICE, CLOUD, STATIC, OURS, CLAIRVOYANT)
    for name in ("mJ/query", *shown):
        table.add_column(name, justify="left" if name == "mJ/query" else "right", no_wrap=True)
    for network in sorted(day.static):
        spent_j = (day.rows[name].network_energy_j_per_query[network] for name in shown)
        table.add_row(network, *(f"{1e3 * each:.1f}" for each in spent_j))
    return table


def where(row: PolicySummary) -> str:
    """Where a policy's queries ran, in words."""
    return ", ".join(f"{share:.0%} {target}" for target, share in row.targets.items() if share >= 0.005)
