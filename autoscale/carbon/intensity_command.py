"""``autoscale carbon intensity``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from autoscale.carbon import Electricity, HourlyIntensity, Intensity, IntensitySource
from autoscale.carbon.intensity.base import INTENSITY_SOURCES
from autoscale.carbon.intensity.files.options import FileOptions
from autoscale.carbon.intensity.live.answers import iso
from autoscale.carbon.intensity.live.base import LiveSource
from autoscale.carbon.intensity.places import Places
from autoscale.carbon.intensity.rebased import rebased
from autoscale.carbon.intensity.series import time_from_iso
from autoscale.command import JsonOption, print_json
from autoscale.errors import InvalidInput, UnknownName
from autoscale.query.outcome import Method
from autoscale.units import SECONDS_PER_HOUR

LONGEST_HOURS: Final = 366 * 24.0
MEANING: Final = {
    Method.MEASURED: "the source settled it for that hour",
    Method.MODELLED: "an estimate, forecast or interpolation",
    Method.DEFAULT: "nothing is known of that hour: an average stands in",
}
_SOURCE = typer.Option(help="yearly, another name of the list, or a file of hours (CSV, an API's JSON).")
_AT = typer.Option(help="ISO 8601, UTC where it names no zone: 2026-11-21T10:00Z. Now where it is not given.")


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is shown: the figure, what the source expects, and what went wrong on the way, in words, or None."""

    place: str
    time_s: float
    figure: Intensity
    expected: tuple[Intensity, ...]
    trouble: str | None

    @property
    def greenest_g_per_kwh(self) -> float | None:
        """The least that is expected; None where nothing is."""
        return min((each.g_per_kwh for each in self.expected), default=None)


