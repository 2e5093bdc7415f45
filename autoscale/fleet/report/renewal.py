"""A year of a report's devices under each policy of how long they serve."""

from typing import Final

from autoscale.fleet.report.account import Report
from autoscale.fleet.report.refresh import Refreshed, refreshed, scenarios
from autoscale.fleet.report.sums import NG_PER_G
from autoscale.units import MICRO_PER_UNIT, SECONDS_PER_YEAR, US_PER_DAY

USUAL_LIFE_YEARS: Final = 3.0
"""Of a phone (devices/embodied/products.toml), where no inventory says how long devices serve."""


def renewals(report: Report) -> tuple[Refreshed, ...]:
    """Of the devices that ask, with what waits of them where that is known; empty where they carry no making."""
    making_ng, use_ng = report.total.embodied_ng.device, report.total.operational_ng.device
    life_years = USUAL_LIFE_YEARS
    waiting = report.fleet.by_role.get("device") if report.fleet else None
    if waiting is not None:
        making_ng, use_ng = making_ng + waiting.unallocated_ng.mid, use_ng + waiting.idle_ng.mid
        # A year longer takes making / (life + 1) from each machine's span.
        life_years = max(making_ng / waiting.year_longer_ng - 1.0, 0.5) if waiting.year_longer_ng else life_years
    if not making_ng:
        return ()
    per_year = SECONDS_PER_YEAR * MICRO_PER_UNIT / max(report.span.duration_us, US_PER_DAY)
    making_g, use_g = (ng / NG_PER_G * per_year for ng in (making_ng, use_ng))
    policies = report.life_cycle.refresh or scenarios(round(life_years, 2))
    return tuple(refreshed(making_g, use_g, life_years, each) for each in policies)
