"""The report's tables, as plain HTML: they say all that the charts show, and more, without a script."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from autoscale.fleet.export.units import count, ends_of, energy, interval, mass, percent
from autoscale.fleet.report.account import DeviceCarbon
from autoscale.fleet.report.sums import NG_PER_KG, Sums

_MANY: Final = 4
"""A table of more columns is wider than a phone: it scrolls there, and says so."""

LONGEST: Final = 25
"""Rows of a table that are shown; the JSON has them all."""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str = "") -> str:
    """A table; the first column names its row, all others are figures."""
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = "".join(_row(row) for row in rows)
    foot = f'<p class="note">{escape(note)}</p>' if note else ""
    kind = "table wide" if len(head) > _MANY else "table"
    return (
        f'<div class="{kind}" tabindex="0"><table><caption>{escape(caption)}</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{foot}"
    )


def dimension_table(caption: str, first: str, named: Mapping[str, Sums], in_order: bool = False) -> str:
    """The sums of every value of a dimension, the most carbon first unless they have an order of their own."""
    listed = list(named.items())
    if not in_order:
        listed.sort(key=lambda each: -each[1].total_ng.mid)
    whole = sum(sums.total_ng.mid for _, sums in listed) or 1
    head = (first, "inferences", "energy", "operational", "embodied", "total", "share", "each (SCI)", "missed")
    rows = [_dimension_row(name, sums, whole) for name, sums in listed[:LONGEST]]
    hidden = len(listed) - LONGEST
    return table(caption, head, rows, f"and {hidden} more, in the JSON" if hidden > 0 else "")


def heaviest_table(devices: Sequence[DeviceCarbon]) -> str:
    """The devices whose queries emitted most."""
    rows = [(each.device_id, count(each.inferences), mass(each.carbon_ng)) for each in devices]
    note = "Of all queries, whatever is filtered; devices whose rows were aged or came as sums are not named."
    return table("Devices of most carbon", ("device", "inferences", "total"), rows, note)


def split_table(total: Sums) -> str:
    """What device, network and remote took, operational and embodied."""
    parts = ("device", "network", "remote")
    rows = [
        [
            name,
            *(show(getattr(figures, part)) for part in parts),
            show(sum(figures)),
        ]
        for name, figures, show in (
            ("energy", total.energy_uj, energy),
            ("operational carbon", total.operational_ng, mass),
            ("embodied carbon", total.embodied_ng, mass),
        )
    ]
    return table("Energy and carbon by part", ("", "device", "network", "remote machine", "together"), rows)


def scenarios_table(scenarios: Sequence[Mapping[str, Any]]) -> str:
    """How it went and how it might have."""
    actual = scenarios[0]["carbon_ng"] or 1
    rows = [[each["name"], *_scenario(each, actual), percent(each["covered_fraction"])] for each in scenarios]
    head = ("", "carbon", "95 % interval", "against actual", "missed the goal", "queries it is estimated for")
    refused = " ".join(f"{each['name'].capitalize()}: {each['refused']}." for each in scenarios if each["refused"])
    return table("Had the same queries gone another way", head, rows, refused)


def estimators_table(scenarios: Sequence[Mapping[str, Any]]) -> str:
    """The same by every estimator; nothing where nothing is weighed."""
    rows = [
        (f"{each['name']}, {name.replace('_', ' ')}", mass(found["carbon_kg"] * NG_PER_KG), ends_of(found))
        for each in scenarios
        for name, found in each["estimates"].items()
    ]
    return table("By every estimator", ("", "carbon", "95 % interval"), rows) if rows else ""


def savings_table(savings: Sequence[Mapping[str, Any]], whole_ng: int, of: str) -> str:
    """What changes would save, of a whole and what that is."""
    rows = [
        [each["name"], mass(each["carbon_ng"]), percent(each["carbon_ng"] / (whole_ng or 1)), each["method"]]
        for each in savings
    ]
    return table("What would save", ("change", "saves", of, "how this is known"), rows)


def fleet_table(parts: Mapping[str, Mapping[str, int]]) -> str:
    """Queries, idle and unallocated, low to high."""
    rows = [
        [name.replace("_", " "), *(mass(ends[end]) for end in ("low", "mid", "high"))] for name, ends in parts.items()
    ]
    return table("The whole fleet", ("", "low", "best estimate", "high"), rows)


def _dimension_row(name: str, sums: Sums, whole: int) -> list[str]:
    return [
        name,
        count(sums.inferences),
        energy(sum(sums.energy_uj)),
        mass(sum(sums.operational_ng)),
        mass(sum(sums.embodied_ng)),
        mass(sums.total_ng.mid),
        percent(sums.total_ng.mid / whole),
        mass(sums.total_ng.mid / sums.inferences),
        percent(sums.missed_fraction),
    ]


def _scenario(scenario: Mapping[str, Any], actual_ng: int) -> tuple[str, ...]:
    if not scenario["covered_fraction"]:
        return ("not known",) * 4
    change = _change(scenario["carbon_ng"] / actual_ng - 1.0)
    return mass(scenario["carbon_ng"]), interval(scenario), change, percent(scenario["missed_fraction"])


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    return f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(each)}</td>" for each in others)}</tr>'


def _change(fraction: float) -> str:
    sign = "+" if fraction > 0 else "−" if fraction < 0 else "±"
    return f"{sign}{percent(abs(fraction))}"
