"""The report for machines. Rounded figures in kWh, kg and g, and beside them the whole numbers they come from."""

from dataclasses import asdict
from typing import Any, Final

from autoscale.fleet.export.declarations import declarations, sci_for_ai
from autoscale.fleet.ledger.span import when, when_or_open
from autoscale.fleet.report.account import Report
from autoscale.fleet.report.boundary import included, left_out
from autoscale.fleet.report.counterfactual import Counterfactual, Estimated
from autoscale.fleet.report.growth import ASSUMPTIONS, Growth, Swing, Year, projection, tornado
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.notices import notices, rejected_rows
from autoscale.fleet.report.parts import parts_of_life
from autoscale.fleet.report.renewal import renewals
from autoscale.fleet.report.scopes import by_scope
from autoscale.fleet.report.sums import NG_PER_G, Parts, Sums, WholeInterval, fleet_sci_g_of, kg, kwh
from autoscale.units import kg_from_g

SCHEMA: Final = 1


def as_json(report: Report) -> dict[str, Any]:
    """What ``--json`` writes.

    ``notices`` says what the figures rest on and leave out. ``inferences``, ``energy_kwh``, ``carbon_kg`` and
    ``sci_g_per_inference`` are of the queries alone; ``fleet`` adds what waits, where an inventory was given.
    ``devices`` counts those that are named: not those of queries that are sums alone. ``rows`` counts the whole ledger,
    whatever the span, but for ``impossible``, ``repeated``, ``aged``, ``sent_as_sums`` and ``cut_hours``. ``exact``
    holds the whole numbers that all is rounded from. ``hour`` is of the day, UTC; a ``far_region`` of "" asked no
    remote machine. ``growth`` starts from the span, a day at least, and from the whole fleet where that is known.
    ``never_reported`` is null where nobody can tell. ``declarations`` says of each value its boundary, method, unit,
    nature and completeness, and whose scope it stands in.
    """
    total = report.total
    return {
        "schema": SCHEMA,
        "ledger": report.ledger,
        "engine": report.engine,
        "span": {"since": when_or_open(report.span.since_us), "until": when_or_open(report.span.until_us)},
        "notices": notices(report),
        "devices": report.devices,
        "has_unnamed_devices": report.has_unnamed_devices,
        "devices_of_most_carbon": [asdict(each) for each in report.heaviest],
        "inferences": total.inferences,
        "energy_kwh": _kwh(total.energy_uj),
        "carbon_kg": _carbon(total),
        "sci_g_per_inference": asdict(total.sci_g),
        "rows": _rows(report),
        "exact": _exact(total),
        "by": {dimension: [_named(*each) for each in named.items()] for dimension, named in report.by.items()},
        "methods": {figure: dict(counts) for figure, counts in report.methods.items()},
        "fleet": None if report.fleet is None else _fleet(report.fleet, report),
        "counterfactuals": _counterfactuals(report),
        "savings": [
            {"name": each.name, "carbon_kg": kg(each.carbon_ng), "carbon_ng": each.carbon_ng, "method": each.method}
            for each in report.savings
        ],
        "life_cycle": _life_cycle(report),
        "life_parts": {name: kg(ng) for name, ng in parts_of_life(report).items()},
        "refresh": _refresh(report),
        "growth": _growth(report),
        "included": included(report),
        "not_included": left_out(report),
        "declarations": [asdict(each) for each in declarations(report)],
        "scopes_kg": {
            view: {scope: kg(mass_ng) for scope, mass_ng in scopes.items()} for view, scopes in by_scope(report).items()
        },
        "sci_for_ai": dict(sci_for_ai(report)),
    }


def _kwh(energy_uj: Parts) -> dict[str, float]:
    return {part: kwh(value) for part, value in energy_uj._asdict().items()}


def _kg(mass_ng: Parts) -> dict[str, float]:
    return {part: kg(value) for part, value in mass_ng._asdict().items()}


def _ends(mass_ng: WholeInterval) -> dict[str, float]:
    return {end: kg(value) for end, value in mass_ng._asdict().items()}


def _carbon(sums: Sums) -> dict[str, Any]:
    return {"operational": _kg(sums.operational_ng), "embodied": _kg(sums.embodied_ng), "total": kg(sums.total_ng.mid)}


def _named(name: str, sums: Sums) -> dict[str, Any]:
    return {
        "name": name,
        "inferences": sums.inferences,
        "energy_kwh": _kwh(sums.energy_uj),
        "carbon_kg": _carbon(sums),
        "sci_g_per_inference": asdict(sums.sci_g),
        "missed_fraction": sums.missed_fraction,
    }


def _rows(report: Report) -> dict[str, Any]:
    view = report.ledger_view
    return {
        "accepted": view.counts.get("accepted", 0),
        "rejected": rejected_rows(view.counts),
        "duplicate": view.counts.get("duplicate", 0),
        "reordered": view.counts.get("reordered", 0),
        "clock_set_back": view.counts.get("clock_set_back", 0),
        "missing": view.counts.get("missing", 0),
        "lost": dict(sorted(view.lost.items())),
        "damaged": {each.path: each.rows for each in view.damaged},
        "impossible": report.impossible,
        "repeated": report.repeated,
        "aged": report.sums_alone.aged,
        "sent_as_sums": report.sums_alone.sent,
        "cut_hours": [
            {"hour": when(each.hour_us), "queries": each.queries, "is_counted": each.is_counted}
            for each in report.sums_alone.cut
        ],
        "forgotten": view.counts.get("forgotten", 0),
        "without_digest": view.undigested,
        "is_sealed": view.is_sealed,
    }