def intensity(
    place: Annotated[
        str | None,
        typer.Argument(help="Country, grid zone or cloud region: DE, France, aws:eu-west-1.", show_default=False),
    ] = None,
    source: Annotated[str, _SOURCE] = "yearly",
    at: Annotated[str, _AT] = "",
    forecast: Annotated[
        float, typer.Option(help="Hours ahead to show, the greenest marked.", min=0.0, max=LONGEST_HOURS)
    ] = 0.0,
    kind: Annotated[str, typer.Option(help="Of a file: average or marginal, where it does not say.")] = "",
    emissions: Annotated[str, typer.Option(help="Of a file: life-cycle or direct (of the stack).")] = "",
    accounting: Annotated[str, typer.Option(help="Of a file: of consumption or production.")] = "",
    time_column: Annotated[str, typer.Option(help="Of a file: the name of its column of times.")] = "",
    figure_column: Annotated[str, typer.Option(help="Of a file: the name of its column of figures.")] = "",
    unit: Annotated[str, typer.Option(help="Of a file: its figures' unit, as in lb/MWh, kg/MWh, g/kWh.")] = "",
    timezone: Annotated[
        str, typer.Option(help="Of a file: whose clock times without an offset show, as in Europe/Berlin.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Grams of CO2e that a kilowatt-hour carries somewhere, at some time; without a place: the sources and places.

    Says low and high, average or marginal, who says so and how it is known.
    Where a live source does not answer, says what went wrong and what stands in
    for it.

    Example: autoscale carbon intensity DE --source electricity-maps --forecast
    24

    A file of your own: autoscale carbon intensity DE --source hours.csv --at
    2026-11-21T10:00Z. Columns time,g_per_kwh[,zone,kind] are known, and the
    downloads and API answers of Electricity Maps, NESO, WattTime, Energy-Charts
    and CodeCarbon; the rest by --time-column, --figure-column, --unit and
    --timezone.
    """
    if place is None:
        print_json(_choices()) if as_json else _show_choices()
        return
    words: dict[str, Any] = {"kind": kind or None, "emissions": emissions or None, "accounting": accounting or None}
    options = FileOptions(time_column, figure_column, unit, timezone, **words)
    lookup = _ask(_opened(source, place, options), place, at, forecast * SECONDS_PER_HOUR)
    print_json(_plain(lookup)) if as_json else _show(lookup, forecast)


def _opened(source: str, place: str, options: FileOptions) -> IntensitySource:
    if source == "csv":
        raise InvalidInput("--source is csv; allowed: the file itself, as in --source hours.csv")
    if source.endswith((".csv", ".json")) or Path(source).is_file():
        return HourlyIntensity(source, place, options=options)
    if options != FileOptions():
        raise InvalidInput(f"--source is {source}, and options of a file are given; allowed: a file, or none of them")
    return Electricity(place, source).as_published()


def _ask(source: IntensitySource, place: str, at: str, horizon_s: float) -> Lookup:
    time_s = _time_s(at)
    figure = source.at(place, time_s)
    expected = source.forecast(place, time_s, horizon_s) if horizon_s else ()
    return Lookup(place, time_s, figure, expected, _trouble(source, place, time_s, figure))


def _time_s(text: str) -> float:
    try:
        return time_from_iso(text) if text else datetime.now(UTC).timestamp()
    except ValueError:
        raise InvalidInput(f"--at is '{text}'; allowed: ISO 8601, as in 2026-11-21T10:00Z") from None


def _trouble(source: IntensitySource, place: str, time_s: float, figure: Intensity) -> str | None:
    """Why the source itself has no figure, and what stands in for it."""
    if isinstance(source, LiveSource):
        problem = source.trouble or f"{source.name} tells the last hours and the next, not that time"
    elif isinstance(source, HourlyIntensity):
        problem = _hole(source, place, time_s)
    else:
        return None
    if figure.method is not Method.DEFAULT:
        return source.trouble if isinstance(source, LiveSource) else None
    stand_in = figure.source.partition(":")[0]
    return f"{problem}; the {stand_in} stands in{_hint(place) if 'of World' in stand_in else ''}"


def _hole(source: HourlyIntensity, place: str, time_s: float) -> str:
    """Why a file has no figure for a time."""
    if source.lacks(place, time_s):
        return f"the hour of {iso(time_s)} is missing in the file"
    spans = (f"'{name}' from {iso(since_s)} to {iso(until_s)}" for name, (since_s, until_s) in source.spans_s.items())
    return f"the file tells of {', '.join(spans)}"


def _hint(place: str) -> str:
    """Nobody here knows the place either: a typing error, or a zone that only the source knows."""
    try:
        Places.shipped().find(place)
    except UnknownName as error:
        return f" ({str(error).partition(';')[0]})"
    return ""


def _plain(lookup: Lookup) -> dict[str, Any]:
    rows = [{**_figure(each), "is_greenest": each.g_per_kwh == lookup.greenest_g_per_kwh} for each in lookup.expected]
    asked = {"place": lookup.place, "time": iso(lookup.time_s)}
    figure = {**_figure(lookup.figure), "account": _in_accounts(lookup.figure), "region": _region(lookup.place)}
    return {**asked, **figure, "trouble": lookup.trouble, "forecast": rows}


def _figure(figure: Intensity) -> dict[str, Any]:
    return {
        "holds_from": iso(figure.time_s),
        "g_per_kwh": figure.g_per_kwh,
        "low_g_per_kwh": figure.low_g_per_kwh,
        "high_g_per_kwh": figure.high_g_per_kwh,
        "kind": figure.kind,
        "emissions": figure.basis.emissions,
        "accounting": figure.basis.accounting,
        "year": figure.basis.year,
        "method": str(figure.method),
        "source": figure.source,
    }


def _in_accounts(figure: Intensity) -> dict[str, Any] | None:
    """What an account takes the figure for; None where it takes it as it stands."""
    taken = rebased(figure)
    return None if taken is figure else _figure(taken)


def _region(place: str) -> dict[str, Any] | None:
    """What the provider of a cloud region publishes of it."""
    region = Places.shipped().region(place)
    if region is None:
        return None
    pue, direct = region.pue, region.direct
    told: dict[str, Any] = {"name": region.name}
    told |= {"pue": pue.range.mid, "pue_source": pue.source} if pue else {}
    return told | ({"direct_g_per_kwh": direct.range.mid, "direct_source": direct.source} if direct else {})


def _show(lookup: Lookup, hours: float) -> None:
    figure, console = lookup.figure, Console(highlight=False, markup=False)
    console.print(
        f"{lookup.place}, {iso(lookup.time_s)}: {figure.g_per_kwh:.4g} gCO2e/kWh "
        f"({figure.low_g_per_kwh:.4g} to {figure.high_g_per_kwh:.4g}), {figure.kind}, {figure.basis}",
        style="bold",
    )
    console.print(f"{figure.method}: {MEANING[figure.method]}")
    console.print(f"source: {figure.source}")
    taken = rebased(figure)
    if taken is not figure:
        console.print(f"an account takes {taken.g_per_kwh:.4g} g/kWh: {taken.source.removeprefix(figure.source)[2:]}")
    _show_region(lookup.place, console)
    if lookup.trouble:
        console.print(f"Not what was asked for: {lookup.trouble}.", style="yellow")
    if lookup.expected:
        _show_forecast(lookup, console)
    elif hours:
        console.print("No forecast: ask a live source that has one, or a CSV file that holds the hours to come.")


def _show_region(place: str, console: Console) -> None:
    region = Places.shipped().region(place)
    if region and region.pue:
        console.print(f"{region.name}: PUE {region.pue.range.mid:g} ({region.pue.source})")
    if region and region.direct:
        direct = f"its provider publishes {region.direct.range.mid:g} g/kWh, direct: not on the basis of accounts"
        console.print(f"{region.name}: {direct} ({region.direct.source})")


def _show_forecast(lookup: Lookup, console: Console) -> None:
    table = Table("from", "gCO2e/kWh", "low to high", "", title=f"Expected, {lookup.expected[0].kind}")
    for each in lookup.expected:
        is_greenest = each.g_per_kwh == lookup.greenest_g_per_kwh
        span = f"{each.low_g_per_kwh:.4g} to {each.high_g_per_kwh:.4g}"
        figure, mark = f"{each.g_per_kwh:.4g}", "greenest" if is_greenest else ""
        table.add_row(iso(each.time_s), figure, span, mark, style="green" if is_greenest else None)
    console.print(table)


def _choices() -> dict[str, Any]:
    sources = [{"name": name, "what": what, "needs": needs} for name, what, needs in _sources()]
    places = [
        {
            "code": code,
            "name": name,
            "figure_of": place.code,
            "g_per_kwh": place.g_per_kwh.mid,
            "low_g_per_kwh": place.g_per_kwh.low,
            "high_g_per_kwh": place.g_per_kwh.high,
            "emissions": place.basis.emissions,
            "accounting": place.basis.accounting,
            "year": place.year,
            "source": place.source,
        }
        for code, name, place in Places.shipped().entries()
    ]
    return {"sources": sources, "places": places}


def _sources() -> list[tuple[str, str, list[str]]]:
    """Name, what it tells, and what it needs of the environment."""
    classes = {name: INTENSITY_SOURCES.get(name) for name in INTENSITY_SOURCES.names()}
    return [
        (name, (each.__doc__ or "").partition("\n")[0].replace("``", ""), list(getattr(each, "variables", ())))
        for name, each in classes.items()
    ]


def _show_choices() -> None:
    sources = Table("--source", "what", "needs in the environment", title="Sources")
    for name, what, needs in _sources():
        sources.add_row("a CSV file" if name == "csv" else name, what, "\n".join(needs))
    places = Table("code", "name", "gCO2e/kWh", "low to high", "of", title="Places and their yearly averages")
    for code, name, place in Places.shipped().entries():
        span, whose = place.g_per_kwh, str(place.year) if code == place.code else f"{place.code}, {place.year}"
        places.add_row(code, name, f"{span.mid:g}", f"{span.low:g} to {span.high:g}", whose)
    console = Console()
    console.print(places)
    console.print(sources)
    console.print("autoscale carbon intensity PLACE --source NAME shows one, with its citation", highlight=False)
