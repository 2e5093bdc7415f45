"""The account of a ledger: reads it once, on either engine, and works out everything that a report shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from autoscale.errors import InvalidInput, one_of
from autoscale.fleet.ledger.ledgers import of_one_list
from autoscale.fleet.ledger.rollup import DEVICES, MONTHLY, SUMMED, SUMS
from autoscale.fleet.ledger.schema import PARTS
from autoscale.fleet.ledger.span import Span
from autoscale.fleet.ledger.view import LedgerView
from autoscale.fleet.report import tables
from autoscale.fleet.report.counterfactual import Counterfactual, counterfactuals
from autoscale.fleet.report.engine import EngineOptions, ReportEngine, engine
from autoscale.fleet.report.extent import DayRows, extent_of
from autoscale.fleet.report.idle import Fleet, Held, whole_fleet
from autoscale.fleet.report.life_cycle import LifeCycle
from autoscale.fleet.report.reading import Reading, verified_reading
from autoscale.fleet.report.savings import Saving, savings
from autoscale.fleet.report.scenario_cells import CELL, TALLIED
from autoscale.fleet.report.sums import Sums
from autoscale.fleet.report.sums_alone import SumsAlone, sums_alone
from autoscale.fleet.report.survey import survey
from autoscale.units import SECONDS_PER_DAY

if TYPE_CHECKING:
    from autoscale.fleet.report.inventory import InventoryMachine


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a ledger.

    Attributes:
        span: from when until when; open sides end with the rows.
        inventory: the machines of the fleet; without them what idles is left out.
        life_cycle: what is given beside the ledger.
        is_strict: whether damage is an error, and not left out and counted.
        only: dimensions and the value that is left of each; devices and the fleet stay those of all queries.
        from_sums: whether the hourly sums are read in place of the rows where there are both: the same figures, sooner.
    """

    span: Span = field(default_factory=Span)
    inventory: tuple["InventoryMachine", ...] = ()
    life_cycle: LifeCycle = field(default_factory=LifeCycle)
    is_strict: bool = False
    from_sums: bool = False
    only: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DayRow:
    """The sums of one day, device model and pair of regions."""

    day: str
    device_model: str
    region: str
    far_region: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class DeviceCarbon:
    """What the queries of one device emitted together, everywhere."""

    device_id: str
    inferences: int
    carbon_ng: int


@dataclass(frozen=True, slots=True)
class Report:
    """The account.

    Attributes:
        ledgers: their folders.
        engine: what computed it; nothing else differs with it.
        span: closed, but of no rows, whose sides stay as they were asked for.
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
        strays: rows far from all others in time, by whose clocks the span does not go.
        impossible: rows of the span that an older collector took and that cannot be; in no sum.
        repeated: rows of the span that are in more than one ledger, and count once.
        sums_alone: queries of the span that are hourly sums and no rows.
        heaviest: the ten devices whose queries emitted most, the most first, as far as devices are named.
    """

    ledgers: tuple[str, ...]
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
    strays: Sequence[DayRows] = ()
    impossible: int = 0
    repeated: int = 0
    sums_alone: SumsAlone = field(default_factory=SumsAlone)
    heaviest: Sequence[DeviceCarbon] = ()

    @property
    def ledger(self) -> str:
        """The ledgers' folders as people write them."""
        return ", ".join(self.ledgers)

    @property
    def has_unnamed_devices(self) -> bool:
        """Whether queries are counted whose devices are not, since only sums of them are there."""
        return bool(self.sums_alone.aged or self.sums_alone.sent)


def account(
    ledger: Path | str | Sequence[Path | str], question: Question | None = None, options: EngineOptions | None = None
) -> Report:
    """Account for a ledger, or for several as one; no rows in the span make a report of nothing.

    Raises:
        InvalidInput: no ledger, no engine of that name; damage, where the question is strict.
        MissingExtra: a package that the engine needs is not installed.
    """
    question, options = question or Question(), options or EngineOptions()
    ledgers = [ledger] if isinstance(ledger, Path | str) else list(ledger)
    return of_one_list(ledgers, lambda view: accounted(ledgers, view, question, options))


