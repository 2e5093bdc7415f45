"""The picture of a load run in ``docs/server.md``: what ``deploy/grafana.json`` shows of the same metrics."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from autoscale_runtime.backends.tensors import Array

if TYPE_CHECKING:
    from benchmarks.soak import Reading

OVER_S: Final = 5
"""Rates are means over so many readings, one a second."""


def draw(readings: "Sequence[Reading]", path: Path) -> None:
    """Four panels: answers by status, queries waiting, power by use, and memory of all processes."""
    from matplotlib.figure import Figure

    at_s = np.array([each.at_s for each in readings])
    figure = Figure(figsize=(10.0, 6.0), layout="constrained")
    (answers, waiting), (power, memory) = figure.subplots(2, 2, sharex=True)
    for label, total in _by(readings, "autoscale_answers_total", "code").items():
        answers.plot(at_s[OVER_S:], _rate(at_s, total), lw=1.0, label=label)
    answers.set(title="answers by status, 1/s", yscale="symlog", ylim=(0.0, None))
    for label, values in _by(readings, "autoscale_queries_waiting", "model").items():
        waiting.plot(at_s, values, lw=1.0, label=label)
    waiting.set(title="queries that wait", ylim=(0.0, None))
    by_use = _by(readings, "autoscale_energy_joules_total", "use")
    power.stackplot(at_s[OVER_S:], [_rate(at_s, total) for total in by_use.values()], labels=[*by_use])
    power.set(title="power by use, W (by the power table)", xlabel="s")
    memory.plot(at_s, [each.rss_mb for each in readings], lw=1.0, color="black", label="MB")
    memory.plot(at_s, [each.descriptors for each in readings], lw=1.0, label="descriptors")
    memory.plot(at_s, [each.threads for each in readings], lw=1.0, label="threads")
    memory.set(title="memory, descriptors, threads of all processes", xlabel="s", ylim=(0.0, None))
    for axes in (answers, waiting, power, memory):
        axes.legend(fontsize="small", framealpha=0.9)
    figure.savefig(path, dpi=100)


def _by(readings: "Sequence[Reading]", name: str, label: str) -> Mapping[str, Array]:
    """A family's values over time, summed by a label."""
    found: dict[str, Array] = {}
    for at, each in enumerate(readings):
        for series, value in each.metrics.items():
            match = re.search(rf'\b{label}="(\w+)"', series)
            if series.partition("{")[0] == name and match is not None:
                found.setdefault(match[1], np.zeros(len(readings)))[at] += value
    return found


def _rate(at_s: Array, total: Array) -> Array:
    return (total[OVER_S:] - total[:-OVER_S]) / (at_s[OVER_S:] - at_s[:-OVER_S])
