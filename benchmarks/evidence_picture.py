"""The picture of ``docs/evidence.md``: predicted over measured, fit rows apart from check rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.calibration.judging import CHECK, FIT, Judged

COLOURS: Final = {FIT: "#9aa5b1", CHECK: "#c2410c"}
TITLES: Final = {"latency_s": "latency, s", "energy_j": "energy of the whole device, J"}


def draw(rows: Sequence[Judged], path: Path) -> None:
    """Two panels, both axes logarithmic; a predicted range is a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 4.4), layout="constrained")
    for axes, (what, title) in zip(figure.subplots(1, 2), TITLES.items(), strict=True):
        for part, colour in COLOURS.items():
            shown = [each for each in rows if each.part == part and getattr(each.row, what) is not None]
            ends = [(getattr(each.row, what).mid, getattr(each, what)) for each in shown]
            measured, middle = [x for x, _ in ends], [y.mid for _, y in ends]
            ranges = [[y.mid - y.low for _, y in ends], [y.high - y.mid for _, y in ends]]
            style = {"fmt": ".", "ms": 3.0, "lw": 0.4, "alpha": 0.6, "color": colour}
            axes.errorbar(measured, middle, ranges, label=f"{part} rows", **style)
        values = [getattr(each.row, what).mid for each in rows if getattr(each.row, what) is not None]
        low, high = min(values) / 2.0, max(values) * 2.0
        axes.plot([low, high], [low, high], lw=0.8, color="black")
        axes.set(xscale="log", yscale="log", title=title, xlabel="measured", ylabel="predicted")
        axes.legend(frameon=False)
    figure.savefig(path, dpi=110)
