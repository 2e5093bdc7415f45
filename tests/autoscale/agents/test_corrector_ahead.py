"""The corrector that looks ahead: what a choice leaves behind, and where that is nothing."""

import numpy as np
import pytest

from autoscale.agents.base import Agent, make_agent
from autoscale.agents.corrector_ahead import CorrectorAhead
from autoscale.errors import InvalidInput
from autoscale.loop import run_query
from autoscale_envs import SimWorld, WorldOptions
from tests.autoscale.agents.toy_parts import MANY, NETWORKS, ToyWorld

ALONE = {"device": "moto-x-force", "remotes": {"cloud": "gpu-server"}, "links": {"cloud": "lte"}}
"""A slow phone, and nothing near."""


def joules(agent: Agent, world: SimWorld, queries: int) -> float:
    return sum(run_query(world, agent, None, "AUTO")[2].outcome.energy_j.device for _ in range(queries))


def test_a_radio_that_stays_awake_is_worth_waking() -> None:
    options = WorldOptions(scenario="S1", gap_s=0.5, **ALONE)
    found = {
        name: sum(joules(make_agent(name, SimWorld(options).targets, i), SimWorld(options, i), 100) for i in range(8))
        for name in ("corrector", "corrector-ahead")
    }
    assert found["corrector-ahead"] < 0.9 * found["corrector"]


def test_a_query_a_minute_finds_it_asleep() -> None:
    options = WorldOptions(scenario="S1", gap_s=60.0, **ALONE)
    world = SimWorld(options, 0)
    context = world.observe()
    assert context.forecast is not None
    assert context.forecast_again is not None
    np.testing.assert_allclose(context.forecast_again.energy_j, context.forecast.energy_j, rtol=0.2)


def test_a_model_that_is_open_needs_no_opening() -> None:
    context = SimWorld(WorldOptions(device="s10e", networks=("mobilenet-v1",), cold_start=True), 0).observe()
    assert context.forecast is not None
    assert context.forecast_again is not None
    saved_s = context.forecast.latency_s - context.forecast_again.latency_s
    assert (saved_s >= 0.0).all()
    assert saved_s.max() > 0.1


def test_where_nothing_is_known_of_what_comes_it_is_the_corrector() -> None:
    plain, ahead = (make_agent(name, MANY, 3) for name in ("corrector", "corrector-ahead"))
    worlds = [ToyWorld(MANY, error=0.3, noise=0.05) for _ in range(2)]
    for number in range(40):
        chosen = {
            run_query(world, agent, NETWORKS[number % 2], "AUTO")[2].chosen
            for world, agent in zip(worlds, (plain, ahead), strict=True)
        }
        assert len(chosen) == 1


@pytest.mark.parametrize("horizon", [0, -1, 2.5, True])
def test_a_horizon_that_is_none_is_refused(horizon: object) -> None:
    with pytest.raises(InvalidInput, match="horizon"):
        CorrectorAhead(MANY, horizon=horizon)  # type: ignore[arg-type]
