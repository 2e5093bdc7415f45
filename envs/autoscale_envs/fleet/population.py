"""Who the devices are: cohorts of one model on one link, and in them people who differ.

A cohort's size follows from the mix alone. Within it, each device has its own hidden factors (see ``hidden``), country
and habits; all are drawn again whenever they are needed, so that a million devices take no memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.carbon import IntensitySource, TypicalHours
from autoscale.profiles import load_device, load_link
from autoscale_envs.fleet.considered import considered_texts
from autoscale_envs.fleet.plan import LINKS, FleetPlan
from autoscale_envs.fleet.policy import TablePolicy, make_policy
from autoscale_envs.fleet.regions import WEIGHTS, RegionGrids
from autoscale_envs.variance.hidden import BY_PROCESSOR, Hidden, hidden_factors
from autoscale_envs.variance.scenarios import CoRunner, Scenario, Signal
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters

ACTIVITY_SIGMA: Final = 0.8
"""Standard deviation of the logarithm of how much people ask; ours."""

ID_BYTES: Final = 16

SCENARIO: Final = Scenario(
    "fleet",
    "everyday life: mostly alone, now and then busy, a signal that wanders",
    (CoRunner(weight=0.5), CoRunner(0.08, 0.06, 0.2), CoRunner(0.35, 0.35, 0.2), CoRunner(0.8, 0.5, 0.1)),
    cloud=Signal("middle", sd_db=10.0, memory_s=60.0),
)
"""What else runs and how strong the signal is; ours."""


@dataclass(frozen=True)
class Cohort:
    """Devices of one model on one link.

    Attributes:
        number: of the cohort; its randomness depends on it.
        devices: how many.
        parameters: of their world.
        policy: what decides on them.
        considered: what records keep of each of its states (``considered``); none where they keep nothing.
        grids: what they emit, by month.
    """

    number: int
    devices: int
    parameters: WorldParameters
    policy: TablePolicy
    considered: tuple[str, ...]
    grids: RegionGrids


@dataclass(frozen=True, slots=True)
class People:
    """Some devices of a cohort; arrays over devices.

    Attributes:
        hidden: the very device's factors.
        activity: how much it asks, 1 on average.
        region: where it is, an index of ``REGIONS``.
        device_ids: 32 hexadecimal digits each, one after the other; ``log_ids`` likewise.
    """

    hidden: Hidden
    activity: Floats
    region: Indices
    device_ids: str
    log_ids: str


def make_cohorts(plan: FleetPlan) -> list[Cohort]:
    """The cohorts of a plan that have devices.

    Raises:
        ProfileError: a device whose speed was not calibrated.
    """
    shares = {
        (device, link): weight * LINKS[link] / sum(LINKS[each] for each in _links_of(device))
        for device, weight in plan.mix.items()
        for link in _links_of(device)
    }
    counts = apportioned(plan.devices, list(shares.values()))
    source = TypicalHours()
    return [
        _cohort(number, count, *which, plan, source)
        for number, (which, count) in enumerate(zip(shares, counts, strict=True))
        if count
    ]


def apportioned(total: int, weights: list[float]) -> list[int]:
    """Whole numbers in proportion to weights that sum to a total, by largest remainder.

    >>> apportioned(10, [1.0, 1.0, 2.0])
    [3, 2, 5]
    """
    exact = total * np.array(weights) / sum(weights)
    counts = np.floor(exact).astype(np.intp)
    most = np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]
    counts[most] += 1
    return [int(each) for each in counts]


def people(generator: np.random.Generator, count: int, parameters: WorldParameters) -> People:
    """Draw some devices of a world."""
    normals = generator.standard_normal((count, parameters.counts.factors + 1))
    sigma = parameters.options.hidden_sigma
    hidden = hidden_factors(normals[:, :-1], sigma, parameters.counts, parameters.hierarchy)
    activity = np.exp(ACTIVITY_SIGMA * normals[:, -1] - 0.5 * ACTIVITY_SIGMA**2)
    region = generator.choice(len(WEIGHTS), count, p=np.array(WEIGHTS) / sum(WEIGHTS))
    return People(
        hidden, activity, region, generator.bytes(ID_BYTES * count).hex(), generator.bytes(ID_BYTES * count).hex()
    )


def names(digits: str) -> tuple[str, ...]:
    """Names of 32 digits each."""
    width = 2 * ID_BYTES
    return tuple(digits[at : at + width] for at in range(0, len(digits), width))


def _links_of(device: str) -> list[str]:
    """Those of ``LINKS`` whose radio the device has; Wi-Fi where it has none of them."""
    radios: Mapping[str, object] = load_device(device).radios
    return [link for link in LINKS if load_link(link).radio_name in radios] or ["wifi"]


def _cohort(number: int, devices: int, device: str, link: str, plan: FleetPlan, source: IntensitySource) -> Cohort:
    # One factor a processor: a table of each network's for every device would fill the memory.
    options = WorldOptions(
        device=device, links={"cloud": link}, objective=plan.objective, hidden_shares=dict(BY_PROCESSOR)
    )
    parameters = replace(make_parameters(options), scenario=SCENARIO)
    policy = make_policy(parameters, plan.policy)
    considered = considered_texts(parameters, policy) if plan.considered else ()
    return Cohort(number, devices, parameters, policy, considered, RegionGrids(parameters, source))
