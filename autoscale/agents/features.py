"""A context as numbers for learners that want a vector: the same ones in the simulator and on a device.

Every feature is scaled to about 0 to 1; what is absent is ``ABSENT``. ``encode`` takes columns, one array a feature
over many environments; an ``Encoder`` takes one context after another. Both apply the same formulas.
"""

from collections.abc import Callable, Mapping
from math import log, log10
from typing import Final

import numpy as np
import numpy.typing as npt

from autoscale.arrays import Numbers, least, most
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import UNKNOWN_LINK, LinkState, Observation

Rows = npt.NDArray[np.float32]

ABSENT: Final = -1.0
LOW: Final = ABSENT
HIGH: Final = 4.0
"""No feature is above this: what is larger is cut."""

_LAYERS: Final = (0.0, 100.0)
_SHARE: Final = (0.0, 1.0)
_RSSI: Final = (-100.0, 70.0)
_INTENSITY: Final = (0.0, 1000.0)
_ROUND_TRIP: Final = (1e-4, 4.0)
_RATE: Final = (1e5, 5.0)

LINEAR: Final = {
    "conv": _LAYERS,
    "depthwise_conv": _LAYERS,
    "fully_connected": _LAYERS,
    "recurrent": _LAYERS,
    "min_accuracy": _SHARE,
    "cpu_load": _SHARE,
    "memory_load": _SHARE,
    "edge_rssi_dbm": _RSSI,
    "cloud_rssi_dbm": _RSSI,
    "device_intensity_g_per_kwh": _INTENSITY,
    "cloud_intensity_g_per_kwh": _INTENSITY,
    "temperature_c": (0.0, 100.0),
    "battery": _SHARE,
}
"""Feature to offset and range: (value - offset) / range, not below 0."""

LOGARITHMIC: Final = {
    "macs": (1e6, 4.0),
    "parameter_bytes": (1e5, 4.0),
    "input_bytes": (1e2, 5.0),
    "output_bytes": (1e1, 6.0),
    "latency_limit_s": (1e-3, 4.0),
    "edge_round_trip_s": _ROUND_TRIP,
    "edge_uplink_bps": _RATE,
    "edge_downlink_bps": _RATE,
    "cloud_round_trip_s": _ROUND_TRIP,
    "cloud_uplink_bps": _RATE,
    "cloud_downlink_bps": _RATE,
}
"""Feature to the value that becomes 0 and the decades that become 1: log10(value / floor) / decades, not below 0."""

NETWORK_FEATURES: Final = (
    *("conv", "depthwise_conv", "fully_connected", "recurrent", "macs"),
    *("parameter_bytes", "input_bytes", "output_bytes", "min_accuracy", "latency_limit_s"),
)
"""What is asked: of the network and the goal."""
WORLD_FEATURES: Final = (
    *("cpu_load", "memory_load"),
    *("edge_rssi_dbm", "edge_round_trip_s", "edge_uplink_bps", "edge_downlink_bps"),
    *("cloud_rssi_dbm", "cloud_round_trip_s", "cloud_uplink_bps", "cloud_downlink_bps"),
    *("device_intensity_g_per_kwh", "cloud_intensity_g_per_kwh", "temperature_c", "battery"),
)
"""What is sensed."""
FEATURES: Final = (*NETWORK_FEATURES, *WORLD_FEATURES)

Columns = Mapping[str, npt.ArrayLike]


def encode(columns: Columns) -> Rows:
    """The feature vectors of many contexts.

    Args:
        columns: feature to its values in SI units, each of shape (n,) or scalar; NaN, or a missing name, is absent.

    Returns:
        float32 of shape (n, len(FEATURES)), every value finite and in [LOW, HIGH].
    """
    given = np.broadcast_arrays(*(np.asarray(columns.get(name, np.nan), np.float64) for name in FEATURES))
    rows = np.atleast_2d(np.stack([scaled(*each) for each in zip(FEATURES, given, strict=True)], axis=-1))
    return np.where(np.isnan(rows), ABSENT, rows).astype(np.float32)


