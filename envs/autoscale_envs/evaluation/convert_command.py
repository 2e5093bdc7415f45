"""The command ``autoscale evaluate convert``."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from autoscale.errors import InvalidInput
from autoscale_envs.measured.csv_file import measured_text, write_measured
from autoscale_envs.measured.mlperf import convert
from autoscale_envs.measured.table import MeasuredRun

STANDARD_OUTPUT = Path("-")
_RUNS = (
    "CSV with the columns round, system, model, scenario, mean_ms, mj_per_sample; if known, p90_ms, weight_data_types, "
    "top1_accuracy_pct."
)


def convert_command(
    runs: Annotated[Path, typer.Argument(help=_RUNS)],
    output: Annotated[Path, typer.Argument(help="The measured table to write; - prints it.")],
    systems: Annotated[
        Path | None, typer.Option(help="What the systems are made of; systems.csv beside RUNS where it is there.")
    ] = None,
    board: Annotated[
        list[str] | None, typer.Option(help="OLD=NEW: a board that goes by another name in some round. Repeatable.")
    ] = None,
    join_precisions: Annotated[
        bool, typer.Option("--join-precisions", help="Variants of a network in several precisions are one network.")
    ] = False,
) -> None:
    """Make a measured table of MLPerf Inference's power runs, for 'autoscale evaluate --measured'.

    Takes the scenario singlestream. Of a board, runtime and network the newest round counts; latency_spread and
    energy_spread say how far its rounds lie apart (standard deviation of logarithms), runs how many there are; no query
    meets that spread. What comes of it is derived from MLPerf Inference logs, and no official result.

    Example: autoscale evaluate convert runs.csv boards.csv --board rpi4coral-fan.on=rpi4
    """
    beside = runs.parent / "systems.csv"
    stated = systems if systems is not None else beside if beside.is_file() else None
    rows = convert(runs, stated, dict(_renamed(each) for each in board or []), joined=join_precisions)
    if output == STANDARD_OUTPUT:
        print(measured_text(rows), end="")
        return
    write_measured(rows, output)
    for line in _told(rows):
        typer.echo(line)


def _renamed(text: str) -> tuple[str, str]:
    old, separator, new = text.partition("=")
    if not (old and separator and new):
        raise InvalidInput(f"board is '{text}'; allowed: OLD=NEW, as in rpi4coral-fan.on=rpi4")
    return old.lower(), new


def _told(rows: Sequence[MeasuredRun]) -> list[str]:
    """What was found, device by device."""
    counts = Counter(row.device for row in rows)
    return [
        f"{device}: {count} rows, {len({row.network for row in rows if row.device == device})} networks, "
        f"{len({row.target for row in rows if row.device == device})} targets, "
        f"{sum(row.runs > 1 for row in rows if row.device == device)} rows of several rounds"
        for device, count in counts.items()
    ]
