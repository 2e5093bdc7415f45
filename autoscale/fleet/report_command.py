"""``autoscale fleet report``."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from autoscale.errors import InvalidInput
from autoscale.files import write_file
from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.units import energy, interval, mass
from autoscale.fleet.report import EngineOptions, Question, Report, Span, account
from autoscale.fleet.report.account import DeviceCarbon
from autoscale.fleet.report.boundary import asked_by, left_out, who_is_silent
from autoscale.fleet.report.life_cycle import LifeCycle, read_life_cycle
from autoscale.fleet.report.notices import notices
from autoscale.fleet.report.sums import NG_PER_G, NG_PER_KG, WholeInterval, fleet_sci_g_of
from autoscale.garbage import collect_seldom
from autoscale.interval import Interval

if TYPE_CHECKING:
    from autoscale.fleet.report.inventory import InventoryMachine

_LEDGERS = typer.Argument(
    help="Folder of a ledger; of several, their sums as one.", show_default=False, metavar="LEDGER..."
)
_FEW: Final = 5
_SPAN = "ISO 8601, UTC where it does not say: 2026-11-01, 2026-11-01T12:00+01:00."


def report_command(
    ledgers: Annotated[list[str], _LEDGERS],
    engine: Annotated[str, typer.Option(help="duckdb, or spark for a fleet that outgrows one machine.")] = "duckdb",
    master: Annotated[str, typer.Option(help="Spark's master: local[2], spark://host:7077.")] = "local[*]",
    since: Annotated[str, typer.Option(help=f"Queries from then on. {_SPAN}", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Queries before then.", show_default=False)] = "",
    inventory: Annotated[
        Path | None, typer.Option(help="CSV or TOML of the machines there are: what idles, who is silent.")
    ] = None,
    lifecycle: Annotated[
        Path | None, typer.Option(help="TOML of training and experimentation, and of how the fleet will grow.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything; - for standard output.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page to look at and to hand on.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write CodeCarbon's columns.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="Write a manifest of the Impact Framework.")] = None,
    otlp: Annotated[str, typer.Option(help="host:port of an OpenTelemetry collector to send gauges to.")] = "",
    sums: Annotated[
        bool, typer.Option("--sums", help="Read the hourly sums in place of the rows: the same figures, sooner.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where a file of the ledger is damaged.")] = False,
) -> None:
    """Account for a ledger: energy, operational and embodied carbon, grams for each inference.

    Says what the queries took by network, target, device model, region, hour
    and day, what all on device, all in the cloud or an oracle would have taken,
    and what longer lives, another region or a better policy would save. With an
    inventory, also what idle machines cost and which never reported.

    Example: autoscale fleet report ledger --since 2026-11-01 --html report.html

    Each file is compared with the digest it was written with. What is damaged
    is named, left out and counted. Several ledgers (one for each of several
    collectors) are summed as one; a row that is in two of them counts once.

    On a cluster: --engine spark --master spark://host:7077
    """
    collect_seldom()
    question = Question(
        Span.parse(since, until),
        () if inventory is None else _machines(inventory),
        LifeCycle() if lifecycle is None else read_life_cycle(lifecycle),
        strict,
        sums,
    )
    for path in (json_file, html, csv, manifest):
        _need_place(path)
    report = account(ledgers, question, EngineOptions(engine, master))
    figures = as_json(report)
    _write_all(report, figures, json_file, html, csv, manifest)
    if json_file is None or str(json_file) != "-":
        _show(report, figures)
    if otlp:
        from autoscale.fleet.export.metrics import push

        push(report, otlp)


def _machines(inventory: Path) -> tuple["InventoryMachine", ...]:
    from autoscale.fleet.report.inventory import read_inventory

    return read_inventory(inventory)


def _need_place(path: Path | None) -> None:
    """Before the report is computed, which may take minutes."""
    if path is not None and not path.parent.is_dir():
        raise InvalidInput(f"'{path}' cannot be written: there is no folder '{path.parent}'")
    if path is not None and path.is_dir():
        raise InvalidInput(f"'{path}' cannot be written: it is a folder")


def _write_all(
    report: Report,
    figures: Mapping[str, Any],
    json_file: Path | None,
    html: Path | None,
    csv: Path | None,
    manifest: Path | None,
) -> None:
    if json_file is not None:
        text = json.dumps(figures, indent=2)
        print(text) if str(json_file) == "-" else _write(json_file, f"{text}\n")
    if html is not None:
        from autoscale.fleet.export.html.page import as_html

        _write(html, as_html(report))
    if csv is not None:
        from autoscale.fleet.export.codecarbon import as_codecarbon

        _write(csv, as_codecarbon(report))
    if manifest is not None:
        from autoscale.fleet.export.impact_framework import as_impact_manifest

        _write(manifest, as_impact_manifest(report))


def _write(path: Path, text: str) -> None:
    write_file(path, text)


def _show(report: Report, figures: Mapping[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(
        f"{report.total.inferences:,} inferences of {asked_by(_number(report.devices, 'device'), report)}, "
        f"{figures['span']['since'] or '...'} to {figures['span']['until'] or '...'}"
    )
    total, fleet = report.total, report.fleet
    if fleet is not None:
        sci_g = fleet_sci_g_of(fleet.total_ng, total.inferences)
        console.print(f"Whole fleet: {_mass(fleet.total_ng)} CO2e; {_each(sci_g)}")
    drawn = energy(sum(total.energy_uj))
    console.print(f"{'Queries alone: ' if fleet else ''}{_mass(total.total_ng)} CO2e, {drawn}; {_each(total.sci_g)}")
    console.print(_split(figures["carbon_kg"]), _scenarios(figures["counterfactuals"]), sep="\n")
    if report.heaviest:
        console.print(_heaviest(report.heaviest))
    if fleet is not None:
        parts = {"queries": fleet.queries_ng, "idle": fleet.idle_ng, "unallocated making": fleet.unallocated_ng}
        console.print(f"Fleet, CO2e: {', '.join(f'{name} {mass(ends.mid)}' for name, ends in parts.items())}")
        console.print(_silent(fleet.silent, who_is_silent(report)), markup=False)
    for each in figures["savings"]:
        console.print(f"Would save {mass(each['carbon_ng'])}: {each['name']}", markup=False)
    for phase in figures["life_cycle"]:
        console.print(f"Life cycle, {phase['name']}: {mass(phase['carbon_kg'] * NG_PER_KG)} ({phase['share']:.1%})")
    for sentence in left_out(report):
        console.print(sentence, style="dim", markup=False)
    for notice in notices(report):
        console.print(notice, style="bold yellow", markup=False)


def _mass(ends: WholeInterval) -> str:
    return f"{mass(ends.mid)} ({mass(ends.low)} to {mass(ends.high)})"


def _each(sci_g: Interval | None) -> str:
    if sci_g is None:
        return "SCI not known, no inference"
    low, mid, high = (mass(end * NG_PER_G) for end in (sci_g.low, sci_g.mid, sci_g.high))
    return f"SCI {mid} CO2e an inference ({low} to {high})"


def _split(carbon_kg: Mapping[str, Any]) -> Any:
    from rich.table import Table

    table = Table("CO2e", "device", "network", "remote")
    for kind in ("operational", "embodied"):
        table.add_row(kind, *(mass(value * NG_PER_KG) for value in carbon_kg[kind].values()))
    return table


def _scenarios(counterfactuals: Iterable[Mapping[str, Any]]) -> Any:
    from rich.table import Table

    table = Table("had it gone", "CO2e", "95 % interval", "missed the goal", "queries it is estimated for")
    table.caption = "all: each network at the one target there that was chosen most, not at several as it may have gone"
    for scenario in counterfactuals:
        is_known = scenario["covered_fraction"] > 0
        figures = (
            (mass(scenario["carbon_ng"]), interval(scenario), f"{scenario['missed_fraction']:.1%}")
            if is_known
            else ("not known",) * 3
        )
        table.add_row(scenario["name"], *figures, f"{scenario['covered_fraction']:.1%}")
    return table


def _heaviest(devices: Iterable[DeviceCarbon]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table("devices of most carbon", "inferences", "CO2e")
    for each in devices:
        table.add_row(Text(each.device_id), f"{each.inferences:,}", mass(each.carbon_ng))
    return table


def _silent(names: Sequence[str], what: str) -> str:
    if not names:
        return "Every device of the inventory reported"
    more = f" and {len(names) - _FEW} more, in the JSON" if len(names) > _FEW else ""
    return f"{_number(len(names), 'device')} {what}: {', '.join(names[:_FEW])}{more}"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
