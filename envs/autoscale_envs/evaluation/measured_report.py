"""Results of measured worlds, put together: one row for a device."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from autoscale_envs.evaluation.measured_plan import MeasuredCell, MeasuredPlan
from autoscale_envs.evaluation.measured_run import Judged, MeasuredResult
from autoscale_envs.evaluation.metrics import settled
from autoscale_envs.evaluation.report import US_PER_NS, Row
from autoscale_envs.evaluation.statistics import interval
from autoscale_envs.measured.contestants import played_elsewhere
from autoscale_envs.measured.forecast import known_fraction
from autoscale_envs.measured.table import MeasuredTable

MeasuredResults = Mapping[MeasuredCell, Mapping[str, MeasuredResult]]

SCENARIO: Final = "measured"
TEN: Final = 10


def measured_rows(plan: MeasuredPlan, results: MeasuredResults) -> list[Row]:
    """A row for each device whose runs are all done, with the keys that a simulated one has, and further ones.

    Of the table: ``targets``, by name; ``rows_p90_not_played``, how many rows tell a p90 that no query's spread has;
    ``fastest_is_frugal_fraction``, the share of networks whose fastest target takes the least energy; ``forecast``,
    what agents were told (``flat``, or a profile's name) and ``forecast_known_fraction``, of how many networks it says
    anything. Of each agent beside what ``report.rows`` tells:
    ``gap_to_oracle_first``, of the first query of each network; ``gap_to_oracle_10``, the mean of its queries 2 to 10;
    ``engine_missing_fraction``, the share of networks that ``engine:NAME`` has no row of (it plays another runtime).
    Gaps are of expected figures (the means of the table's rows), the mean over networks and seeds.
    """
    made = []
    for device, table in plan.tables.items():
        cells = [cell for cell in plan.cells() if cell.device == device]
        if all(cell in results for cell in cells):
            made.append(_row(plan, table, [results[cell] for cell in cells]))
    return made


def _row(plan: MeasuredPlan, table: MeasuredTable, runs: Sequence[Mapping[str, MeasuredResult]]) -> Row:
    limit_s = plan.goal.latency_s
    return {
        "device": table.device,
        "scenario": SCENARIO,
        "agents": {
            name: {
                **_figures(plan, table, [run[name] for run in runs]),
                "engine_missing_fraction": len(played_elsewhere(name, table)) / len(table.networks),
            }
            for name in runs[0]
        },
        "objective": plan.goal.objective,
        "networks": list(table.networks),
        "targets": [str(target) for target in table.targets],
        "rows": len(table.rows),
        "rows_p90_not_played": sum(not row.is_p90_played for row in table.rows),
        "fastest_is_frugal_fraction": table.fastest_is_frugal,
        "forecast": "flat" if plan.profile is None else plan.profile.name,
        "forecast_known_fraction": 0.0 if plan.profile is None else known_fraction(plan.profile, table),
        "latency_limit_s": limit_s if math.isfinite(limit_s) else None,
        "min_accuracy": plan.goal.min_accuracy,
        "seeds": plan.seeds,
        "queries": plan.queries,
        "warm_up": plan.warm_up,
        "noisy": plan.noisy,
    }


def _figures(plan: MeasuredPlan, table: MeasuredTable, runs: Sequence[MeasuredResult]) -> dict[str, Any]:
    """One contestant's figures over the seeds."""
    every = Judged._make(np.stack(each, axis=1) for each in zip(*(run.judged for run in runs), strict=True))
    late = Judged._make(each[:, :, plan.warm_up :] for each in every)
    queries = settled(every.excess.mean(axis=(0, 1))) if runs[0].learns else math.inf
    figures: dict[str, Any] = {
        "optimal_exact": float(late.exact.mean()),
        "optimal_within_1pct": float(late.near.mean()),
        "gap_to_oracle": float(late.gap.mean()),
        "gap_to_oracle_first": float(every.gap[:, :, 0].mean()),
        "gap_to_oracle_10": float(every.gap[:, :, 1:TEN].mean()),
        "late_fraction": float(late.late.mean()),
        "accuracy_miss_fraction": float(late.inaccurate.mean()),
        "convergence_queries": queries if math.isfinite(queries) else None,
        "gap_to_oracle_with_learning": float(every.gap.mean()),
        "late_fraction_with_learning": float(every.late.mean()),
        "select_us_p50": US_PER_NS * float(np.median([run.select_ns for run in runs])),
        "learn_us_p50": US_PER_NS * float(np.median([run.learn_ns for run in runs])),
        "table_bytes": max(run.table_bytes for run in runs),
    }
    for name, values in (("gap_to_oracle", late.gap), ("optimal_within_1pct", late.near)):
        sure = interval(values.mean(axis=2, dtype=np.float64))
        figures |= {f"{name}_iqm": sure.mean, f"{name}_low": sure.low, f"{name}_high": sure.high}
    return {**figures, "places": _shares(table, late)}


def _shares(table: MeasuredTable, judged: Judged) -> dict[str, float]:
    """Where the judged queries went: ``place:processor`` to its share."""
    counts: Counter[str] = Counter()
    for index, count in Counter(judged.chosen.ravel().tolist()).items():
        target = table.targets[index]
        counts[f"{target.place}:{target.processor}"] += count
    return {place: count / judged.chosen.size for place, count in counts.most_common()}
