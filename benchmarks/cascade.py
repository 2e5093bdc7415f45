"""A cascade beside its large network alone, on labelled data that neither has seen: accuracy and joules of the device.

Run from the root: ``python -m benchmarks.cascade``. Networks are trained here on scikit-learn's digits
(``benchmarks/digits.py``); thresholds are learned on 500 samples, with labels and by agreement; 497 others judge. Two
pairs: two networks on this device, and one network with an early exit, cut there (SPINN). Energy is measured times at a
phone's watts; each sample is asked of both in turn, so that whatever else the machine does falls on both.
"""

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscale.query.goal import Goal
from autoscale_runtime import Cascade, Session, SessionOptions
from autoscale_runtime.models.splitting.cuts import find_cuts
from autoscale_runtime.models.splitting.parts import write_split
from benchmarks import digits

TARGET: Final = "device:cpu/fp32@1t"
GOAL: Final = Goal(objective="energy", latency_s=10.0)


def session(model: Path) -> Session:
    """One stage, pinned, so that it is the networks that are compared."""
    options = SessionOptions(power_table="mi8pro", radio="wifi", target=TARGET, sensors=())
    return Session(model, GOAL, options=options)


def early_exit(train: digits.Part, folder: Path) -> tuple[Path, Path, Path]:
    """The whole network, its part up to the exit, and the rest."""
    whole = digits.with_early_exit(train, folder / "exit.onnx")
    cut = find_cuts(whole, {"x": (1, digits.PIXELS)})
    after = 3  # the trunk's layer, its ReLU, the exit
    write_split(cut, cut.at(after), "fp32", folder / "parts")
    return whole, folder / "parts" / "head", folder / "parts" / "tail"


def judged(cascade: Cascade, alone: Session, test: digits.Part) -> dict[str, float]:
    """Accuracy and mean joules of both on the same samples, and how often the later stage was asked."""
    rows = []
    for feeds, label in zip(test.feeds, test.y, strict=True):
        [scores] = cascade.run(None, feeds)
        whole = dict(zip([each.name for each in alone.get_outputs()], alone.run(None, feeds), strict=True))
        assert cascade.last is not None
        assert alone.last is not None
        rows.append(
            (
                scores.argmax() == label,
                whole["y"].argmax() == label,
                cascade.last.outcome.energy_j.device,
                alone.last.outcome.energy_j.device,
                len(cascade.last.stages) > 1,
            )
        )
    names = ("accuracy", "accuracy_alone", "energy_j", "energy_alone_j", "asked")
    return dict(zip(names, map(float, np.mean(rows, axis=0)), strict=True))


def results() -> list[dict[str, Any]]:
    """Each pair of networks, calibrated with labels and without."""
    train, calibrating, test = digits.parts()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        first, second = (make(train, Path(folder) / f"{make.__name__}.onnx") for make in (digits.small, digits.large))
        whole, head, tail = early_exit(train, Path(folder))
        pairs = {
            "two networks": (first, second, second, ("y", "y")),
            "early exit": (head, tail, whole, ("exit", "y")),
        }
        for name, (one, other, large, scores) in pairs.items():
            for labels in (calibrating.y, None):
                with Cascade([session(one), session(other)], GOAL, scores=scores) as cascade, session(large) as alone:
                    known = cascade.calibrate(calibrating.feeds, labels)
                    by = "agreement" if labels is None else "labels"
                    row = {"pair": name, "by": by, "threshold": known.thresholds[0], **judged(cascade, alone, test)}
                    found.append(row)
    return found


def main() -> None:
    """Print them."""
    table = Table("pair", "by", "threshold", "asked on", "accuracy", "alone", "mJ", "alone", "saved")
    for each in results():
        saved = f"{1 - each['energy_j'] / each['energy_alone_j']:.0%}"
        shares = [f"{each[name]:.1%}" for name in ("asked", "accuracy", "accuracy_alone")]
        joules = [f"{each[name] * 1e3:.3f}" for name in ("energy_j", "energy_alone_j")]
        table.add_row(each["pair"], each["by"], f"{each['threshold']:.3f}", *shares, *joules, saved)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
