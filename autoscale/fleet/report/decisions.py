"""Single decisions of a ledger: the rows behind a sum, those of most carbon first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from autoscale.fleet.ledger.ledgers import read_ledgers
from autoscale.fleet.ledger.rollup import CARBON_NG
from autoscale.fleet.report import tables
from autoscale.fleet.report.account import Question, each_once
from autoscale.fleet.report.engine import EngineOptions, engine
from autoscale.fleet.report.reading import verified_reading
from autoscale.fleet.report.survey import survey

MOST: Final = 100

COLUMNS: Final = (
    "time_us",
    "device_model",
    "model",
    "requested",
    "chosen",
    "selected",
    "probability_ppb",
    "latency_us",
    "goal_latency_us",
    "is_late",
    "energy_device_uj",
    "energy_remote_uj",
    "region_device",
    "region_remote",
)


def decisions(ledgers: Sequence[Path | str], question: Question, most: int = MOST) -> list[dict[str, Any]]:
    """The decisions of a span and of some values of its dimensions with the most carbon, as ``COLUMNS`` and
    ``carbon_ng``; no device is named. Rows that were aged are none any more.

    Raises:
        InvalidInput: no ledger.
        MissingExtra: an engine's package is not installed.
    """
    view, read = verified_reading(read_ledgers(ledgers), question.span, from_sums=False)
    with engine(EngineOptions()) as opened:
        rows = tables.within(opened.read(read.rows, survey(read.rows, opened).is_mixed), question.span)
        rows, _ = each_once(opened, view, rows)
        only = [f"{tables.COLUMN_OF[name]} = {opened.text(value)}" for name, value in question.only]
        table = f"SELECT {', '.join(COLUMNS)}, {CARBON_NG} AS carbon_ng FROM ({tables.filtered(rows, only)})"
        return opened.rows(f"{table} ORDER BY carbon_ng DESC, time_us LIMIT {most}")
