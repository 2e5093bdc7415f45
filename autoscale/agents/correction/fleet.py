"""What the other devices of a fleet found, as part of the forecast, and what this one has to tell them."""

from collections.abc import Mapping
from typing import Final

import numpy as np

from autoscale.agents.base import Arrays
from autoscale.agents.correction.hierarchy import CARBON, ENERGY, LATENCY, OWN, QUANTITIES
from autoscale.agents.correction.network import Network
from autoscale.agents.correction.pooling import Statement
from autoscale.arrays import Floats
from autoscale.errors import PolicyError
from autoscale.query.forecast import Forecast

FLEET: Final = "fleet"
"""The array of a policy file, shape (networks, quantities, targets), and ``fleet_networks`` their names."""


def corrected(forecast: Forecast, found: Floats) -> Forecast:
    """A forecast with ln(actual / forecast) of the fleet, shape (quantities, targets), taken in."""
    factor = np.exp(found)
    return Forecast(
        forecast.latency_s * factor[LATENCY],
        forecast.energy_j * factor[ENERGY],
        forecast.carbon_g * factor[CARBON],
        forecast.accuracy,
        forecast.open_s,
        forecast.open_j,
    )


def statement_of(networks: Mapping[str, Network], fleet: Mapping[str, Floats], targets: int) -> Statement:
    """Means of what was seen of each network's targets, with the fleet's part in them.

    Networks without a forecast say nothing: their figures are sizes, not corrections.
    """
    residual, seen = {}, {}
    for name, network in networks.items():
        left, pull = network.known[:, :, :targets]
        own = OWN[0] * network.scale
        weight = (1.0 / left - 1.0) / own
        if network.level.variance != [0.0] * QUANTITIES or not weight.any():
            continue
        with np.errstate(invalid="ignore"):
            mean = pull / (left * own) / weight
        residual[name] = mean + fleet.get(name, 0.0)
        seen[name] = np.where(np.isfinite(mean[[ENERGY, LATENCY]]).all(axis=0), weight[LATENCY], 0.0)
    return Statement(residual, seen)


def checked_release(released: Mapping[str, Floats], targets: int) -> dict[str, Floats]:
    """The same, known to be of these targets.

    Raises:
        PolicyError: it is not, or holds what is no number.
    """
    for name, each in released.items():
        if each.shape != (QUANTITIES, targets) or not np.isfinite(each).all():
            raise PolicyError(f"the fleet's part of '{name}' is {each.shape}; allowed: {(QUANTITIES, targets)}, finite")
    return dict(released)


def fleet_to_state(fleet: Mapping[str, Floats]) -> Arrays:
    """Arrays of a policy; none where there is nothing of a fleet."""
    if not fleet:
        return {}
    return {FLEET: np.stack([*fleet.values()]), f"{FLEET}_networks": np.array([*fleet], dtype=np.str_)}


def fleet_from_state(state: Arrays) -> dict[str, Floats]:
    """What ``fleet_to_state`` made.

    Raises:
        PolicyError: names and figures do not belong together.
    """
    if FLEET not in state:
        return {}
    names = state.get(f"{FLEET}_networks", np.array([], dtype=np.str_)).tolist()
    if len(names) != len(state[FLEET]):
        raise PolicyError(f"policy array '{FLEET}' is of {len(state[FLEET])} networks, and names {len(names)}")
    return dict(zip(names, state[FLEET], strict=True))
