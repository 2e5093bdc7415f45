"""What the day came to: one row a policy, for people and for machines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from autoscale_runtime.demo.play import Answered, Timings


@dataclass(frozen=True, slots=True)
class Row:
    """One policy's day. Energy is the device's; the field names are those of ``--json``."""

    energy_j_per_query: float
    ppw: float
    latency_p50_s: float
    latency_p95_s: float
    late_fraction: float
    accuracy: float
    carbon_g_per_query: float
    targets: Mapping[str, float]
    lost: int


def rows(days: Mapping[str, Sequence[Answered]], reference: str) -> dict[str, Row]:
    """One row a policy; PPW is against the policy named ``reference``."""
    reference_j = _energy_j(days[reference])
    return {name: _row(day, reference_j) for name, day in days.items()}


def to_json(table: Mapping[str, Row], queries: int, method: str, timings: Timings) -> dict[str, Any]:
    """The document that ``--json`` writes."""
    policies = {name: {k: v for k, v in asdict(row).items() if k != "lost"} for name, row in table.items()}
    return {
        "queries": queries,
        "lost": sum(row.lost for row in table.values()),
        "method": method,
        "policies": policies,
        "decision_us": {
            "select_p50": 1e6 * float(np.median(timings.select_s)),
            "learn_p50": 1e6 * float(np.median(timings.learn_s)),
        },
    }


def to_table(table: Mapping[str, Row], title: str) -> Table:
    """The same for people."""
    drawn = Table(title=title, title_justify="left")
    for name in ("policy", "mJ/query", "PPW", "p50 ms", "p95 ms", "late", "accuracy", "mgCO2e", "lost", "ran on"):
        drawn.add_column(name, justify="left" if name in ("policy", "ran on") else "right")
    for name, row in table.items():
        shares = [f"{share:.0%} {target}" for target, share in row.targets.items() if share >= 0.005]
        drawn.add_row(
            name,
            f"{1e3 * row.energy_j_per_query:.1f}",
            f"{row.ppw:.2f}x",
            f"{1e3 * row.latency_p50_s:.1f}",
            f"{1e3 * row.latency_p95_s:.1f}",
            f"{row.late_fraction:.1%}",
            f"{row.accuracy:.1%}",
            f"{1e3 * row.carbon_g_per_query:.3f}",
            str(row.lost),
            "\n".join(shares),
        )
    return drawn


def _row(day: Sequence[Answered], reference_j: float) -> Row:
    decided = [each for each in day if each.decision is not None]
    decisions = [each.decision for each in decided if each.decision is not None]
    latencies_s = np.array([decision.outcome.latency_s for decision in decisions])
    late = [d.outcome.is_late(each.step.task.goal) for each, d in zip(decided, decisions, strict=True)]
    ran = Counter(str(decision.selected) for decision in decisions)
    return Row(
        energy_j_per_query=_energy_j(day),
        ppw=reference_j / _energy_j(day),
        latency_p50_s=float(np.quantile(latencies_s, 0.5)),
        latency_p95_s=float(np.quantile(latencies_s, 0.95)),
        # A lost query never came, which is as late as can be.
        late_fraction=(sum(late) + len(day) - len(decided)) / len(day),
        accuracy=float(np.mean([each.score for each in day])),
        carbon_g_per_query=float(np.mean([decision.outcome.carbon_g for decision in decisions])),
        targets={target: count / len(day) for target, count in ran.most_common()},
        lost=len(day) - len(decided),
    )


def _energy_j(day: Sequence[Answered]) -> float:
    return float(np.mean([each.decision.outcome.energy_j.device for each in day if each.decision is not None]))
