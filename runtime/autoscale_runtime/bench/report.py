"""What a run says, in units, with the method of every figure."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from autoscale_runtime.bench.loadgen import Run
from autoscale_runtime.bench.plan import Plan
from autoscale_runtime.host.fingerprint import fingerprint

PERCENTILES: Final = (50, 90, 95, 99)

_HEADLINES: Final = {
    "SingleStream": ("latency_p90_s", "result_90.00_percentile_latency_ns", 1e-9),
    "MultiStream": ("latency_of_a_query_p99_s", "result_99.00_percentile_per_query_latency_ns", 1e-9),
    "Server": ("scheduled_samples_per_s", "result_scheduled_samples_per_sec", 1.0),
    "Offline": ("samples_per_s", "result_samples_per_second", 1.0),
}
"""What MLPerf's rules call the result of a scenario: our name, LoadGen's, and the factor between them."""


@dataclass(frozen=True, slots=True)
class Heat:
    """Degrees Celsius of this machine's processor before and after; None where nothing senses it."""

    before_c: float | None
    after_c: float | None


def report(plan: Plan, run: Run, heat: Heat) -> dict[str, Any]:
    """All figures of a run, for JSON."""
    name, key, factor = _HEADLINES[plan.scenario]
    result = run.results.get(key)
    tally = run.tally
    return {
        "scenario": plan.scenario,
        "model": plan.model,
        "address": plan.address,
        "is_valid": run.is_valid,
        "why_not": run.why_not,
        "result": {name: None if result is None else factor * float(result), "method": "measured", "by": "LoadGen"},
        "samples": tally.count,
        "errors": dict(tally.errors),
        "latency_s": {f"p{each}": _percentile(tally.latencies_s, each) for each in PERCENTILES},
        "compute_s": {"mean": _mean(tally.compute_s), "told_by": "the server"},
        "energy_j": {
            "mean": _mean(tally.energies_j),
            "of_samples": len(tally.energies_j),
            "methods": dict(tally.methods),
            "told_by": "the server, of its own machine",
        },
        "temperature_c": {"before": heat.before_c, "after": heat.after_c, "of": "the machine that sends"},
        "machine": fingerprint(),
        "asked": {
            "qps": plan.qps,
            "latency_limit_s": plan.latency_s if plan.scenario == "Server" else None,
            "duration_s": plan.duration_s,
            "clients": plan.clients,
            "seed": plan.seed,
        },
        "loadgen": run.results,
    }


def _percentile(values: list[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
