"""The account of a ledger: reads it once, on either engine, and works out everything that a report shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autoscale.errors import InvalidInput
from autoscale.fleet.ledger.span import Span, when
from autoscale.fleet.ledger.view import LedgerView, read_ledger
from autoscale.fleet.report import tables
from autoscale.fleet.report.counterfactual import CELL, Counterfactual, counterfactuals
from autoscale.fleet.report.engine import EngineOptions, ReportEngine, engine
from autoscale.fleet.report.idle import Fleet, Held, whole_fleet
from autoscale.fleet.report.inventory import InventoryMachine
from autoscale.fleet.report.life_cycle import LifeCycle
from autoscale.fleet.report.savings import Saving, savings
from autoscale.fleet.report.sums import PARTS, Sums
from autoscale.fleet.report.survey import survey
from autoscale.units import SECONDS_PER_DAY


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a ledger.

    Attributes:
        span: from when until when; open sides end with the rows.
        inventory: the machines of the fleet; without them what idles is left out.
        life_cycle: what is given beside the ledger.
    """

    span: Span = field(default_factory=Span)
    inventory: tuple[InventoryMachine, ...] = ()
    life_cycle: LifeCycle = field(default_factory=LifeCycle)


@dataclass(frozen=True, slots=True)
class DayRow:
    """The sums of one day, device model and pair of regions."""

    day: str
    device_model: str
    region: str
    far_region: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Report:
    """The account.

    Attributes:
        ledger: its folder.
        engine: what computed it; nothing else differs with it.
        span: closed.
        ledger_view: what the collector counted.
        devices: how many reported in the span.
        total: of all queries.
        by: dimension to value to sums; ``day`` among the dimensions.
        days: finer sums over time, in the order of time.
        methods: figure to method to queries; ``intensity of the device`` (network, remote) to its kind to queries.
        scenarios: how it went, and how it might have.
        savings: what changes would save.
        fleet: with what idles; None without an inventory.
        life_cycle: as given.
    """

    ledger: str
    engine: str
    span: Span
    ledger_view: LedgerView
    devices: int
    total: Sums
    by: Mapping[str, Mapping[str, Sums]]
    days: Sequence[DayRow]
    methods: Mapping[str, Mapping[str, int]]
    scenarios: Sequence[Counterfactual]
    savings: Sequence[Saving]
    fleet: Fleet | None
    life_cycle: LifeCycle


def account(ledger: Path | str, question: Question | None = None, options: EngineOptions | None = None) -> Report:
    """Account for a ledger.

    Raises:
        InvalidInput: no ledger, none of its rows in the span, a file that cannot be read, no engine of that name.
        MissingExtra: a package that the engine needs is not installed.
    """
    question, options = question or Question(), options or EngineOptions()
    view = read_ledger(ledger)
    files = _files_of(view, question.span)
    if not files:
        raise InvalidInput(_no_rows(ledger, view, question.span))
    surveyed = survey(files)
    with engine(options) as opened:
        rows = tables.accounted(opened.read(files, surveyed.is_mixed), question.span, surveyed.needs_wide_sums)
        found = _Found(opened, rows, opened.keep(tables.cells(rows)))
        extent = opened.rows(tables.extent(found.cells))[0]
        if extent["first_us"] is None:
            raise InvalidInput(_no_rows(ledger, view, question.span))
        span = question.span.closed(extent["first_us"], extent["last_us"])
        by, scenarios = {name: found.by(name) for name in tables.DIMENSIONS}, found.scenarios()
        return Report(
            ledger=str(ledger),
            engine=options.name,
            span=span,
            ledger_view=view,
            devices=found.devices(),
            total=found.total(),
            by=by,
            days=found.days(),
            methods=found.methods(),
            scenarios=scenarios,
            savings=savings(by["device_model"], by["far_region"], scenarios),
            fleet=found.fleet(question.inventory, span, by["target"]) if question.inventory else None,
            life_cycle=question.life_cycle,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """What an engine comes to, in the report's own types and in an order of its own."""

    engine: ReportEngine
    rows: Any
    cells: Any

    def devices(self) -> int:
        return int(self.engine.rows(tables.device_count(self.rows))[0]["devices"])

    def total(self) -> Sums:
        return Sums.of(self.engine.rows(tables.total(self.cells))[0])

    def by(self, dimension: str) -> dict[str, Sums]:
        """In the order of their names; hours with two digits."""
        found = self.engine.rows(tables.by(self.cells, dimension))
        form = "{:02}" if dimension == "hour" else "{}"
        return dict(sorted((form.format(row[dimension]), Sums.of(row)) for row in found))

    def scenarios(self) -> list[Counterfactual]:
        return counterfactuals(self.engine.rows(tables.by_scenario(self.cells, *CELL, "target")))

    def days(self) -> list[DayRow]:
        found = self.engine.rows(tables.by_day(self.rows))
        days = [
            DayRow(_date(row["day"]), row["device_model"], row["region"], row["far_region"], Sums.of(row))
            for row in found
        ]
        return sorted(days, key=lambda each: (each.day, each.device_model, each.region, each.far_region))

    def methods(self) -> dict[str, dict[str, int]]:
        return _methods(self.engine.rows(tables.by_method(self.rows)))

    def fleet(self, inventory: tuple[InventoryMachine, ...], span: Span, targets: Mapping[str, Sums]) -> Fleet:
        remotely = [sums for target, sums in targets.items() if not target.startswith("device:")]
        total = self.total()
        remote = Held(sum(sums.latency_us for sums in remotely), total.embodied_ng.remote)
        return whole_fleet(inventory, self.engine.rows(tables.by_device(self.rows)), span, total, remote)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date().isoformat()


def _methods(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    methods: dict[str, dict[str, int]] = {}
    for row in rows:
        pairs = [pair.partition("=")[::2] for pair in row["methods"].split(";") if pair]
        for figure, method in [*pairs, *_kinds(row)]:
            counts = methods.setdefault(figure, {})
            counts[method] = counts.get(method, 0) + row["inferences"]
    return {figure: dict(sorted(methods[figure].items())) for figure in sorted(methods)}


def _kinds(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of every part that drew electricity; only a device always does, whether or not its kind is known."""
    device, *others = ((f"intensity of the {part}", row[name]) for part, name in zip(PARTS, tables.KINDS, strict=True))
    return [(device[0], device[1] or "not said"), *(each for each in others if each[1])]


def _files_of(view: LedgerView, span: Span) -> list[Path]:
    """Those whose day, which is in their folder's name, touches the span."""
    since = "" if span.since_us is None else when(span.since_us)[:10]
    until = "9999" if span.until_us is None else when(span.until_us)[:10]
    return [each for each in view.files if since <= each.parent.name.removeprefix("day=") <= until]


def _no_rows(ledger: Path | str, view: LedgerView, span: Span) -> str:
    accepted = view.counts.get("accepted", 0)
    rejected = sum(count for name, count in view.counts.items() if name.startswith("rejected:"))
    if accepted == 0:
        return f"the ledger '{ledger}' has no rows yet, and {rejected} rejected; allowed: one accepted row or more"
    if not view.files:
        return f"the ledger '{ledger}' has {accepted} rows, but all of its files are damaged or gone"
    since, until = (each if each is None else when(each) for each in (span.since_us, span.until_us))
    return f"the ledger '{ledger}' has {accepted} rows, none from {since or 'its first'} until {until or 'its last'}"
