"""What each exported value is: boundary, method, unit, nature and completeness, and whose scope it stands in.

Without these five a figure cannot be set beside another one. They are texts for people and the same for every format.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from autoscale.fleet.ledger.schema import PARTS
from autoscale.fleet.report.account import Report
from autoscale.fleet.report.boundary import included
from autoscale.fleet.report.scopes import VIEWS
from autoscale.fleet.report.sums import NG_PER_G, fleet_sci_g_of, kg, kwh
from autoscale.units import kg_from_g

_ENERGY: Final = "joules of each query, as its device or server measured or modelled them"
_OPERATIONAL: Final = (
    "energy times the grid's intensity at its place and hour, times the building's PUE; location-based"
)
_EMBODIED: Final = "making of each machine times the time and share reserved of its life (SCI, ISO/IEC 21031:2024)"
_SCI: Final = "(O + M) per R of SCI (ISO/IEC 21031:2024), R one inference"
_SCI_FOR_AI: Final = "SCI for AI: grams over the inferences of the span"
_WEIGHED: Final = "queries that went there by chance stand for one over its probability, by network and device model"
_BEST: Final = "the best target that the rows tell of, by network and device model, at no more misses"
_MODELLED: Final = "modelled"
FIVE: Final = ("boundary", "method", "unit", "nature", "completeness")
"""What is declared of each value."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """One value with what must be said of it.

    Attributes:
        name: where it stands in the JSON.
        value: the number.
        unit: of it.
        boundary: what is inside.
        method: how it is made.
        nature: how its figures are known, by share of the queries.
        completeness: how much of what was to be counted is in it.
        operator: scope for who runs the service; empty for energies and ratios.
        maker: scope for who makes the devices.
    """

    name: str
    value: float
    unit: str
    boundary: str
    method: str
    nature: str
    completeness: str
    operator: str = ""
    maker: str = ""


def declarations(report: Report) -> list[Declaration]:
    """Of every value of a report but those of growth and refresh, whose assumptions stand beside them."""
    return [*_queries(report), *_fleet(report), *_phases(report), *_scores(report), *_estimates(report)]


def _queries(report: Report) -> Iterator[Declaration]:
    total, complete = report.total, completeness(report)
    inside = {"device": "the devices that ask, radio with it", "network": "their share of the networks between"}
    inside |= {"remote": "the machines that answer"}
    for part in PARTS:
        boundary, value = inside[part], kwh(getattr(total.energy_uj, part))
        how = _nature(report, f"energy_j.{part}")
        yield Declaration(f"energy_kwh.{part}", value, "kWh", boundary, _ENERGY, how, complete)
    for kind, split, method in (
        ("operational", total.operational_ng, _OPERATIONAL),
        ("embodied", total.embodied_ng, _EMBODIED),
    ):
        for part in PARTS:
            how = _nature(report, f"carbon_{kind}_g.{part}")
            name, value = f"carbon_kg.{kind}.{part}", kg(getattr(split, part))
            yield Declaration(name, value, "kg CO2e", inside[part], method, how, complete, *scopes(report, kind, part))
    sci, how = total.sci_g.mid, _nature(report, "energy_j.device")
    yield Declaration("sci_g_per_inference", sci, "g CO2e/inference", "queries", _SCI, how, complete)


def _fleet(report: Report) -> Iterator[Declaration]:
    fleet = report.fleet
    if fleet is None:
        return
    inside, complete = "the inventory's machines", f"{len(fleet.silent)} devices in no row, {fleet.unknown} not listed"
    for role, waiting in fleet.by_role.items():
        part = "device" if role == "device" else "own"
        idle, making = f"fleet.idle.{role}", f"fleet.unallocated_embodied.{role}"
        method = "idle power times the time that no query holds the machine, times its grid's yearly intensity"
        whose = VIEWS["operator"][f"operational {part}"], VIEWS["maker"][f"operational {part}"]
        yield Declaration(idle, kg(waiting.idle_ng.mid), "kg CO2e", inside, method, _MODELLED, complete, *whose)
        method = "the span's share of each machine's making, less what its queries carry"
        whose = VIEWS["operator"][f"embodied {part}"], VIEWS["maker"][f"embodied {part}"]
        yield Declaration(
            making, kg(waiting.unallocated_ng.mid), "kg CO2e", inside, method, _MODELLED, complete, *whose
        )
    sci_g = fleet_sci_g_of(fleet.total_ng, report.total.inferences)
    if sci_g is not None:
        name, unit = "fleet.sci_g_per_inference", "g CO2e/inference"
        yield Declaration(name, sci_g.mid, unit, included(report), _SCI, _MODELLED, complete)


def _phases(report: Report) -> Iterator[Declaration]:
    for each in report.life_cycle.phases:
        value, how = kg_from_g(each.operational_g + each.embodied_g), each.stands_in or "as given"
        name = f"life_cycle.{each.name}"
        yield Declaration(name, value, "kg CO2e", f"the phase '{each.name}'", "as given", how, "as given")


def _scores(report: Report) -> Iterator[Declaration]:
    inside = {
        "consumer_g_per_inference": included(report),
        "provider_g_per_inference": "the phases before inference",
    }
    for name, value in sci_for_ai(report).items():
        if value is not None:
            unit, complete = "g CO2e/inference", completeness(report)
            yield Declaration(f"sci_for_ai.{name}", value, unit, inside[name], _SCI_FOR_AI, _MODELLED, complete)


def _estimates(report: Report) -> Iterator[Declaration]:
    """What might have been: of no scope, since nobody emitted it."""
    inferences = report.total.inferences
    for scenario in report.scenarios:
        name, covered = f"counterfactuals.{scenario.name}", scenario.covered / inferences if inferences else 1.0
        is_counted = scenario.name == "actual"
        method = "counted" if is_counted else _WEIGHED if scenario.name != "oracle" else _BEST
        complete = f"told by the rows for {100.0 * covered:.4g} % of the queries, the others as they went"
        nature = "counted" if is_counted else "estimate"
        yield Declaration(name, kg(scenario.carbon_ng), "kg CO2e", "queries", method, nature, complete)
    boundary = "queries" if report.fleet is None else included(report)
    for saving in report.savings:
        name, value = f"savings.{saving.name}", kg(saving.carbon_ng)
        yield Declaration(name, value, "kg CO2e", boundary, saving.method, "estimate", "one change, all else as it was")


def scopes(report: Report, kind: str, part: str) -> tuple[str, str]:
    """Of one part's carbon, for operator and maker; both scopes of the operator where it rents and owns."""
    regions = [
        name for name, sums in report.by["far_region"].items() if sums.energy_uj.remote or sums.embodied_ng.remote
    ]
    whose = sorted({"rented" if ":" in name else "own" for name in regions}) if part == "remote" else [part]
    found = [(VIEWS["operator"][f"{kind} {each}"], VIEWS["maker"][f"{kind} {each}"]) for each in whose]
    operator, maker = (dict.fromkeys(each[i] for each in found) for i in (0, 1))
    return "; ".join(operator), "; ".join(maker)


