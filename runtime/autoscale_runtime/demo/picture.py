"""The day as a picture: where AutoScale sent each query, and what every policy had spent by then."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autoscale.errors import MissingExtra
from autoscale.files import atomic_write
from autoscale_runtime.demo.play import StepResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Day = Sequence[StepResult]

_COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#000000",
    "#e69f00",
)  # Okabe and Ito: distinct to colour-blind eyes too
_CALM, _HARD = "#ffffff", "#f0ede6"


def figure_type() -> "type[Figure]":
    """What pictures are drawn on.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("matplotlib", "demo", "the picture") from None
    return Figure


def draw(days: Mapping[str, Sequence[StepResult]], shown: str, path: Path) -> None:
    """Write the picture as PNG.

    Args:
        days: policy to what became of its queries.
        shown: the policy whose choices are drawn.
        path: where to.

    Raises:
        MissingExtra: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    figure = figure_type()(figsize=(11, 7.5), layout="constrained")
    choices, latency, energy = figure.subplots(3, 1, sharex=True, height_ratios=(2, 2, 2))
    day = days[shown]
    for axes in (choices, latency, energy):
        _shade(axes, day, with_names=axes is choices)
        axes.spines[["top", "right"]].set_visible(False)
    _choices(choices, day)
    _latency(latency, day)
    _energy(energy, days)
    choices.set_title(f"Where {shown} sent each query, and what became of it", loc="left", pad=22)
    energy.set_xlabel("query of the day")
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=120)


def _shade(axes: "Axes", day: Day, with_names: bool) -> None:
    begin = 0
    for number, (phase, group) in enumerate(groupby(day, key=lambda each: each.step.phase)):
        end = begin + len(list(group))
        axes.axvspan(begin - 0.5, end - 0.5, color=_HARD if number % 2 else _CALM, zorder=0, linewidth=0)
        if with_names:
            axes.annotate(
                phase.name, ((begin + end) / 2, 1.02), xycoords=("data", "axes fraction"), ha="center", va="bottom"
            )
        begin = end


def _networks(day: Day) -> list[str]:
    return list(dict.fromkeys(each.step.task.network.name for each in day))


def _choices(axes: "Axes", day: Day) -> None:
    answered = [(i, each.step.task.network.name, each.decision) for i, each in enumerate(day) if each.decision]
    targets = sorted({str(decision.selected) for _, _, decision in answered})
    for colour, network in zip(_COLOURS, _networks(day), strict=False):
        mine = [(i, targets.index(str(decision.selected))) for i, name, decision in answered if name == network]
        axes.plot([i for i, _ in mine], [place for _, place in mine], "|", ms=9, color=colour, label=network)
    moved = [(i, targets.index(str(decision.selected))) for i, _, decision in answered if decision.did_fallback]
    if moved:
        axes.plot(*zip(*moved, strict=True), "o", ms=7, mfc="none", mec="black", label="fell back")
    axes.set_yticks(range(len(targets)), targets)
    axes.set_ylim(-0.6, len(targets) - 0.4)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _latency(axes: "Axes", day: Day) -> None:
    for colour, network in zip(_COLOURS, _networks(day), strict=False):
        mine = [(i, each) for i, each in enumerate(day) if each.step.task.network.name == network]
        latency_ms = [1e3 * each.decision.outcome.latency_s if each.decision else np.nan for _, each in mine]
        axes.plot([i for i, _ in mine], latency_ms, ".", ms=4, color=colour)
        limit_ms = 1e3 * mine[0][1].step.task.goal.latency_s
        axes.axhline(limit_ms, color=colour, linewidth=1, linestyle="--", label=f"limit of {network}")
    axes.set_yscale("log")
    axes.set_ylabel("latency, ms")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)


def _energy(axes: "Axes", days: Mapping[str, Day]) -> None:
    totals_j = []
    for colour, (name, day) in zip(cycle(_COLOURS), days.items(), strict=False):
        used_j = np.cumsum([each.decision.outcome.energy_j.device if each.decision else 0.0 for each in day])
        axes.plot(used_j, color=colour, label=name)
        totals_j.append(float(used_j[-1]))
    # What the cloud costs on a weak link would flatten everything else.
    axes.set_ylim(0.0, 1.5 * statistics.median(totals_j) or 1.0)
    axes.set_ylabel("device energy so far, J")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
