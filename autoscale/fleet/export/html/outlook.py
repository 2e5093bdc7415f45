"""The page's sections beyond the queries: what waits, what came before, and what growth would bring."""

from html import escape
from typing import Any, Final

from autoscale.fleet.export.html.charts import KINDS, Bar, bars, figure, legend, spoken
from autoscale.fleet.export.html.tables import fleet_table, table
from autoscale.fleet.export.units import count, energy, mass, percent
from autoscale.fleet.report.account import Report
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
    quiet = f"<details><summary>{count(len(fleet.silent))} of {count(fleet.machines)} machines never reported</summary>"
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
    if not figures["life_cycle"]:
        return ""
    rows = [[each["name"], mass(each["carbon_kg"] * 1e12), percent(each["share"])] for each in figures["life_cycle"]]
    return f"<h2>Life cycle</h2>{table('Inference beside what came before it', ('', 'carbon', 'share'), rows)}"


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
    days = report.span.duration_us / US_PER_DAY
    seen = f"{days:.1f} days are" if days >= 1.0 else "what is less than a day is taken for a day and"
    what = "the queries" if report.fleet is None else "the whole fleet"
    stated = f"<p>Projections of {what}, not forecasts: {seen} stretched to a year, under stated factors.</p>"
    return f"<h2>If it grows</h2>{stated}{''.join(pieces)}"
