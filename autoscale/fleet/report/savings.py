"""What changes to a fleet would save of what its queries emitted; estimates, each with how it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from autoscale.carbon.embodied.footprint import device_footprint, product_footprint
from autoscale.carbon.intensity.places import Place, Places
from autoscale.fleet.report.counterfactual import Counterfactual
from autoscale.fleet.report.idle import Fleet
from autoscale.fleet.report.sums import Sums
from autoscale.profiles.shipped import device_names
from autoscale.units import SECONDS_PER_YEAR

_STAND_IN: Final = "phone"
"""The kind of a device whose profile does not ship."""


_LONGER: Final = "every device serves one year longer"


@dataclass(frozen=True, slots=True)
class Saving:
    """One change.

    Attributes:
        name: what is changed.
        carbon_ng: nanograms of CO2e less.
        method: how that is known.
    """

    name: str
    carbon_ng: int
    method: str


def savings(
    device_models: Mapping[str, Sums],
    far_regions: Mapping[str, Sums],
    scenarios: Sequence[Counterfactual],
    fleet: Fleet | None = None,
) -> list[Saving]:
    """Keeping devices a year longer, moving the remote machines, choosing better; of the fleet where it is known."""
    longer = _longer_life(device_models) if fleet is None else _longer_lives(fleet)
    return [longer, _move(far_regions, fleet), _better_policy(scenarios)]


def _longer_lives(fleet: Fleet) -> Saving:
    """Of every device of the inventory all of its making, whatever queries carry of it."""
    devices = fleet.by_role["device"]
    method = f"all making of the inventory's {devices.machines} devices in the span, times 1 / (its life_years + 1)"
    return Saving(_LONGER, devices.year_longer_ng, f"{method}; energy as it was")


def _longer_life(device_models: Mapping[str, Sums]) -> Saving:
    """The same embodied carbon over a life of a year more: embodied * 1 / (life + 1)."""
    years = {name: _life_years(name) for name in device_models}
    saved = sum(round(sums.embodied_ng.device / (years[name] + 1.0)) for name, sums in device_models.items())
    lives = ", ".join(f"{name} {life:g}{_whose(name)}" for name, life in sorted(years.items()))
    method = f"making of the devices over a life one year longer than expected (years: {lives}); energy as it was"
    return Saving(_LONGER, saved, method)


def _life_years(device_model: str) -> float:
    if device_model in device_names():
        from autoscale.profiles.folder import load_device  # profiles take longer to import than all else here

        footprint = device_footprint(load_device(device_model))
    else:
        footprint = product_footprint(_STAND_IN)
    return footprint.life_s.mid / SECONDS_PER_YEAR


def _whose(device_model: str) -> str:
    return "" if device_model in device_names() else f" as any {_STAND_IN}"


def _move(far_regions: Mapping[str, Sums], fleet: Fleet | None) -> Saving:
    """To the cleanest remote region of the ledger by its rows; where there is one alone, to its provider's cleanest.
    What the fleet's remote machines draw while they wait moves with them, by the same fraction.
    """
    drawing = {name: sums for name, sums in sorted(far_regions.items()) if name and sums.energy_uj.remote}
    if len(drawing) > 1:
        return _with_idle(_move_within(drawing), sum(each.operational_ng.remote for each in drawing.values()), fleet)
    for name, sums in drawing.items():
        cleanest = _cleanest_beside(name)
        if cleanest is not None:
            here, there = cleanest
            fraction = max(0.0, 1.0 - there.g_per_kwh.mid / here.g_per_kwh.mid)
            method = f"yearly averages: {here.name} {here.g_per_kwh.mid:g} g/kWh, {there.name} {there.g_per_kwh.mid:g}"
            moved = f"far machines move from {name} to {there.name}"
            queries_ng = sums.operational_ng.remote
            alone = Saving(moved, round(queries_ng * fraction), f"{method}; latency as it was")
            return _with_idle(alone, queries_ng, fleet)
    return Saving("far machines move", 0, "no region of far machines is known in which a cleaner one can be named")


def _with_idle(queries: Saving, of_ng: int, fleet: Fleet | None) -> Saving:
    """The saving of queries, of which it is a fraction, with that of remote machines that wait."""
    idle_ng = 0 if fleet is None else fleet.by_role["remote"].idle_ng.mid
    if not idle_ng or not of_ng:
        return queries
    saved_ng = queries.carbon_ng + round(idle_ng * queries.carbon_ng / of_ng)
    return Saving(queries.name, saved_ng, f"{queries.method}; what they draw while they wait by the same fraction")


def _move_within(drawing: Mapping[str, Sums]) -> Saving:
    def rate(name: str) -> float:
        return drawing[name].operational_ng.remote / drawing[name].energy_uj.remote

    best = min(drawing, key=rate)
    saved = sum(
        sums.operational_ng.remote - round(sums.energy_uj.remote * rate(best))
        for name, sums in drawing.items()
        if name != best
    )
    method = f"the same joules at the mean intensity that the rows show at {best}; latency as it was"
    return Saving(f"far machines all stand at {best}", max(0, saved), method)


def _cleanest_beside(name: str) -> tuple[Place, Place] | None:
    """A cloud's region and the cleanest region of the same provider."""
    places = Places.shipped()
    here = places.get(name)
    if here is None:
        return None
    provider = here.name.partition(":")[0] if ":" in here.name else None
    beside = [each for each in places.all() if provider and each.name.startswith(f"{provider}:")]
    return (here, min(beside, key=lambda place: place.g_per_kwh.mid)) if beside else None


def _better_policy(scenarios: Sequence[Counterfactual]) -> Saving:
    by_name = {each.name: each for each in scenarios}
    actual, oracle = by_name["actual"], by_name["oracle"]
    coverage = f"the ledger tells of {100.0 * oracle.covered / (actual.covered or 1):.0f} % of the queries"
    network = "a network's share counts, which less sending does not switch off"
    method = f"against the oracle: an upper bound at no more misses, see counterfactuals; {coverage}; {network}"
    return Saving("the best target is always chosen", actual.carbon_ng - oracle.carbon_ng, method)
