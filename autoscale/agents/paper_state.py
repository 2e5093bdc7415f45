"""The paper's state: eight features, each in a few bins, 3072 states in all (AutoScale, MICRO 2020, section 4).

Layer counts leave depthwise convolutions out, as the paper's own counts of the MobileNets do. A co-runner load under
one percent counts as none, because a sensor never reads a clean zero. What is absent falls in the first bin.
"""

from bisect import bisect_right
from typing import Final

from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation

CONV_EDGES: Final = (30, 50, 90)
FULLY_CONNECTED_EDGES: Final = (10,)
RECURRENT_EDGES: Final = (10,)
MACS_EDGES: Final = (1_000_000_000, 2_000_000_000)
LOAD_EDGES: Final = (0.01, 0.25, 0.75)
WEAK_RSSI_DBM: Final = -80.0

MODEL_STATES: Final = 4 * 2 * 2 * 3
WORLD_STATES: Final = 4 * 4 * 2 * 2
STATES: Final = MODEL_STATES * WORLD_STATES


def state_of(model: ModelProfile, observation: Observation) -> int:
    """The state's index, 0 to 3071."""
    return model_state(model) * WORLD_STATES + world_state(observation)


def model_state(model: ModelProfile) -> int:
    """The index of the network's four features, 0 to 47."""
    state = bisect_right(CONV_EDGES, model.conv)
    state = state * 2 + bisect_right(FULLY_CONNECTED_EDGES, model.fully_connected)
    state = state * 2 + bisect_right(RECURRENT_EDGES, model.recurrent)
    return state * 3 + bisect_right(MACS_EDGES, model.macs)


def world_state(observation: Observation) -> int:
    """The index of the four variance features, 0 to 63: co-runner CPU and memory, Wi-Fi and peer-to-peer signal."""
    cpu_load, memory_load = observation.cpu_load, observation.memory_load
    state = bisect_right(LOAD_EDGES, cpu_load) if cpu_load is not None else 0
    state = state * 4 + (bisect_right(LOAD_EDGES, memory_load) if memory_load is not None else 0)
    weak_cloud = weak_edge = False
    for name, link in observation.links.items():
        if link.rssi_dbm is not None and link.rssi_dbm <= WEAK_RSSI_DBM:
            if name.startswith("cloud"):
                weak_cloud = True
            else:
                weak_edge = True
    return (state * 2 + weak_cloud) * 2 + weak_edge
