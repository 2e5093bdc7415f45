"""Observations as rows of numbers: the very ones of ``autoscale.agents.features``, made for many queries at once."""

from typing import Final

import numpy as np
import numpy.typing as npt

from autoscale.agents.features import ABSENT, FEATURES, encode, scaled
from autoscale.arrays import Numbers
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale_envs.worlds.dynamics import State
from autoscale_envs.worlds.parameters import WorldParameters
from autoscale_envs.worlds.query import Sensed

Rows = npt.NDArray[np.float32]

TEMPERATURE: Final = FEATURES.index("temperature_c")
BATTERY: Final = FEATURES.index("battery")
SENSED: Final = slice(FEATURES.index("cpu_load"), TEMPERATURE)
"""Where in a row stands what is sensed and does not depend on choices."""
LINK_FIGURES: Final = ("rssi_dbm", "round_trip_s", "uplink_bps", "downlink_bps")


def sensed_columns(parameters: WorldParameters, sensed: Sensed) -> list[Numbers]:
    """The features that are sensed of queries, in their shape and the order of ``FEATURES[SENSED]``.

    Those of a place without remotes are absent.
    """
    values = _sensed_features(parameters, sensed)
    return [scaled(name, values[name]) if name in values else ABSENT for name in FEATURES[SENSED]]


def _sensed_features(parameters: WorldParameters, sensed: Sensed) -> dict[str, Numbers]:
    """In their units; those of a place without remotes are lacking."""
    first = parameters.firsts
    return {
        "cpu_load": sensed.cpu_load,
        "memory_load": sensed.memory_load,
        **{f"{place}_{each}": getattr(sensed, each)[at] for place, at in first.items() for each in LINK_FIGURES},
        "device_intensity_g_per_kwh": sensed.device_intensity_g_per_kwh,
        **({"cloud_intensity_g_per_kwh": sensed.cloud_intensity_g_per_kwh} if "cloud" in first else {}),
    }


def network_rows(networks: tuple[ModelProfile, ...], goals: tuple[Goal, ...]) -> Rows:
    """What an observation says of each network and its goal; the rest of the row is absent. Shape (networks, 24)."""
    known = [name for name in FEATURES if hasattr(networks[0], name)]
    columns = {name: np.array([getattr(model, name) for model in networks], dtype=np.float64) for name in known}
    floors = [np.nan if goal.min_accuracy is None else goal.min_accuracy for goal in goals]
    columns |= {"latency_limit_s": np.array([goal.latency_s for goal in goals]), "min_accuracy": np.array(floors)}
    return encode(columns)


def put_state(rows: Rows, state: State, has_battery: bool) -> None:
    """Write what the device feels of itself into one row or many."""
    for feature, value in felt(state, has_battery).items():
        rows[..., feature] = value


def felt(state: State, has_battery: bool) -> dict[int, Numbers]:
    """What the device feels of itself, by the feature's place in a row."""
    temperature = {TEMPERATURE: scaled("temperature_c", state.temperature_c)}
    return temperature | ({BATTERY: scaled("battery", state.battery)} if has_battery else {})
