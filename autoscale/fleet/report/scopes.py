"""Whose carbon it is: scopes of the Greenhouse Gas Protocol, for who runs the service and for who makes the devices.

The same kilograms stand in several firms' accounts, each under another scope; views must not be added to each other.
Categories are those of the Corporate Value Chain (Scope 3) Standard. A remote machine in a region of a cloud provider
(``gcp:...``) is taken to be rented, any other to be the operator's own.
"""

from collections.abc import Mapping
from typing import Final

from autoscale.fleet.report.account import Report
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.sums import Sums

OWN_POWER: Final = "scope 2: electricity bought"
BOUGHT: Final = "scope 3, category 1: goods and services bought"
CAPITAL: Final = "scope 3, category 2: capital goods"
USE_OF_SOLD: Final = "scope 3, category 11: use of products sold"
OTHERS: Final = "outside: somebody else's account"

VIEWS: Final[Mapping[str, Mapping[str, str]]] = {
    "operator": {
        "operational device": USE_OF_SOLD,
        "embodied device": OTHERS,
        "operational network": BOUGHT,
        "embodied network": BOUGHT,
        "operational rented": BOUGHT,
        "embodied rented": BOUGHT,
        "operational own": OWN_POWER,
        "embodied own": CAPITAL,
    },
    "maker": {
        "operational device": USE_OF_SOLD,
        "embodied device": BOUGHT,
        "operational network": OTHERS,
        "embodied network": OTHERS,
        "operational rented": OTHERS,
        "embodied rented": OTHERS,
        "operational own": OTHERS,
        "embodied own": OTHERS,
    },
}
"""View to kind and part to scope: who runs the service, and who makes the devices that ask."""


def by_scope(report: Report) -> dict[str, dict[str, int]]:
    """View to scope to nanograms, of all that the report accounts for; each view sums to the whole."""
    parts = _parts(report.by["far_region"])
    if report.fleet is not None:
        _add_waiting(parts, report.fleet)
    found: dict[str, dict[str, int]] = {}
    for view, scopes in VIEWS.items():
        found[view] = {}
        for name, mass_ng in parts.items():
            found[view][scopes[name]] = found[view].get(scopes[name], 0) + mass_ng
    return found


def _parts(far_regions: Mapping[str, Sums]) -> dict[str, int]:
    parts = dict.fromkeys(VIEWS["operator"], 0)
    for region, sums in far_regions.items():
        whose = "rented" if ":" in region else "own"
        for kind, split in (("operational", sums.operational_ng), ("embodied", sums.embodied_ng)):
            for part, mass_ng in split._asdict().items():
                parts[f"{kind} {whose if part == 'remote' else part}"] += mass_ng
    return parts


def _add_waiting(parts: dict[str, int], fleet: Fleet) -> None:
    """An inventory lists machines that somebody has: remote ones are the operator's own."""
    for role, whose in (("device", "device"), ("remote", "own")):
        waiting = fleet.by_role[role]
        parts[f"operational {whose}"] += waiting.idle_ng.mid
        parts[f"embodied {whose}"] += waiting.unallocated_ng.mid
