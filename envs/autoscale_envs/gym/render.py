"""A picture of an episode: where queries ran, and the energy they took beside the oracle's."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from autoscale.errors import MissingExtra
from autoscale_envs.worlds.parameters import WorldParameters

RENDER_MODES: Final = ["rgb_array"]
_INCHES: Final = (8.0, 4.0)
_DPI: Final = 100


@dataclass(frozen=True, slots=True)
class History:
    """What an episode did so far: targets chosen, targets the oracle would have chosen, joules of both."""

    parameters: WorldParameters
    chosen: list[int] = field(default_factory=list)
    best: list[int] = field(default_factory=list)
    energy_j: list[float] = field(default_factory=list)
    oracle_j: list[float] = field(default_factory=list)

    def add(self, chosen: int, best: int, energy_j: float, oracle_j: float) -> None:
        """Take in one query."""
        self.chosen.append(chosen)
        self.best.append(best)
        self.energy_j.append(energy_j)
        self.oracle_j.append(oracle_j)

    def places(self, indices: list[int]) -> Counter[str]:
        """How many queries went to each processor of each place."""
        targets = [self.parameters.targets[index] for index in indices]
        return Counter(f"{target.place} {target.processor}" for target in targets)


def draw(history: History) -> npt.NDArray[np.uint8]:
    """The picture as an array of shape (400, 800, 3).

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "train", "rendering an episode") from error
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
    where, energy = figure.subplots(1, 2)
    _draw_places(where, history)
    _draw_energy(energy, history)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(np.asarray(canvas.buffer_rgba())[:, :, :3])


def _draw_places(axes: Any, history: History) -> None:
    targets = range(len(history.parameters.targets))
    names = [*dict.fromkeys(history.places(list(targets)))]
    rows = np.arange(len(names))
    for shift, label, chosen in ((-0.2, "chosen", history.chosen), (0.2, "oracle", history.best)):
        counts = history.places(chosen)
        axes.barh(rows + shift, [counts[name] for name in names], 0.4, label=label)
    axes.set(yticks=rows, yticklabels=names, xlabel="queries", title="where queries ran")
    axes.invert_yaxis()
    axes.legend()


def _draw_energy(axes: Any, history: History) -> None:
    for label, joules in (("chosen", history.energy_j), ("oracle", history.oracle_j)):
        axes.plot(np.cumsum(joules), label=label)
    axes.set(xlabel="query", ylabel="energy of the device, J", title="energy, added up")
    axes.legend()
