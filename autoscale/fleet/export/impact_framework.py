"""The account as a manifest of the Impact Framework; ``if-run --manifest FILE`` computes SCI again.

Energies are in kWh, carbon in grams of CO2e, durations in seconds; a child for each device model, an input a day.
"""

import json
from collections.abc import Iterator
from typing import Final

from autoscale.fleet.ledger.span import Span, when, when_or_open
from autoscale.fleet.report.account import Report
from autoscale.fleet.report.boundary import included, left_out
from autoscale.fleet.report.notices import notices
from autoscale.fleet.report.sums import NG_PER_G, Sums, kwh
from autoscale.units import MICRO_PER_UNIT

UNIT: Final = "inferences"

_HEAD: Final = """\
name: autoscale-fleet
description: {description}
tags:
  kind: inference
aggregation:
  metrics:
    - carbon
    - {unit}
  type: both
initialize:
  plugins:
    sci:
      path: builtin
      method: Sci
      config:
        functional-unit: {unit}
      parameter-metadata:
        inputs:
          carbon:
            unit: gCO2eq
            description: operational and embodied carbon
            aggregation-method:
              time: sum
              component: sum
          {unit}:
            unit: {unit}
            description: queries answered
            aggregation-method:
              time: sum
              component: sum
        outputs:
          sci:
            unit: gCO2eq/{unit}
            description: carbon for each of the functional unit
            aggregation-method:
              time: avg
              component: sum
tree:
  children:
"""

_CHILD: Final = """\
    {name}:
      pipeline:
        compute:
          - sci
      defaults:
        functional-unit: {unit}
      inputs:
"""

_INPUT: Final = """\
        - timestamp: '{timestamp}'
          duration: {duration}
          energy: {energy}
          carbon-operational: {operational}
          carbon-embodied: {embodied}
          carbon: {carbon}
          {unit}: {inferences}
"""


def as_impact_manifest(report: Report) -> str:
    """The text of a YAML file."""
    return "".join(_pieces(report))


def _pieces(report: Report) -> Iterator[str]:
    spans = " to ".join(when_or_open(each) or "open" for each in (report.span.since_us, report.span.until_us))
    counted = f"{report.total.inferences} inferences, {spans}. Included: {included(report)}."
    described = " ".join((counted, *notices(report), *left_out(report)))
    yield _HEAD.format(unit=UNIT, description=json.dumps(described))
    for device_model, days in _by_model(report).items():
        yield _CHILD.format(name=json.dumps(device_model), unit=UNIT)
        for day, sums in days.items():
            yield _input(day, sums, report.span)
    yield from _beside(report)


def _beside(report: Report) -> Iterator[str]:
    """What no query carries, with no queries; the tree's sum is the fleet's, and over its queries the fleet's SCI."""
    waiting = {} if report.fleet is None else report.fleet.by_role
    named = {
        f"waiting {role}s": (kwh(each.idle_energy_uj), each.idle_ng.mid / NG_PER_G, each.unallocated_ng.mid / NG_PER_G)
        for role, each in waiting.items()
        if each.machines
    }
    named |= {each.name: (0.0, each.operational_g, each.embodied_g) for each in report.life_cycle.phases}
    for name, (energy_kwh, operational_g, embodied_g) in named.items():
        yield _CHILD.format(name=json.dumps(name), unit=UNIT)
        yield _INPUT.format(
            timestamp=when(report.span.since_us or 0).replace("Z", ".000Z"),
            duration=max(1, round(report.span.duration_us / MICRO_PER_UNIT)),
            energy=_plain(energy_kwh),
            operational=_plain(operational_g),
            embodied=_plain(embodied_g),
            carbon=_plain(operational_g + embodied_g),
            unit=UNIT,
            inferences=0,
        )


def _by_model(report: Report) -> dict[str, dict[str, Sums]]:
    models: dict[str, dict[str, Sums]] = {}
    for each in report.days:
        days = models.setdefault(each.device_model, {})
        days[each.day] = each.sums.plus(days[each.day]) if each.day in days else each.sums
    return models


def _input(day: str, sums: Sums, span: Span) -> str:
    part = span.of_day(day)
    return _INPUT.format(
        timestamp=when(part.since_us or 0).replace("Z", ".000Z"),
        duration=max(1, round(part.duration_us / MICRO_PER_UNIT)),
        energy=_plain(kwh(sum(sums.energy_uj))),
        operational=_plain(sum(sums.operational_ng) / NG_PER_G),
        embodied=_plain(sum(sums.embodied_ng) / NG_PER_G),
        carbon=_plain(sums.total_ng.mid / NG_PER_G),
        unit=UNIT,
        inferences=sums.inferences,
    )


def _plain(value: float) -> str:
    """A number without an exponent: YAML 1.1 reads ``1e-09`` as a text."""
    return f"{value:.15f}".rstrip("0").rstrip(".") or "0"