def accounted(ledgers: Sequence[Path | str], view: LedgerView, question: Question, options: EngineOptions) -> Report:
    """Account for ledgers as they were listed."""
    view, read = verified_reading(view, question.span, question.from_sums, [name for name, _ in question.only])
    if question.is_strict:
        _need_whole(view)
    with engine(options) as opened:
        found = _found(opened, view, read, question)
        by, days, scenarios = found.by_each(), found.days(), found.scenarios()
        devices, heaviest = found.devices()
        extent = extent_of((DayRows(*(each[name] for name in _DAY_ROWS)) for each in days), question.span)
        fleet = found.fleet(question.inventory, extent.span, by["target"]) if question.inventory else None
        return Report(
            ledgers=tuple(map(str, ledgers)),
            engine=options.name,
            span=extent.span,
            ledger_view=view,
            devices=devices,
            total=found.total(),
            by=by,
            days=_day_rows(days),
            methods=found.methods(),
            scenarios=scenarios,
            savings=savings(by["device_model"], by["far_region"], scenarios, fleet),
            fleet=fleet,
            life_cycle=question.life_cycle,
            strays=extent.strays,
            impossible=found.impossible,
            sums_alone=sums_alone(read, view.entries, question.span),
            heaviest=heaviest,
            repeated=view.copied_rows + found.repeated,
        )


HEAVIEST: Final = 10
"""So many devices are named."""

_DAY_ROWS: Final = ("day", "inferences", "first_us", "last_us")


def _need_whole(view: LedgerView) -> None:
    if view.damaged:
        named = ", ".join(f"{each.path} ({each.rows} rows)" for each in view.damaged)
        raise InvalidInput(f"damaged or gone: {named}; allowed without --strict: they are left out and counted")
    if not view.is_sealed:
        raise InvalidInput("the manifest is not what was last committed; allowed without --strict: it is reported")


def _found(opened: ReportEngine, view: LedgerView, read: Reading, question: Question) -> "_Found":
    """The rows of a span, each once, without those that cannot be; and the sums of others."""
    surveyed, span = survey(read.rows, opened), question.span
    is_wide = surveyed.needs_wide_sums or survey([*read.sums, *read.hours], opened).needs_wide_sums
    once, repeated = each_once(opened, view, tables.within(opened.read(read.rows, surveyed.is_mixed), span))
    impossible = 0
    if not surveyed.is_plausible:
        plausible = tables.plausible(once)
        impossible, once = opened.count(once) - opened.count(plausible), plausible
    rows = tables.accounted(once, is_wide, opened.dialect)
    hourly = []
    if read.rows or not (read.sums or read.hours):
        hourly.append(rows)
    if read.sums:
        sums = tables.within_hours(opened.read_sums(read.sums, SUMS), span)
        hourly.append(tables.summed(sums, is_wide, opened.dialect))
    by_hour, by_day = (_with_months(opened, hourly, files, is_wide) for files in (read.hours, read.days))
    for name, _ in question.only:
        one_of("dimension", name, tables.DIMENSIONS)
    only = [f"{name} = {opened.text(value)}" for name, value in question.only]
    days_of = tables.filtered(by_day, only)
    cells = opened.keep("cells", tables.cells(tables.filtered(by_hour, only)))
    days = opened.keep("days", tables.by_day(days_of))
    devices = [opened.read_sums(read.devices, DEVICES)] if read.devices else []
    return _Found(opened, days_of, days, rows, devices, cells, is_wide, impossible, repeated)


def each_once(opened: ReportEngine, view: LedgerView, rows: str) -> tuple[str, int]:
    """Rows of ledgers, each once though several have it, and how many more there were."""
    if not view.shared:
        return rows, 0
    logs = {name: [key[i] for key in view.shared] for i, name in enumerate(tables.LOG)}
    shared = opened.given("shared", logs)
    sent = opened.count(tables.repeated(rows, shared))
    once = opened.keep("once", tables.counted_once(rows, shared))
    return once, sent - opened.count(tables.repeated(once, shared))


