"""What a reader must know before the figures of a report: what they leave out, and what they rest on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from autoscale.carbon.intensity.base import KINDS
from autoscale.fleet.ledger.span import when
from autoscale.fleet.report.account import Report
from autoscale.fleet.report.sums import kg

ASSUMPTIONS: Final = "assumptions.json"
"""Beside the rows of a ledger that was simulated; ``{"simulated": true, ...}``."""

_REJECTED: Final = "rejected:"
_FEW: Final = 3
_OF: Final = "intensity of the "


def notices(report: Report) -> list[str]:
    """One sentence for each thing, those first that change most; none where nothing stands in the way."""
    about = (_origin, _joined, _left_out, _misdated, _mixed, _outside)
    return [sentence for each in about for sentence in each(report)]


def _origin(report: Report) -> Iterator[str]:
    stated = _assumptions(report.ledgers)
    if stated.get("simulated"):
        yield f"Simulated: no device reported any of this. {ASSUMPTIONS} in the ledger says what was assumed."
    elif report.total.inferences and not any("measured" in counts for counts in report.methods.values()):
        yield "No figure here was measured: all are modelled or defaults."
    if not stated.get("is_complete", True):
        yield "The simulation was stopped: its last day lacks devices, whole models of them."


def _assumptions(ledgers: Sequence[str]) -> Mapping[str, Any]:
    """Of all ledgers together; a collector's has none."""
    stated: dict[str, Any] = {}
    for each in ledgers:
        with suppress(OSError, ValueError, TypeError):
            stated |= json.loads((Path(each) / ASSUMPTIONS).read_bytes())
    return stated


def _joined(report: Report) -> Iterator[str]:
    view = report.ledger_view
    if not view.is_sealed:
        yield "The ledger's manifest is not what was last committed: files or counts may lack. Bring back a whole copy."
    if view.given_again:
        yield f"Given more than once, and read once: {', '.join(view.given_again)}."
    if report.repeated:
        yield f"{report.repeated:,} rows are in more than one of the ledgers, and count once."
    twice = min(view.arrived_again - report.repeated, report.sums_alone.aged)
    if twice > 0:
        yield (
            f"Up to {twice:,} queries count more than once: they came into more than one of the ledgers, and hourly "
            "sums of aged rows do not tell which they are. Of a ledger and its copies give one."
        )


def rejected_rows(counts: Mapping[str, int]) -> dict[str, int]:
    """How many rows of a ledger were rejected, by reason."""
    return {name.removeprefix(_REJECTED): counts[name] for name in sorted(counts) if _REJECTED in name}


def _left_out(report: Report) -> Iterator[str]:
    view = report.ledger_view
    if not report.total.inferences:
        yield "No query in this span: every sum is 0."
    if gone := [each for each in view.damaged if not view.has_rows_of(each)]:
        rows = sum(each.rows for each in gone)
        yield f"{rows:,} rows are left out: their files (in all {len(gone)}) are damaged or gone."
    if len(gone) < len(view.damaged):
        yield f"{len(view.damaged) - len(gone)} files of sums are damaged: the rows are read in their place."
    if rejected := rejected_rows(view.counts):
        reasons = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in rejected.items())
        yield f"{sum(rejected.values()):,} rows of the ledger were rejected and are left out: {reasons}."
    if report.impossible:
        yield f"{report.impossible:,} rows are left out: their figures are beyond what a query can take."
    alone = report.sums_alone
    if alone.aged:
        yield f"{alone.aged:,} rows were aged into hourly sums: they count, and their devices are not named any more."
    if alone.sent:
        yield (
            f"{alone.sent:,} queries came as hourly sums: they count, and which devices, which decisions and "
            "which minutes they were cannot be told; nor whether a row of them was wrong."
        )
    for each in alone.cut:
        what = "all of them count" if each.is_counted else "none of them counts"
        yield (
            f"The span cuts the hour from {when(each.hour_us)}, of which {each.queries:,} queries are sums alone: "
            f"{what}, since an hour counts whole where it begins."
        )
    missing = view.counts.get("missing", 0)
    if missing:
        yield f"{missing:,} rows never arrived: devices dropped them, or have yet to send them."


def _misdated(report: Report) -> Iterator[str]:
    if report.strays:
        rows = sum(each.rows for each in report.strays)
        days = ", ".join(when(each.first_us)[:10] for each in report.strays[:_FEW])
        yield f"{rows:,} rows lie years or months from all others ({days}): they count, the span goes without them."
    times = report.ledger_view.counts.get("clock_set_back", 0)
    if times:
        yield f"{times:,} times a device's clock was set back: the span and the days of its rows may be wrong."


def _mixed(report: Report) -> Iterator[str]:
    parts = {name.removeprefix(_OF): counts for name, counts in report.methods.items() if name.startswith(_OF)}
    named = {kind: [part for part, counts in parts.items() if kind in counts] for kind in KINDS}
    if all(named.values()):
        listed = "; ".join(f"{kind}: {', '.join(parts)}" for kind, parts in named.items())
        yield f"Average and marginal intensities are added up ({listed})."


def _outside(report: Report) -> Iterator[str]:
    for phase in report.life_cycle.phases:
        if phase.stands_in:
            yield f"Phase '{phase.name}' names neither region nor intensity: {phase.stands_in} average, stands in."
    fleet = report.fleet
    if fleet is not None and fleet.unknown:
        yield f"{fleet.unknown:,} devices reported that the inventory does not have: what they idle is left out."
    if fleet is not None and fleet.overdrawn_ng:
        yield (
            f"Queries carry {kg(fleet.overdrawn_ng):.3g} kg more making than the inventory's machines have for the "
            "span: a machine is missing there, or its share is too small."
        )