def _exact(sums: Sums) -> dict[str, Any]:
    return {
        "energy_uj": sums.energy_uj._asdict(),
        "operational_ng": sums.operational_ng._asdict(),
        "embodied_ng": sums.embodied_ng._asdict(),
        "total_ng": sums.total_ng._asdict(),
        "latency_us": sums.latency_us,
        "missed": sums.missed,
        "building_uj": sums.building_uj,
    }


def _fleet(fleet: Fleet, report: Report) -> dict[str, Any]:
    parts = {"queries": fleet.queries_ng, "idle": fleet.idle_ng, "unallocated_embodied": fleet.unallocated_ng}
    named = parts | {"total": fleet.total_ng}
    sci_g = fleet_sci_g_of(fleet.total_ng, report.total.inferences)
    return {
        "machines": fleet.machines,
        "idle_energy_kwh": kwh(fleet.idle_energy_uj),
        "carbon_kg": {name: _ends(ends) for name, ends in named.items()},
        "carbon_ng": {name: ends._asdict() for name, ends in named.items()},
        "sci_g_per_inference": None if sci_g is None else asdict(sci_g),
        "never_reported": None if report.has_unnamed_devices else list(fleet.silent),
        "in_no_row": list(fleet.silent),
        "not_in_inventory": fleet.unknown,
        "overdrawn_embodied_kg": kg(fleet.overdrawn_ng),
    }


def _counterfactuals(report: Report) -> list[dict[str, Any]]:
    queries = report.total.inferences or 1
    return [
        {
            "name": each.name,
            "carbon_kg": kg(each.carbon_ng),
            "carbon_ng": each.carbon_ng,
            **_known_ends(each),
            "g_per_inference": each.carbon_ng / (NG_PER_G * queries),
            "missed_fraction": each.missed / queries,
            "covered_fraction": each.covered / queries,
            "refused": each.refused,
            "estimates": {
                name: {"carbon_kg": kg(found.carbon_ng), **_known_ends(found)} for name, found in each.estimates.items()
            },
        }
        for each in report.scenarios
    ]


def _known_ends(scenario: Counterfactual | Estimated) -> dict[str, float]:
    """Of the interval of 95 %, where there is one."""
    if scenario.low_ng is None or scenario.high_ng is None:
        return {}
    return {"low_kg": kg(scenario.low_ng), "high_kg": kg(scenario.high_ng)}


def _life_cycle(report: Report) -> list[dict[str, Any]]:
    """Inference, with what idles where that is known, beside the phases that were given; nothing where none were."""
    if not report.life_cycle.phases:
        return []
    sums, fleet = report.total, report.fleet
    operational_ng = sum(sums.operational_ng) + (fleet.idle_ng.mid if fleet else 0)
    embodied_ng = sum(sums.embodied_ng) + (fleet.unallocated_ng.mid if fleet else 0)
    grams = [(each, each.name, each.operational_g, each.embodied_g) for each in report.life_cycle.phases]
    inference = (None, "inference", operational_ng / NG_PER_G, embodied_ng / NG_PER_G)
    whole = sum(operational_g + embodied_g for _, _, operational_g, embodied_g in [*grams, inference])
    return [
        {
            "name": name,
            "stage": phase.stage if phase else name,
            "carbon_kg": kg_from_g(operational_g + embodied_g),
            "share": (operational_g + embodied_g) / whole if whole else 0.0,
            "operational_kg": kg_from_g(operational_g),
            "embodied_kg": kg_from_g(embodied_g),
            "source": phase.source if phase else "the ledger",
        }
        for phase, name, operational_g, embodied_g in [*grams, inference]
    ]


def _refresh(report: Report) -> list[dict[str, Any]]:
    """A year of the devices under each policy of how long they serve."""
    return [
        {
            "name": each.refresh.name,
            "life_years": each.refresh.life_years,
            "second_life_years": each.refresh.second_life_years,
            "reused_fraction": each.refresh.reused_fraction,
            "energy_of_new_per_year": each.refresh.energy_of_new_per_year,
            "making_kg": kg_from_g(each.making_g),
            "reused_kg": kg_from_g(each.reused_g),
            "use_kg": kg_from_g(each.use_g),
        }
        for each in renewals(report)
    ]


def _projected(report: Report, growth: Growth) -> tuple[Year, ...]:
    return projection(report.total, report.span.duration_us, growth, report.fleet, report.life_cycle.phases)


def _swings(report: Report, growth: Growth) -> tuple[Swing, ...]:
    return tornado(report.total, report.span.duration_us, growth, report.fleet, report.life_cycle.phases)


def _growth(report: Report) -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "assumptions": {
                **{name: each.assumption(name).value for name in ASSUMPTIONS},
                "why": each.why,
                "varied": each.varied,
            },
            "tornado": [
                {
                    "assumption": swing.name,
                    "what": ASSUMPTIONS[swing.name],
                    "low": swing.assumption.low,
                    "high": swing.assumption.high,
                    "kg_at_low": kg_from_g(swing.low_g),
                    "kg_at_high": kg_from_g(swing.high_g),
                }
                for swing in _swings(report, each)
            ],
            "years": [
                {
                    "year": year.year,
                    "inferences": year.inferences,
                    "operational_kg": kg_from_g(year.operational_g),
                    "embodied_kg": kg_from_g(year.embodied_g),
                    "waiting_kg": kg_from_g(year.waiting_g),
                    "phases_kg": kg_from_g(year.phases_g),
                }
                for year in _projected(report, each)
            ],
        }
        for each in report.life_cycle.growth
    ]