def _with_months(opened: ReportEngine, hourly: Sequence[str], files: Sequence[Path], is_wide: bool) -> str:
    """Rows and hourly sums, and those of whole months by day or by hour of the day."""
    months = [tables.summed(opened.read_sums(files, MONTHLY), is_wide, opened.dialect)] if files else []
    return tables.together([*hourly, *months])


@dataclass(frozen=True, slots=True)
class _Found:
    """What an engine comes to, in the report's own types and in an order of its own.

    ``days_of`` has all by day and by how it is known, ``by_day`` by day, device model and regions, ``cells`` by
    ``DIMENSIONS``; ``rows`` and ``device_sums`` (one table or none) are of other queries each.
    """

    engine: ReportEngine
    days_of: str
    by_day: str
    rows: str
    device_sums: Sequence[str]
    cells: str
    is_wide: bool
    impossible: int
    repeated: int

    def devices(self) -> tuple[int, list[DeviceCarbon]]:
        """How many reported, and those of most carbon."""
        heaviest = tables.heaviest(self.rows, self.device_sums, HEAVIEST, self.is_wide, self.engine.dialect)
        rows = self.engine.rows(heaviest)
        named = [DeviceCarbon(row["device_id"], int(row["inferences"]), int(row["carbon_ng"])) for row in rows]
        return (int(rows[0]["devices"]) if rows else 0), named

    def total(self) -> Sums:
        return Sums.of(self.engine.rows(tables.total(self.by_day))[0])

    def by_each(self) -> dict[str, dict[str, Sums]]:
        """Dimension to value to sums, in the order of their names; hours have two digits, and days are dates."""
        found: dict[str, dict[str, Sums]] = {name: {} for name in tables.DIMENSIONS}
        for row in self.engine.rows(tables.by_each(self.cells)):
            name = tables.DIMENSIONS[row["dimension"]]
            found[name][f"{row[name]:02}" if name == "hour" else row[name]] = Sums.of(row)
        found["day"] = {_date(row["day"]): Sums.of(row) for row in self.engine.rows(tables.per_day(self.by_day))}
        return {name: dict(sorted(sums.items())) for name, sums in found.items()}

    def scenarios(self) -> list[Counterfactual]:
        return counterfactuals(self.engine.columns(tables.by_scenario(self.cells, *CELL, "target"), TALLIED))

    def days(self) -> list[dict[str, Any]]:
        return self.engine.rows(self.by_day, ("inferences", *SUMMED))

    def methods(self) -> dict[str, dict[str, int]]:
        return _methods(self.engine.rows(tables.by_method(self.days_of)))

    def fleet(self, inventory: tuple["InventoryMachine", ...], span: Span, targets: Mapping[str, Sums]) -> Fleet:
        remotely = [sums for target, sums in targets.items() if not target.startswith("device:")]
        total = self.total()
        remote = Held(sum(sums.latency_us for sums in remotely), total.embodied_ng.remote)
        reported = self.engine.rows(tables.by_device([self.rows, *self.device_sums]))
        return whole_fleet(inventory, reported, span, total, remote)


def _day_rows(found: Iterable[Mapping[str, Any]]) -> list[DayRow]:
    days = [
        DayRow(_date(row["day"]), row["device_model"], row["region"], row["far_region"], Sums.of(row)) for row in found
    ]
    return sorted(days, key=lambda each: (each.day, each.device_model, each.region, each.far_region))


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * SECONDS_PER_DAY, UTC).date().isoformat()


def _methods(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    methods: dict[str, dict[str, int]] = {}
    for row in rows:
        pairs = [pair.partition("=")[::2] for pair in row["methods"].split(";") if pair]
        for figure, method in [*pairs, *_kinds(row)]:
            counts = methods.setdefault(figure, {})
            counts[method] = counts.get(method, 0) + int(row["inferences"])  # a decimal where sums are wide
    return {figure: dict(sorted(methods[figure].items())) for figure in sorted(methods)}


def _kinds(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Of every part that drew electricity; only a device always does, whether or not its kind is known."""
    device, *others = ((f"intensity of the {part}", row[name]) for part, name in zip(PARTS, tables.KINDS, strict=True))
    return [(device[0], device[1] or "not said"), *(each for each in others if each[1])]