def scaled(name: str, values: Numbers) -> Numbers:
    """A feature of values in its unit, in any one shape; NaN stays NaN."""
    if name in LINEAR:
        offset, span = LINEAR[name]
        shifted = values - offset if offset else values  # of a block of queries, each pass counts
        return least(most(shifted / span if span != 1.0 else shifted, 0.0), HIGH)
    floor, decades = LOGARITHMIC[name]
    # By natural logarithms: of single precision numpy takes four times as long for decimal ones.
    return np.minimum(np.log(np.maximum(values / floor, 1.0)) / (decades * log(10.0)), HIGH)


class Encoder:
    """The feature vectors of one context after another; what does not change with the world is kept by network."""

    def __init__(self) -> None:
        self._asked: dict[str, tuple[ModelProfile, Goal, list[float]]] = {}
        self._edge, self._cloud = "edge", "cloud"

    def __call__(self, context: Context) -> Rows:
        """The feature vector, float32 of shape (len(FEATURES),)."""
        model, goal = context.model, context.goal
        known = self._asked.get(model.name)
        if known is None or known[0] is not model or known[1] is not goal:
            known = self._asked[model.name] = (model, goal, _network_features(model, goal))
        return np.array(known[2] + self._sensed(context.observation), dtype=np.float32)

    def _sensed(self, seen: Observation) -> list[float]:
        links, intensity = seen.links, seen.intensity_g_per_kwh
        if self._edge not in links:
            self._edge = _first_to("edge", links)
        if self._cloud not in links:
            self._cloud = _first_to("cloud", links)
        edge, cloud = links.get(self._edge, UNKNOWN_LINK), links.get(self._cloud, UNKNOWN_LINK)
        return [
            *(_load(seen.cpu_load), _load(seen.memory_load)),
            *(_rssi(edge.rssi_dbm), _trip(edge.round_trip_s), _rate(edge.uplink_bps), _rate(edge.downlink_bps)),
            *(_rssi(cloud.rssi_dbm), _trip(cloud.round_trip_s), _rate(cloud.uplink_bps), _rate(cloud.downlink_bps)),
            *(_intensity(intensity.get("device")), _intensity(intensity.get("cloud"))),
            *(_heat(seen.temperature_c), _charge(seen.battery)),
        ]


def _scale(name: str) -> Callable[[float | None], float]:
    """``scaled`` for one value or none, an order of magnitude faster than numpy would be."""
    zero, span = LINEAR[name] if name in LINEAR else LOGARITHMIC[name]

    def linear(value: float | None) -> float:
        if value is None:
            return ABSENT
        scaled = (value - zero) / span if value > zero else 0.0
        return scaled if scaled < HIGH else HIGH

    def logarithmic(value: float | None) -> float:
        if value is None:
            return ABSENT
        scaled = log10(value / zero) / span if value > zero else 0.0
        return scaled if scaled < HIGH else HIGH

    return linear if name in LINEAR else logarithmic


_load, _rssi, _intensity = _scale("cpu_load"), _scale("edge_rssi_dbm"), _scale("device_intensity_g_per_kwh")
_trip, _rate = _scale("edge_round_trip_s"), _scale("edge_uplink_bps")
_heat, _charge = _scale("temperature_c"), _scale("battery")


def _network_features(model: ModelProfile, goal: Goal) -> list[float]:
    asked = {"min_accuracy": goal.min_accuracy, "latency_limit_s": goal.latency_s}
    return [_scale(name)(asked[name] if name in asked else getattr(model, name)) for name in NETWORK_FEATURES]


def _first_to(place: str, links: Mapping[str, LinkState]) -> str:
    """The name of the first link to a place; the place itself where there is none."""
    return next((name for name in links if name.startswith(place)), place)
