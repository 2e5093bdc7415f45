"""The page's sections beyond the queries: what waits, what came before, and what growth would bring."""

from html import escape
from typing import Any, Final

from autoscale.fleet.export.html.charts import KINDS, Bar, Span, bars, figure, legend, spoken, tornado
from autoscale.fleet.export.html.tables import fleet_table, table
from autoscale.fleet.export.units import count, energy, mass, percent
from autoscale.fleet.report.account import Report
from autoscale.fleet.report.boundary import who_is_silent
from autoscale.units import US_PER_DAY

MOST_NAMES: Final = 200

Figures = dict[str, Any]


def fleet_section(report: Report, figures: Figures) -> str:
    """Queries, waiting and unallocated embodied carbon, and who never reported; empty without an inventory."""
    if report.fleet is None:
        return ""
    fleet = report.fleet
    segments = {"queries": fleet.queries_ng.mid, "idle": fleet.idle_ng.mid, "unallocated": fleet.unallocated_ng.mid}
    rows = [Bar(name, {name: float(value)}, mass(value)) for name, value in segments.items()]
    names = {
        "queries": "queries",
        "idle": "waiting: idle power",
        "unallocated": "embodied carbon that no query carries",
    }
    silent = "".join(f"<li>{escape(each)}</li>" for each in fleet.silent[:MOST_NAMES])
    more = len(fleet.silent) - MOST_NAMES
    hidden = f'<p class="note">and {more} more, in the JSON</p>' if more > 0 else ""
    counted = f"{count(len(fleet.silent))} of {count(fleet.machines)} machines {who_is_silent(report)}"
    quiet = f"<details><summary>{counted}</summary>"
    return "".join(
        (
            "<h2>The whole fleet</h2>",
            f"<p>{mass(fleet.total_ng.mid)} CO₂e with all that waits; the queries are "
            f"{percent(fleet.queries_ng.mid / (fleet.total_ng.mid or 1))} of it. Idle machines drew "
            f"{energy(fleet.idle_energy_uj)}.</p>",
            figure("Queries, waiting, embodied", "CO₂e", bars("The whole fleet", spoken(rows), rows), legend(names)),
            fleet_table(figures["fleet"]["carbon_ng"]),
            f"{quiet}<ul>{silent}</ul>{hidden}</details>" if fleet.silent else "<p>Every device reported.</p>",
        )
    )


def life_cycle(_: Report, figures: Figures) -> str:
    """Inference beside the phases that were given; empty where none were."""
    return f"<h2>Life cycle</h2>{_phases(figures)}{_parts(figures)}{_refresh(figures)}"


def _phases(figures: Figures) -> str:
    if not figures["life_cycle"]:
        return ""
    rows = [
        [each["name"], mass(each["carbon_kg"] * 1e12), percent(each["share"]), each["source"]]
        for each in figures["life_cycle"]
    ]
    return table("Inference beside what came before it", ("", "carbon", "share", "whose figures"), rows)


def _parts(figures: Figures) -> str:
    names = {"use": "use", "making": "making", "transport": "carrying", "end_of_life": "end of life"}
    whole = sum(figures["life_parts"].values()) or 1.0
    rows = [[names[key], mass(value * 1e12), percent(value / whole)] for key, value in figures["life_parts"].items()]
    return table("Where in the machines' lives", ("", "carbon", "share"), rows)


def _refresh(figures: Figures) -> str:
    if not figures["refresh"]:
        return ""
    rows = [
        [
            each["name"],
            mass(each["making_kg"] * 1e12),
            mass(each["use_kg"] * 1e12),
            mass((each["making_kg"] + each["use_kg"]) * 1e12),
            mass(each["reused_kg"] * 1e12),
        ]
        for each in figures["refresh"]
    ]
    head = ("devices are renewed", "making", "use", "both, a year", "making that a second life carries")
    saved = percent(1.0 - figures["refresh"][0]["energy_of_new_per_year"])
    note = f'<p class="note">Of the devices; those of a year later draw {saved} less for the same work.</p>'
    return table("How long devices serve, and their second life", head, rows) + note


def _tornado(scenario: Figures) -> str:
    """What each assumption alone does to the last year; empty where none has a range."""
    last = scenario["years"][-1]
    mid_kg = last["operational_kg"] + last["embodied_kg"] + last["phases_kg"]
    rows = [
        Span(
            f"{each['assumption'].replace('_', ' ')}, {each['low']:.3g} to {each['high']:.3g}",
            each["kg_at_low"],
            each["kg_at_high"],
            f"{mass(each['kg_at_low'] * 1e12)} to {mass(each['kg_at_high'] * 1e12)}",
        )
        for each in scenario["tornado"]
    ]
    if not rows:
        return ""
    title = f"Which assumption decides in year {last['year']}"
    told = "; ".join(f"{row.label} {row.text}" for row in rows)
    keys = legend({"operational": "at its low end", "embodied": "at its high end"})
    varied = scenario["assumptions"]["varied"]
    note = f"Each alone, the others as stated: {mass(mid_kg * 1e12)}. Their ranges: {varied}."
    return figure(title, "CO₂e of that year", tornado(title, told, rows, mid_kg), keys, note)


def growth(report: Report, figures: Figures) -> str:
    """What the fleet would emit if it grew."""
    pieces = []
    for scenario in figures["growth"]:
        given = scenario["assumptions"]
        rows = [
            Bar(
                f"year {year['year']}" if year["year"] else "as it is now",
                {kind: year[f"{kind}_kg"] * 1e12 for kind in KINDS},
                f"{mass((year['operational_kg'] + year['embodied_kg']) * 1e12)}",
            )
            for year in scenario["years"]
        ]
        stated = (
            f"Each year {given['demand_per_year']:.2f} times the queries, {given['energy_per_year']:.2f} times the "
            f"energy and {given['embodied_per_year']:.2f} times the embodied carbon of each. {given['why']}."
        )
        chart = bars(scenario["name"], spoken(rows), rows)
        pieces.append(figure(scenario["name"].capitalize(), "CO₂e a year", chart, legend(KINDS), stated))
        pieces.append(_tornado(scenario))
    days = report.span.duration_us / US_PER_DAY
    seen = f"{days:.1f} days are" if days >= 1.0 else "what is less than a day is taken for a day and"
    what = "the queries" if report.fleet is None else "the whole fleet"
    stated = f"<p>Projections of {what}, not forecasts: {seen} stretched to a year, under stated factors.</p>"
    return f"<h2>If it grows</h2>{stated}{''.join(pieces)}"
