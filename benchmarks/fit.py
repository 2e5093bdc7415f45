"""How well the speeds in ``devices/*.toml`` explain measured latencies: ``make fit``, ``python -m benchmarks.fit``.

For every processor with data: the median absolute error of a fit to all networks, of fits that each leave one network
out, of fits that leave out its whole family (all widths and input sizes), and of the figures as shipped. ``--toml``
prints the speeds of the fit as the device files hold them. The data is not part of the project; it lies beside the
checkout, in ``../shared/data/inference_latency``.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from autoscale.arrays import Floats
from autoscale.physics.fitting import Problem, errors, fit, left_out_errors, speed_of
from autoscale.profiles import Speed, load_device
from benchmarks.calibration.samples import FOLDER, family, networks
from benchmarks.calibration.speeds import speed_tables
from benchmarks.calibration.studies import STUDIES, Study, prior_of


@dataclass(frozen=True, slots=True)
class Fitted:
    """A study and what came of it; errors are predicted over measured less one, shape (samples,)."""

    study: Study
    problem: Problem
    speed: Speed
    in_sample: Floats
    left_out: Floats
    family_out: Floats
    shipped: Floats


def run(studies: Sequence[Study] = STUDIES) -> list[Fitted]:
    """The studies in order: one that leans on another comes after it."""
    known, found = networks(), list[Fitted]()
    parameters: dict[str, dict[str, float]] = {}
    for study in studies:
        device, samples = load_device(study.device), study.read()
        prior = prior_of(study, device, samples, known, parameters.get(study.near))
        precisions = list(dict.fromkeys(sample.target.precision for sample in samples))
        problem = Problem(device.processors[study.processor], samples, known, precisions, prior)
        parameters[study.name] = fit(problem)
        speed, shipped = speed_of(parameters[study.name], precisions), problem.processor.speed
        found.append(
            Fitted(
                study,
                problem,
                speed,
                errors(problem, speed),
                left_out_errors(problem),
                left_out_errors(problem, family),
                errors(problem, speed if shipped is None else shipped),
            )
        )
    return found


def report(rows: list[Fitted]) -> Table:
    """The errors as a table."""
    table = Table(title="Median absolute error of the predicted latency")
    for column in ("device", "measured on", "samples", "networks", "fit", "one left out", "family out", "as shipped"):
        table.add_column(column, justify="left" if column in ("device", "measured on") else "right")
    for row in rows:
        count = len({sample.network for sample in row.problem.samples})
        table.add_row(
            row.study.name,
            row.study.measured + ("" if row.study.is_same_chip else " (another chip)"),
            str(len(row.problem.samples)),
            str(count),
            _percent(row.in_sample),
            *(_percent(off) if count > 1 else "-" for off in (row.left_out, row.family_out)),
            _percent(row.shipped),
        )
    return table


def _percent(off: Floats) -> str:
    return f"{np.median(np.abs(off)):.1%}"


def _studies_of(device: str) -> list[Study]:
    """A device's studies after those that they lean on."""
    wanted = {each.name for each in STUDIES if each.device == device}
    for each in reversed(STUDIES):
        wanted |= {each.near} if each.name in wanted else set()
    return [each for each in STUDIES if each.name in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--toml", action="store_true", help="print the fitted speeds as the device files hold them")
    parser.add_argument("--device", help="only this device's, and what they lean on")
    parser.add_argument("--samples", action="store_true", help="print every measured and predicted latency")
    options = parser.parse_args()
    if not FOLDER.is_dir():
        print(f"no measured latencies: {FOLDER} does not exist; nothing to fit", file=sys.stderr)
        sys.exit(2)
    rows = run(_studies_of(options.device) if options.device else STUDIES)
    if options.toml:
        print(
            "\n\n".join(
                f"# {row.study.name}\n{speed_tables(row.study, row.problem, row.speed, row.left_out)}" for row in rows
            )
        )
        return
    if options.samples:
        print("device,network,target,measured_ms,error,error_left_out,error_shipped")
        for row in rows:
            for sample, *off in zip(row.problem.samples, row.in_sample, row.left_out, row.shipped, strict=True):
                figures = ",".join(f"{value:+.3f}" for value in off)
                print(f"{row.study.name},{sample.network},{sample.target},{sample.latency_s * 1e3:g},{figures}")
        return
    Console(width=160).print(report(rows))


if __name__ == "__main__":
    main()
