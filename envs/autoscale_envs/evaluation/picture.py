"""The comparison as a picture: who does how well, how often the choice was right, how soon a learner settles."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autoscale.arrays import Floats
from autoscale.errors import MissingExtra
from autoscale.files import atomic_write
from autoscale_envs.evaluation.learning import learning_curve
from autoscale_envs.evaluation.report import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
"""Okabe and Ito's: distinct to colour-blind eyes too."""
_STYLES: Final = ("-", "--", ":")


def check_drawable() -> None:
    """Whether a picture can be drawn at all.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        import matplotlib.figure  # noqa: F401  # asked before the long run, used after it
    except ImportError:
        raise MissingExtra("matplotlib", "train", "the picture") from None


def draw(agents: Mapping[str, Mapping[str, Any]], results: Results, warm_up: int, path: Path) -> None:
    """Write the picture as PNG, whole or not at all.

    Args:
        agents: the summary's figures of each contestant.
        results: of all cells, for the curves.
        warm_up: where judging begins.
        path: where to.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 11), layout="constrained")
    ratios, shares, curves = figure.subplots(3, 1, height_ratios=(3, 3, 3))
    _bars(ratios, agents, "ppw_vs_cpu_fp32", 1.0)
    ratios.set_xlabel("inferences per joule against the CPU in fp32: interquartile mean, 95 % interval")
    _bars(shares, agents, "optimal_within_1pct", 100.0)
    shares.set_xlabel("choices as good as the oracle's, %: interquartile mean, 95 % interval")
    _curves(curves, results, warm_up)
    for axes in (ratios, shares, curves):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=120)


def _bars(axes: "Axes", agents: Mapping[str, Mapping[str, Any]], key: str, scale: float) -> None:
    names = [*agents][::-1]
    middle, low, high = (_column(agents, names, f"{key}_{end}", scale) for end in ("iqm", "low", "high"))
    errors = np.maximum([middle - low, high - middle], 0.0)
    axes.barh(names, middle, xerr=errors, color=_COLOURS[0], error_kw={"capsize": 3})
    axes.grid(axis="x", alpha=0.3)


def _column(agents: Mapping[str, Mapping[str, Any]], names: Sequence[str], key: str, scale: float) -> Floats:
    return scale * np.array([agents[name][key] for name in names])


def _curves(axes: "Axes", results: Results, warm_up: int) -> None:
    cells = [*results.values()]
    for number, name in enumerate(cells[0]):
        found = learning_curve([cell[name].curves for cell in cells])
        middle, low, high = (100.0 * np.array(each) for each in zip(*(part.excess for part in found), strict=True))
        at = [0.5 * (part.first + part.last) for part in found]
        colour, style = _COLOURS[number % len(_COLOURS)], _STYLES[number // len(_COLOURS) % len(_STYLES)]
        axes.plot(at, middle, style, color=colour, label=name)
        axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.axvline(warm_up, color="grey", linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=-0.5)
    axes.set_xlabel("query of a network; judged from the dotted line on")
    axes.set_ylabel("cost beyond the oracle's, %:\ninterquartile mean, 95 % interval")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
