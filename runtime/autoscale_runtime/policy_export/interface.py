"""What goes into an exported policy and what comes out: names, units, and the order of what is observed."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from autoscale.agents.correction.told import FIGURES
from autoscale.errors import InvalidInput
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.target import Target

FORMAT: Final = "autoscale-policy-graph"
VERSION: Final = 1

"""Of the forecast."""

DEVICE: Final = (
    ("cpu_load", "CPU time of other processes, as a fraction of all cores"),
    ("memory_load", "memory held by other processes, as a fraction of all"),
    ("temperature_c", "of the processor package, degrees Celsius"),
)
LINK: Final = (
    ("rssi_dbm", "received signal strength of the link, dBm"),
    ("round_trip_s", "round-trip time of an empty message over the link, s"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One number of the observation; NaN where it is not sensed."""

    name: str
    meaning: str


def observed(targets: Sequence[Target]) -> tuple[Entry, ...]:
    """The observation's entries: the device's, then those of each link in the order of the targets."""
    links = dict.fromkeys(each.link for each in targets if each.is_remote)
    ends = [Entry(f"{link}.{name}", meaning) for link in links for name, meaning in LINK]
    return (*(Entry(name, meaning) for name, meaning in DEVICE), *ends)


def description(agent: str, targets: Sequence[Target], networks: Sequence[str], goal: Goal) -> dict[str, Any]:
    """The JSON beside the graph, by which an app knows how to ask it."""
    count = [len(targets)]
    one: list[int] = []
    return {
        "format": FORMAT,
        "version": VERSION,
        "agent": agent,
        "goal": {"objective": goal.objective, "on_time": goal.on_time},
        "targets": [str(each) for each in targets],
        "networks": list(networks),
        "observation": [asdict(each) for each in observed(targets)],
        "inputs": {
            "network": {"type": "int64", "shape": one, "meaning": "index into networks; -1: any other"},
            "latency_s": {"type": "float64", "shape": count, "unit": "s", "meaning": "forecast of each target"},
            "energy_j": {"type": "float64", "shape": count, "unit": "J", "meaning": "likewise, of the device"},
            "carbon_g": {"type": "float64", "shape": count, "unit": "gCO2e", "meaning": "likewise, of every machine"},
            "accuracy": {"type": "float64", "shape": count, "unit": "fraction", "meaning": "likewise; NaN: unknown"},
            "admitted": {"type": "bool", "shape": count, "meaning": "which targets may be chosen; at least one"},
            "observation": {
                "type": "float64",
                "shape": [len(observed(targets))],
                "meaning": "as listed; NaN: not sensed",
            },
            "latency_limit_s": {"type": "float64", "shape": one, "unit": "s", "meaning": "the goal's; Infinity: none"},
            "min_accuracy": {"type": "float64", "shape": one, "unit": "fraction", "meaning": "the goal's; NaN: none"},
            "uniform": {"type": "float64", "shape": one, "meaning": "a random number from 0 to below 1"},
        },
        "outputs": {
            "target": {"type": "int64", "shape": one, "meaning": "index into targets"},
            "probability": {"type": "float64", "shape": one, "meaning": "with which it was chosen"},
        },
    }


def feeds_of(context: Context, targets: Sequence[Target], networks: Sequence[str], uniform: float) -> dict[str, Any]:
    """The inputs of a graph for a query, as arrays.

    Raises:
        InvalidInput: the world has no forecast, which the graph needs.
    """
    forecast, seen = context.first_forecast, context.observation  # what the agent corrects
    if forecast is None:
        raise InvalidInput("the context has no forecast; allowed: one with the same figure for all targets")
    links = dict.fromkeys(each.link for each in targets if each.is_remote)
    told = [getattr(seen, name) for name, _ in DEVICE]
    told += [getattr(seen.link(link), name) for link in links for name, _ in LINK]
    admitted = np.zeros(len(targets), np.bool_)
    admitted[context.admitted] = True
    name, floor = context.model.name, context.goal.min_accuracy
    return {
        "network": np.array(networks.index(name) if name in networks else -1, np.int64),
        **{figure: getattr(forecast, figure).astype(np.float64) for figure in FIGURES},
        "admitted": admitted,
        "observation": np.array([math.nan if each is None else each for each in told]),
        "latency_limit_s": np.array(context.goal.latency_s),
        "min_accuracy": np.array(math.nan if floor is None else floor),
        "uniform": np.array(uniform),
    }
