"""Predicted beside measured, for every source: ``make evidence`` writes ``docs/evidence.md`` and its picture.

The data is not part of the project; it lies beside the checkout, in ``../shared/data``. Where it does not, the page
that is committed stands as it is.
"""

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from rich.progress import track

from autoscale.arrays import Floats
from autoscale.interval import Interval
from autoscale.profiles import load_device
from benchmarks.calibration.judging import CHECK, FIT, Judged, judged
from benchmarks.calibration.sources import BOARDS, DATA, SYSTEMS
from benchmarks.calibration.studies import STUDIES
from benchmarks.evidence_picture import draw
from benchmarks.fit import Fitted, run

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
TARGETS: Final = {"cpu": 0.15, "gpu": 0.20, "npu": 0.20}
"""Largest median error of a latency on check rows, by processor."""

ENERGY: Final = 0.2
"""Likewise of the joules."""

INSIDE: Final = 0.9
"""Least share of rows within the range."""


class Part(NamedTuple):
    """Rows of a device and processor that are judged together."""

    device: str
    processor: str
    part: str
    rows: Sequence[Judged]

    @property
    def latency(self) -> tuple[float, float]:
        """Median absolute error, and the share inside the range."""
        return _off(self.rows, [each.latency_off for each in self.rows], "latency_s")

    @property
    def energy(self) -> tuple[float, float]:
        """Likewise of the joules; NaN where nobody metered."""
        metered = [each for each in self.rows if each.energy_off is not None]
        return _off(metered, [each.energy_off or 0.0 for each in metered], "energy_j")


def main() -> None:
    """Write the page, or say why not."""
    if not DATA.is_dir():
        print(f"no measurements: {DATA} does not exist; docs/evidence.md stays as it is", file=sys.stderr)
        return
    devices = track([*SYSTEMS, *BOARDS], "judging devices")
    rows = [each for device in devices for each in judged(device)]
    older = run([each for each in STUDIES if each.device not in {*SYSTEMS, *BOARDS} or each.label])
    (DOCS / "evidence.md").write_text(page(parts(rows), older), encoding="utf-8")
    draw(rows, DOCS / "evidence.png")
    print(f"wrote {DOCS / 'evidence.md'} and its picture: {len(rows)} rows")


def parts(rows: Iterable[Judged]) -> list[Part]:
    """The rows by device, processor, and whether the figures have seen them."""
    found: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    for each in rows:
        found[each.device, each.row.target.processor, each.part].append(each)
    return [Part(*key, each) for key, each in found.items()]


def page(found: Sequence[Part], older: Sequence[Fitted]) -> str:
    """The page's text."""
    checked = [each for each in found if each.part == CHECK]
    split = {each.device for each in found if each.part == FIT}
    text = Path(__file__).with_suffix(".in.md").read_text(encoding="utf-8")
    blocks = {
        "SUMMARY": _summary(checked, split),
        "SPLIT": _table(each for each in found if each.device in split),
        "LEFT_OUT": _table(each for each in checked if each.device not in split),
        "OLDER": _older(older),
        "WORST": _worst(checked),
        "POWER": _power(),
    }
    for name, block in blocks.items():
        text = text.replace(f"<!-- {name} -->", block)
    return text


def _off(rows: Sequence[Judged], off: Sequence[float], what: str) -> tuple[float, float]:
    if not rows:
        return np.nan, np.nan
    return float(np.median(np.abs(off))), float(np.mean([_is_inside(each, what) for each in rows]))


def _is_inside(each: Judged, what: str) -> bool:
    """Whether the middle of what was measured lies in the predicted range."""
    predicted, measured = getattr(each, what), getattr(each.row, what)
    assert isinstance(predicted, Interval) and isinstance(measured, Interval)
    return predicted.low <= measured.mid <= predicted.high


