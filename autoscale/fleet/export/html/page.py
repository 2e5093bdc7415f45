"""The report as one HTML page: headline figures, charts, tables, how each figure is known. No scripts, no links out."""

from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from typing import Any, Final

from autoscale.fleet.export.as_json import as_json
from autoscale.fleet.export.declarations import declarations
from autoscale.fleet.export.html.charts import KINDS, Bar, bars, columns, figure, legend, spoken
from autoscale.fleet.export.html.outlook import fleet_section, growth, life_cycle
from autoscale.fleet.export.html.tables import (
    dimension_table,
    estimators_table,
    heaviest_table,
    savings_table,
    scenarios_table,
    split_table,
    table,
)
from autoscale.fleet.export.units import count, declared, energy, joules, mass, percent
from autoscale.fleet.report.account import Report
from autoscale.fleet.report.boundary import asked_by, included, left_out
from autoscale.fleet.report.counterfactual import Counterfactual
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.notices import notices
from autoscale.fleet.report.scopes import by_scope
from autoscale.fleet.report.sums import NG_PER_G, Sums, fleet_sci_g_of

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
{style}</style></head><body><main>
{body}
</main></body></html>
"""

_PARTS: Final = {"device": "device", "network": "network", "remote": "remote machine"}
_FEW_DAYS: Final = 3
_MOST_BARS: Final = 8

Figures = dict[str, Any]


def as_html(report: Report, controls: str = "") -> str:
    """The text of the page; where it is served, with the HTML of what it is filtered by."""
    figures = as_json(report)
    sections: tuple[Callable[[Report, Figures], str], ...] = (
        _headline,
        _sources,
        _over_time,
        _alternatives,
        fleet_section,
        life_cycle,
        growth,
        _tables,
        _whose,
        _methods,
    )
    headline, *others = (section(report, figures) for section in sections)
    header, _, rest = headline.partition("</header>")
    return framed("\n".join((f"{header}</header>{controls}{rest}", *others)))


def framed(body: str) -> str:
    """A whole page of a body."""
    style = (files("autoscale.fleet.export.html") / "style.css").read_text(encoding="utf-8")
    return _PAGE.format(title="Carbon of a fleet's inference", style=style, body=body)


def _headline(report: Report, figures: Figures) -> str:
    total, span = report.total, figures["span"]
    low, mid, high = (figures["sci_g_per_inference"][end] * NG_PER_G for end in ("low", "mid", "high"))
    embodied = sum(total.embodied_ng) / (total.total_ng.mid or 1)
    whole = () if report.fleet is None else _fleet_cards(report.fleet, total.inferences)
    asked = asked_by(f"{count(report.devices)} devices", report)
    cards = (
        *whole,
        (
            "Carbon of all queries",
            mass(total.total_ng.mid),
            f"CO₂e; {mass(total.total_ng.low)} to {mass(total.total_ng.high)}",
        ),
        (
            "A query by itself (SCI)" if whole else "For each inference (SCI)",
            mass(mid),
            f"CO₂e; {mass(low)} to {mass(high)}",
        ),
        (
            "Energy of all queries",
            energy(sum(total.energy_uj)),
            f"{joules(sum(total.energy_uj) / (total.inferences or 1))} each",
        ),
        (
            "Inferences",
            count(total.inferences),
            f"of {asked}, {percent(total.missed_fraction)} missed the goal",
        ),
    )
    listed = "".join(
        f'<div class="card{" first" if not number else ""}"><dt>{name}</dt><dd class="figure">{figure}</dd>'
        f'<dd class="more">{more}</dd></div>'
        for number, (name, figure, more) in enumerate(cards)
    )
    when = f"{_moment(span['since'])} to {_moment(span['until'])} UTC"
    return (
        f'<header><h1>Carbon of a fleet’s inference</h1><p class="soft">{escape(report.ledger)} · {when}</p></header>'
        f"{_notices(report)}"
        f'<dl class="cards">{listed}</dl>'
        f"<p>{percent(1.0 - embodied)} of the queries’ carbon comes from electricity, {percent(embodied)} is "
        f"embodied in hardware.</p>{_boundary(report)}"
    )


def _fleet_cards(fleet: Fleet, inferences: int) -> tuple[tuple[str, str, str], ...]:
    """What stands first where it is known: the queries are the smaller part."""
    whole, sci = fleet.total_ng, fleet_sci_g_of(fleet.total_ng, inferences)
    carbon = "Carbon of the whole fleet", mass(whole.mid), f"CO₂e; {mass(whole.low)} to {mass(whole.high)}"
    if sci is None:
        return carbon, ("For each inference (SCI)", "not known", "no inference in this span")
    low, mid, high = (mass(end * NG_PER_G) for end in (sci.low, sci.mid, sci.high))
    return carbon, ("For each inference (SCI)", mid, f"CO₂e; {low} to {high}")


def _boundary(report: Report) -> str:
    sentences = " ".join(escape(each) for each in left_out(report))
    return f'<p class="note">In the figures: {escape(included(report))}. {sentences}</p>'


def _notices(report: Report) -> str:
    listed = "".join(f"<li>{escape(each)}</li>" for each in notices(report))
    return f'<ul class="notices">{listed}</ul>' if listed else ""


def _sources(report: Report, _: Figures) -> str:
    rows = [
        Bar(name, parts._asdict(), mass(sum(parts)))
        for name, parts in (("operational", report.total.operational_ng), ("embodied", report.total.embodied_ng))
    ]
    chart = bars("Where the carbon comes from", spoken(rows), rows)
    networks = sorted(report.by["network"].items(), key=lambda each: -each[1].total_ng.mid)[:_MOST_BARS]
    by_network = [_kinds_bar(name, sums) for name, sums in networks]
    return "".join(
        (
            "<h2>Where it comes from</h2>",
            figure("By part", "CO₂e, operational and embodied", chart, legend(_PARTS)),
            figure(
                "By neural network",
                "CO₂e of all its queries",
                bars("By neural network", spoken(by_network), by_network),
                legend(KINDS),
            ),
            split_table(report.total),
        )
    )


def _over_time(report: Report, _: Figures) -> str:
    days = report.by["day"]
    is_short = len(days) <= _FEW_DAYS
    named = report.by["hour"] if is_short else days
    rows = [_kinds_bar(f"{name}:00" if is_short else name[5:], sums) for name, sums in named.items()]
    highest = max(rows, key=lambda row: row.length, default=Bar("", {}, "nothing"))
    description = f"highest at {highest.label} with {highest.text}, {len(rows)} columns"
    what = "CO₂e by hour of the day, UTC" if is_short else "CO₂e by day, UTC"
    chart = columns("Over time", description, rows, f"{highest.text}, the most")
    return f"<h2>Over time</h2>{figure('When', what, chart, legend(KINDS))}"


def _alternatives(report: Report, figures: Figures) -> str:
    classes = {"actual": "operational", "oracle": "best"}
    rows = [
        Bar(each.name, {classes.get(each.name, "plain"): float(each.carbon_ng)}, _label(each, report.total.inferences))
        for each in report.scenarios
        if each.covered
    ]
    note = (
        "Estimated from the queries of the ledger that went that way, each standing for as many as one over the "
        "probability with which it was chosen (docs/off-policy.md), per network and device model; all go to the one "
        "target there that was chosen most, so 'all on device' is another figure than 'actual' even where every "
        "query stayed on the device, but at several of its targets. The first table is of the self-normalised "
        "estimate (snips). Inverse propensity alone (ips) has no bias, and is wider; doubly robust starts from the "
        "mean of what went to the target, since sums of an hour keep no forecasts: by those, 'autoscale evaluate "
        "--records' judges. Where there is no estimate, a query is left as it went: compare two scenarios only where "
        "both are estimated for most queries. The oracle takes the target of the lowest mean, per region and hour "
        "where these tell, that missed the goal no more often, so a scenario that misses it more often may emit less "
        "than the oracle. Of a network every query carries its share, and less sending does not switch it off."
    )
    return "".join(
        (
            "<h2>Had it gone another way</h2>",
            figure("The same queries", "CO₂e", bars("Had it gone another way", spoken(rows), rows)),
            scenarios_table(figures["counterfactuals"]),
            estimators_table(figures["counterfactuals"]),
            f'<p class="note">{note}</p>',
            f'<div class="words">{_savings(report, figures)}</div>',
        )
    )


def _savings(report: Report, figures: Figures) -> str:
    if report.fleet is None:
        return savings_table(figures["savings"], report.total.total_ng.mid, "of the queries' carbon")
    return savings_table(figures["savings"], report.fleet.total_ng.mid, "of the fleet's carbon")


def _tables(report: Report, _: Figures) -> str:
    by = report.by
    return "".join(
        (
            "<h2>In detail</h2>",
            dimension_table("By neural network", "neural network", by["network"]),
            dimension_table("By target that answered", "target", by["target"]),
            dimension_table("By device model", "device model", by["device_model"]),
            dimension_table("By region of the device", "region", _called(by["region"], "not known")),
            dimension_table(
                "By region of the remote machine", "region", _called(by["far_region"], "none asked, or not known")
            ),
            _folded("Devices of most carbon", heaviest_table(report.heaviest)),
            _folded("By hour of the day, UTC", dimension_table("By hour of the day, UTC", "hour", by["hour"], True)),
            _folded("By day, UTC", dimension_table("By day, UTC", "day", by["day"], True)),
        )
    )


def _whose(report: Report, _: Figures) -> str:
    views = {"operator": "who runs the service", "maker": "who makes the devices"}
    rows = [
        [scope, views[view], mass(mass_ng)]
        for view, scopes in by_scope(report).items()
        for scope, mass_ng in sorted(scopes.items())
    ]
    said = [
        [each.name, declared(each.value, each.unit), each.boundary, each.method, each.nature, each.completeness]
        for each in declarations(report)
    ]
    head = ("value", "figure", "boundary", "method", "nature", "completeness")
    return "".join(
        (
            "<h2>Whose it is, and what each figure is</h2>",
            table("By scope of the Greenhouse Gas Protocol", ("scope", "in the account of", "CO₂e"), rows),
            '<p class="note">The two views are of the same kilograms, and must not be added to each other.</p>',
            _folded("What each figure is", f'<div class="words">{table("What each figure is", head, said)}</div>'),
        )
    )


def _methods(report: Report, figures: Figures) -> str:
    rows = [
        [figure, ", ".join(f"{method} {percent(number / sum(counts.values()))}" for method, number in counts.items())]
        for figure, counts in report.methods.items()
    ]
    taken = figures["rows"]
    rejected = ", ".join(f"{name} {count(number)}" for name, number in taken["rejected"].items()) or "none"
    lost = ", ".join(f"{name} {count(number)}" for name, number in taken["lost"].items()) or "none"
    damaged = f"{count(sum(taken['damaged'].values()))} rows in {len(taken['damaged'])} damaged files left out"
    return (
        "<h2>How this is known</h2>"
        f"<p>The whole ledger has {count(taken['accepted'])} accepted rows; rejected: {rejected}; sent more than once, "
        f"counted once: {count(taken['duplicate'])}; dropped by devices: {lost}; missing: {count(taken['missing'])}; "
        f"{damaged}.</p>"
        "<p>SCI = (O + M) per R of ISO/IEC 21031:2024, R one inference: O energy times the grid's intensity at its "
        "place and hour, location-based, without offsets or certificates; M the embodied carbon of each machine times "
        "its time and share reserved. Sums are of whole microjoules and nanograms, the same on every engine. Low and "
        "high take all errors together. A query missed the goal if it came late or its variant fell short of the "
        "accuracy.</p>"
        f'<div class="words">{table("How the rows’ figures are known", ("figure", "of the queries"), rows)}</div>'
        f'<p class="note">Computed by {escape(report.engine)}.</p>'
    )


def _label(scenario: Counterfactual, inferences: int) -> str:
    text = mass(scenario.carbon_ng)
    covered = scenario.covered / (inferences or 1)
    return text if covered == 1.0 else f"{text}, estimated for {percent(covered)}"


def _called(named: Mapping[str, Sums], nameless: str) -> dict[str, Sums]:
    return {name or nameless: sums for name, sums in named.items()}


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _kinds_bar(name: str, sums: Sums) -> Bar:
    kinds = {"operational": float(sum(sums.operational_ng)), "embodied": float(sum(sums.embodied_ng))}
    return Bar(name, kinds, mass(sums.total_ng.mid))


def _moment(text: str | None) -> str:
    return "…" if text is None else text.removesuffix("Z").replace("T", " ").removesuffix(" 00:00:00")
