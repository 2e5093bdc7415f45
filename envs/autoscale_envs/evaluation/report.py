"""Results of cells, put together: one row for a device in a scenario, and a summary of all."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.files import write_file
from autoscale_envs.evaluation.learning import Stretch, learning_curve
from autoscale_envs.evaluation.metrics import SOON, Scores, settled
from autoscale_envs.evaluation.plan import Cell, Plan
from autoscale_envs.evaluation.rollout import Result, mean_places
from autoscale_envs.evaluation.statistics import geometric_mean, interval

Results = Mapping[Cell, Mapping[str, Result]]
Row = dict[str, Any]

RATIOS: Final = ("ppw_vs_cpu_fp32", "ppw_vs_cloud")
SURE: Final = (
    *(*RATIOS, "optimal_exact", "optimal_within_1pct", "optimal_within_5pct", "networks_within_5pct"),
    *("gap_to_oracle", "late_fraction", "gap_to_oracle_first"),
)
"""Figures that come with an interval."""

US_PER_NS: Final = 1e-3


def rows(plan: Plan, results: Results) -> list[Row]:
    """A row for each device and scenario whose networks are all done.

    ``agents`` maps a contestant to its figures: of each of ``metrics.Scores`` the mean over networks and seeds;
    ``..._geomean`` of the ratios; ``..._iqm``, ``..._low`` and ``..._high``, the interquartile mean and its 95 %
    interval; ``convergence_queries``, see ``metrics.settled``, None where it never settles or never learns;
    ``recovery_runs``, how many an unannounced change put off, ``recovery_queries``, the median of what those
    needed (see ``metrics.recovery``; None where most were never back), and ``recovered_within_15``, the share of
    them; medians of the times to choose and to learn; ``table_bytes``; ``places``, where the judged queries went; and
    ``learning_curve``, stretches of queries of a network from ``first`` to ``last`` (the first one is 1), each with the
    interquartile mean of the cost beyond the oracle's there and its 95 % interval (``iqm``, ``low``, ``high``).
    """
    made = []
    for device, scenario in dict.fromkeys((cell.device, cell.scenario) for cell in plan.cells()):
        cells = [cell for cell in plan.cells() if (cell.device, cell.scenario) == (device, scenario)]
        if all(cell in results for cell in cells):
            made.append(_row(plan, device, scenario, [results[cell] for cell in cells]))
    return made


def summary(results: Results) -> dict[str, dict[str, Any]]:
    """The same figures of each contestant over all cells: the mean over devices, scenarios and networks."""
    return _agents([*results.values()]) if results else {}


def write_json(made: Sequence[Row], path: Path) -> None:
    """Write the rows as a JSON list, whole or not at all."""
    write_file(path, to_json(made))


def to_json(made: Sequence[Row]) -> str:
    """The rows as a JSON list."""
    return json.dumps(made, indent=2, allow_nan=False)


def write_csv(made: Sequence[Row], path: Path) -> None:
    """Write a line for each device, scenario and contestant, whole or not at all."""
    text = io.StringIO()
    flat = [
        {"device": row["device"], "scenario": row["scenario"], "agent": name, **_plain(figures)}
        for row in made
        for name, figures in row["agents"].items()
    ]
    writer = csv.DictWriter(text, flat[0] if flat else ["device", "scenario", "agent"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    write_file(path, text.getvalue())


def _row(plan: Plan, device: str, scenario: str, cells: Sequence[Mapping[str, Result]]) -> Row:
    return {
        "device": device,
        "scenario": scenario,
        "agents": _agents(cells),
        "objective": plan.objective,
        "networks": list(plan.networks),
        "latency_limit_s": plan.latency_limit_s,
        "seeds": plan.seeds,
        "in_turn": plan.in_turn,
        "queries": plan.queries,
        "warm_up": plan.warm_up,
        "hidden_sigma": plan.hidden_sigma,
        "hidden_shares": dict(plan.hidden_shares),
        "noisy": plan.noisy,
        "cold_start": plan.cold_start,
        "splits": plan.splits,
    }


def _agents(cells: Sequence[Mapping[str, Result]]) -> dict[str, dict[str, Any]]:
    return {name: _figures([cell[name] for cell in cells]) for name in cells[0]}


def _figures(results: Sequence[Result]) -> dict[str, Any]:
    """One contestant's figures over some cells."""
    scores = Scores._make(np.stack(each) for each in zip(*(result.scores for result in results), strict=True))
    figures: dict[str, Any] = {name: float(values.mean()) for name, values in scores._asdict().items()}
    figures["convergence_queries"] = _settled([each.curves for each in results if each.learns])
    figures |= _recovered(np.concatenate([result.recovery for result in results]))
    figures["select_us_p50"] = US_PER_NS * float(np.median([result.select_ns for result in results]))
    figures["learn_us_p50"] = US_PER_NS * float(np.median([result.learn_ns for result in results]))
    figures["table_bytes"] = max(result.table_bytes for result in results)
    for name in RATIOS:
        figures[f"{name}_geomean"] = geometric_mean(getattr(scores, name))
    for name in SURE:
        sure = interval(getattr(scores, name))
        figures |= {f"{name}_iqm": sure.mean, f"{name}_low": sure.low, f"{name}_high": sure.high}
    figures["places"] = mean_places(results)
    curve = learning_curve([result.curves for result in results])
    return {**figures, "learning_curve": [_stretch(each) for each in curve]}


def _stretch(part: Stretch) -> dict[str, float]:
    mean, low, high = part.excess
    return {"first": part.first, "last": part.last, "iqm": mean, "low": low, "high": high}


def _recovered(queries: Floats) -> dict[str, float | None]:
    """Of the runs that a change put off; None where there are none."""
    own = queries[~np.isnan(queries)]
    middle = float(np.median(own)) if own.size else math.inf
    return {
        "recovery_runs": int(own.size),
        "recovery_queries": middle if math.isfinite(middle) else None,
        "recovered_within_15": float((own <= SOON).mean()) if own.size else None,
    }


def _settled(curves: Sequence[Floats]) -> float | None:
    """Of the mean of all runs; None where it never settles, or nothing is learned."""
    shortest = min((each.shape[1] for each in curves), default=0)
    means = [np.nanmean(each[:, :shortest], axis=0) for each in curves]
    queries = settled(np.mean(means, axis=0)) if means else math.inf
    return queries if math.isfinite(queries) else None


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    places = " ".join(f"{place} {share:.3f}" for place, share in figures["places"].items())
    return {key: value for key, value in figures.items() if key != "learning_curve"} | {"places": places}
