"""The features of one context and those of many environments are the same numbers."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoscale.agents.features import (
    ABSENT,
    FEATURES,
    HIGH,
    LINEAR,
    LOGARITHMIC,
    LOW,
    NETWORK_FEATURES,
    WORLD_FEATURES,
    Encoder,
    encode,
)
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import LinkState, Observation

share = st.none() | st.floats(0.0, 1.0)
positive = st.none() | st.floats(0.0, 1e12)
counts = st.integers(0, 10**12)
links = st.builds(LinkState, st.none() | st.floats(-200.0, 50.0), positive, positive, positive)
observations = st.builds(
    Observation,
    cpu_load=share,
    memory_load=share,
    links=st.fixed_dictionaries({}, optional={"edge:tab-s6": links, "cloud": links}),
    temperature_c=st.none() | st.floats(-100.0, 900.0),
    battery=share,
    intensity_g_per_kwh=st.fixed_dictionaries({}, optional={"device": st.floats(0, 1e5), "cloud": st.floats(0, 1e5)}),
)
networks = st.builds(
    ModelProfile,
    name=st.sampled_from(["a", "b"]),
    **dict.fromkeys(("conv", "fully_connected", "macs", "parameter_bytes", "input_bytes", "output_bytes"), counts),
)
goals = st.builds(Goal, latency_s=st.floats(1e-4, 1e6) | st.just(float("inf")), min_accuracy=share)


def columns_of(context: Context) -> dict[str, Any]:
    """Every feature's value as one number, NaN where it is absent."""
    model, seen, goal = context.model, context.observation, context.goal
    values: dict[str, Any] = {name: getattr(model, name, None) for name in NETWORK_FEATURES}
    values |= {"min_accuracy": goal.min_accuracy, "latency_limit_s": goal.latency_s}
    values |= {name: getattr(seen, name, None) for name in WORLD_FEATURES}
    for place, link in (("edge", seen.link("edge:tab-s6")), ("cloud", seen.link("cloud"))):
        for name in ("rssi_dbm", "round_trip_s", "uplink_bps", "downlink_bps"):
            values[f"{place}_{name}"] = getattr(link, name)
    for place in ("device", "cloud"):
        values[f"{place}_intensity_g_per_kwh"] = seen.intensity_g_per_kwh.get(place)
    return {name: np.nan if value is None else float(value) for name, value in values.items()}


@given(networks, observations, goals)
def test_one_context_and_many_agree(network: ModelProfile, seen: Observation, goal: Goal) -> None:
    context = Context(network, seen, goal, np.arange(1))
    one, many = Encoder()(context), encode(columns_of(context))[0]
    assert one.dtype == many.dtype == np.float32
    assert np.allclose(one, many, rtol=1e-6, atol=1e-7)
    assert one.min() >= LOW
    assert one.max() <= HIGH


@given(st.lists(st.tuples(networks, observations, goals), min_size=1, max_size=6))
def test_an_encoder_remembers_nothing_wrong(queries: list[tuple[ModelProfile, Observation, Goal]]) -> None:
    """Two networks of one name, one network with two goals: each gets its own features."""
    encoder = Encoder()
    for network, seen, goal in [*queries, *queries[::-1]]:
        context = Context(network, seen, goal, np.arange(1))
        assert np.array_equal(encoder(context), Encoder()(context))


def test_every_feature_has_a_scale_and_moves() -> None:
    assert sorted(FEATURES) == sorted([*LINEAR, *LOGARITHMIC])
    for name in FEATURES:
        zero, span = LINEAR.get(name) or (LOGARITHMIC[name][0], LOGARITHMIC[name][0] * 10 ** LOGARITHMIC[name][1])
        low, high = encode({name: zero})[0], encode({name: zero + span if name in LINEAR else span})[0]
        column = FEATURES.index(name)
        assert (low[column], np.float32(high[column])) == (0.0, np.float32(1.0))
        assert (np.delete(high, column) == ABSENT).all()