def _table(found: Iterable[Part]) -> str:
    lines = [
        "| device | processor | rows | networks | latency off | inside | energy off | inside |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for each in found:
        networks = len({row.row.network for row in each.rows})
        latency, energy = each.latency, each.energy
        target = TARGETS[each.processor] if each.part == CHECK else np.inf
        least, most_j = (INSIDE, ENERGY) if each.part == CHECK else (0.0, np.inf)
        cells = [_judged(latency[0], latency[0] <= target), _judged(latency[1], latency[1] >= least)]
        cells += [_judged(energy[0], energy[0] <= most_j), _judged(energy[1], energy[1] >= least)]
        rows = f"{len(each.rows)} {each.part}"
        lines.append(f"| {each.device} | {each.processor} | {rows} | {networks} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _judged(off: float, is_met: bool) -> str:
    return _percent(off) if is_met or np.isnan(off) else f"**{_percent(off)}**"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.0%}".replace("%", " %")


def _summary(checked: Sequence[Part], split: Collection[str]) -> str:
    rows = [row for each in checked for row in each.rows]
    metered = [row for row in rows if row.row.energy_j is not None]
    is_cpu = [row.row.target.processor == "cpu" for row in rows]
    latencies = np.abs([row.latency_off for row in rows])
    cpus, gpus = latencies[is_cpu], latencies[np.logical_not(is_cpu)]
    joules = np.abs([row.energy_off or 0.0 for row in metered])
    inside = [_is_inside(row, "latency_s") for row in rows]
    inside_j = [_is_inside(row, "energy_j") for row in metered]
    groups = [[each for each in checked if (each.device in split) is told] for told in (True, False)]
    late = _named((each, each.latency[0], each.latency[0] > TARGETS[each.processor]) for each in checked)
    dear = _named((each, each.energy[0], each.energy[0] > ENERGY) for each in checked)
    shares = [(each, share) for each in checked for share in (each.latency[1], each.energy[1])]
    outside = _named((each, share, share < INSIDE) for each, share in shares)
    return (
        f"Of {len(rows)} check rows {_share(inside)} lie inside the predicted range of latency, and {_share(inside_j)} "
        f"of {len(metered)} inside that of energy; the median error of latency is {_middle(cpus)} on CPUs and "
        f"{_middle(gpus)} on GPUs, of energy {_middle(joules)}. {_group(groups[0], 'split boards')}; "
        f"{_group(groups[1], 'devices with few networks')}. "
        f"Latency, beyond 15 % on a CPU or 20 % on a GPU: {late}. Energy, beyond 20 %: {dear}. "
        f"Fewer than 90 % inside: {outside}. Why is told [below](#what-the-misses-are)."
    )


def _group(found: Sequence[Part], what: str) -> str:
    missed = sum(map(_misses, found))
    rows = sum(len(each.rows) for each in found)
    return f"{rows} rows are of {what}, of whose {len(found)} processors {missed} miss a target"


def _misses(each: Part) -> bool:
    is_off = each.latency[0] > TARGETS[each.processor] or each.energy[0] > ENERGY
    return is_off or each.latency[1] < INSIDE or each.energy[1] < INSIDE


def _named(found: Iterable[tuple[Part, float, bool]]) -> str:
    names = [f"{each.device} {each.processor} {figure * 100:.1f} %" for each, figure, is_missed in found if is_missed]
    return ", ".join(names) or "none"


def _share(inside: Sequence[bool]) -> str:
    return _percent(sum(inside) / len(inside) if inside else np.nan)


def _middle(off: Floats) -> str:
    return _percent(float(np.median(off)) if off.size else np.nan)


def _worst(checked: Sequence[Part], count: int = 10) -> str:
    rows = sorted((row for each in checked for row in each.rows), key=lambda row: -abs(np.log1p(row.latency_off)))
    lines = ["| device | network | target | measured ms | predicted ms |", "|---|---|---|---:|---:|"]
    for each in rows[:count]:
        low, mid, high = (1e3 * getattr(each.latency_s, end) for end in ("low", "mid", "high"))
        measured = 1e3 * each.row.latency_s.mid
        predicted = f"{mid:.3g} ({low:.3g} to {high:.3g})"
        lines.append(f"| {each.device} | {each.row.network} | `{each.row.target}` | {measured:.3g} | {predicted} |")
    return "\n".join(lines)


def _older(studies: Sequence[Fitted]) -> str:
    lines = [
        "| speeds of | measured on | networks | fit | one left out | family left out | as shipped |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for each in studies:
        networks = len({sample.network for sample in each.problem.samples})
        errors = [each.in_sample, each.left_out, each.family_out, each.shipped]
        cells = [_median(off) if networks > 1 or number in (0, 3) else "-" for number, off in enumerate(errors)]
        where = each.study.measured + ("" if each.study.is_same_chip else " (another chip)")
        lines.append(f"| {each.study.name} | {where} | {networks} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _median(off: Floats) -> str:
    return _percent(float(np.median(np.abs(off))))


def _power() -> str:
    lines = ["| device | one thread, W | all, W | GPU, W |", "|---|---:|---:|---:|"]
    for name in ("pixel9", "pixel10", "galaxy-s25"):
        device = load_device(name)
        cpu, gpu = device.processors["cpu"], device.processors["gpu"]
        lines.append(f"| {name} | {cpu.busy_w(1):.2f} | {cpu.busy_w(cpu.cores):.2f} | {gpu.busy_w():.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