def completeness(report: Report) -> str:
    """How much of what devices numbered and sent is in the sums, of the whole ledger."""
    view = report.ledger_view
    rejected = sum(count for name, count in view.counts.items() if name.startswith("rejected:"))
    left_out = {
        "rejected": rejected,
        "missing": view.counts.get("missing", 0),
        "damaged": sum(each.rows for each in view.damaged),
        "impossible": report.impossible,
    }
    taken = view.counts.get("accepted", 0)
    whole = taken + rejected + left_out["missing"]
    share = (taken - left_out["damaged"] - report.impossible) / whole if whole else 1.0
    named = ", ".join(f"{name} {count:,}" for name, count in left_out.items() if count)
    return f"{100.0 * share:.4g} % of the ledger's rows" + (f" ({named})" if named else "")


def sci_for_ai(report: Report) -> Mapping[str, float | None]:
    """The two scores of SCI for AI: the consumer's of running the system, the provider's of making the model.

    Both in grams for each inference of the span, None where it has none; the provider's is None too where no phase was
    given.
    """
    inferences = report.total.inferences
    if not inferences:
        return {"consumer_g_per_inference": None, "provider_g_per_inference": None}
    whole = report.total.total_ng if report.fleet is None else report.fleet.total_ng
    phases_g = sum(each.operational_g + each.embodied_g for each in report.life_cycle.phases)
    provider = phases_g / inferences if report.life_cycle.phases else None
    return {"consumer_g_per_inference": whole.mid / NG_PER_G / inferences, "provider_g_per_inference": provider}


def _nature(report: Report, figure: str) -> str:
    counts = report.methods.get(figure, {})
    whole = sum(counts.values())
    return ", ".join(f"{method} {100.0 * number / whole:.3g} %" for method, number in counts.items()) or "not said"
