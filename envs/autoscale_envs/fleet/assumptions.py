"""What a simulated fleet rests on that nobody measured, in one place: it goes into the ledger beside the records."""

import json
from dataclasses import asdict, fields
from typing import Any, Final

from autoscale_envs.fleet.plan import LINKS, FleetPlan
from autoscale_envs.fleet.policy import EXPLORED
from autoscale_envs.fleet.population import ACTIVITY_SIGMA, SCENARIO
from autoscale_envs.fleet.regions import REGIONS, pues
from autoscale_envs.fleet.sessions import BY_HOUR, QUERIES
from autoscale_envs.worlds.options import WorldOptions

FILE: Final = "assumptions.json"
"""In the ledger's folder."""


def assumptions(plan: FleetPlan) -> dict[str, Any]:
    """Each assumption by its name: what is assumed, and the figures.

    All are the authors' guesses at everyday life but for ``mix``, ``queries_per_day`` and ``policy``, which are the
    plan's. What does not stand here (power, speed, links, intensities, footprints) is of the files in ``devices``, each
    with its source.
    """
    usual = WorldOptions()
    stated: dict[str, tuple[str, Any]] = {
        "devices": ("share of each device; no device joins or leaves", dict(plan.mix)),
        "links": ("share of the devices with the radio that are on a link, all the time", dict(LINKS)),
        "regions": ("share of the devices, the cloud region that answers them, clock", [asdict(e) for e in REGIONS]),
        "activity": ("standard deviation of the logarithm of how much people ask", ACTIVITY_SIGMA),
        "queries_per_day": ("of a device, on average", plan.queries_per_day),
        "sessions": (
            f"{QUERIES} queries of one network in a row; gap between them on average, in seconds",
            usual.gap_s,
        ),
        "networks": ("all networks that ship ask equally often", None),
        "hours": ("sessions in each hour of the local day, relative to each other", BY_HOUR.tolist()),
        "surroundings": (f"co-runners and signal: {SCENARIO.title}", asdict(SCENARIO)),
        "device": (
            "how far the very device is from its profile (standard deviation of logarithms)",
            usual.hidden_sigma,
        ),
        "policy": (
            f"learned: for the least {plan.objective} in time, since long before the first day; explores this share",
            EXPLORED,
        ),
        "considered": ("what the policy knows: the middle of its state, and the profile's forecast there", None),
        "edge": ("no connected edge is near", None),
        "battery": ("what a device draws counts in the hour it is spent, not when it was charged", None),
        "data_centre": (
            "power usage effectiveness, as the provider publishes it for the region",
            dict(zip([each.cloud for each in REGIONS], pues().tolist(), strict=True)),
        ),
        "intensity": ("typical of month and hour; no day is windier than another", None),
    }
    return {name: {"what": what, "figures": figures} for name, (what, figures) in stated.items()}


def printed(plan: FleetPlan, *, is_complete: bool) -> str:
    """The plan, whether all of it is in the ledger, and its assumptions, as JSON."""
    described = {each.name: getattr(plan, each.name) for each in fields(plan)}
    described |= {"mix": dict(plan.mix), "start": plan.start.isoformat()}
    document = {"simulated": True, "is_complete": is_complete, "plan": described, "assumptions": assumptions(plan)}
    return json.dumps(document, indent=2) + "\n"
