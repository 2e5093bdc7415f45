"""The first query of a network on a target opens it: once, for as much as a forecast tells, in every kind of world."""

import numpy as np
import pytest

from autoscale.agents.base import Choice, make_agent
from autoscale.loop import run_query
from autoscale.prediction import Conditions, predictions
from autoscale.query.target import Target
from autoscale_envs.evaluation.batch import Batch
from autoscale_envs.worlds.dynamics import Costs, costs
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters
from autoscale_envs.worlds.sim_world import SimWorld
from autoscale_envs.worlds.view import View, lone
from autoscale_envs.worlds.world import BatchedWorld


def parameters_of(is_cold: bool = True, **options: object) -> WorldParameters:
    usual = {"device": "pixel9", "networks": ("mobilenet-v1",), "hidden_sigma": 0.0, "cold_start": is_cold}
    return make_parameters(WorldOptions(**{**usual, **options}))


def view_of(parameters: WorldParameters) -> View:
    return View(BatchedWorld(parameters, [3], noisy=False), 0)


def number(parameters: WorldParameters, text: str) -> int:
    return parameters.targets.index(Target.parse(text))


def test_what_it_takes_is_what_a_forecast_tells_of_a_cold_query() -> None:
    cold, warm = (view_of(parameters_of(each)).costs_everywhere() for each in (True, False))
    parameters = parameters_of()
    at = parameters.device, parameters.networks[0], parameters.remotes
    told = zip(predictions(*at), predictions(*at, conditions=Conditions(is_cold=True)), strict=True)
    told = [(one, other) for one, other in told if not one.target.engine]
    assert [one.target for one, _ in told] == [*parameters.targets]
    for figure, name in (("latency_s", "latency_s"), ("device_j", "energy_j")):
        wanted = [getattr(other, name).mid - getattr(one, name).mid for one, other in told]
        assert (getattr(cold, figure) - getattr(warm, figure)).tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert any(one.opening is None for one, _ in told) and any(one.opening is not None for one, _ in told)


def test_it_is_paid_once_for_each_network_and_precision_whatever_the_clock() -> None:
    view = view_of(parameters_of(networks=("mobilenet-v1", "mobilenet-v2")))
    slow, fast, other = (
        number(view.parameters, f"device:cpu/{each}") for each in ("int8@700MHz", "int8@3105MHz", "fp32@3105MHz")
    )
    first = view.query.network

    def unpaid_s(target: int) -> float:
        at = view.parameters, view.world.hidden, view.number, view.query
        closed, opened = (costs(*at, state, target) for state in (view.state, view.state.spread(float("inf"))))
        return float(closed.latency_s) - float(opened.latency_s)

    assert unpaid_s(slow) > 0.0
    view.run(slow)
    while view.query.network == first:
        assert unpaid_s(slow) == unpaid_s(fast) == 0.0 < unpaid_s(other)
        view.run(slow)
    assert unpaid_s(slow) > 0.0, "the other network is yet to be opened"


def test_a_new_episode_begins_with_nothing_opened() -> None:
    view = view_of(parameters_of())
    dear = view.run(0).device_j
    assert view.cost_of(0).device_j < dear
    view.restart(seed=3)
    assert not view.state.opened.any()


def test_a_fallback_opens_what_answers() -> None:
    parameters = parameters_of(scenario="D8")
    view = lone(parameters, 0)
    cloud = len(parameters.targets) - 1
    while not view.is_refused(cloud):
        view.run(cloud)
    assert not view.state.opened[: parameters.openings.count - 1].any()
    view.run(cloud)
    assert view.state.opened[parameters.openings.pair(0, parameters.reference_target)] == 1.0


def test_the_oracle_opens_what_pays_over_an_episode() -> None:
    """For one query it stays where opening is cheap; for a thousand it goes where a warm query is."""
    warm = view_of(parameters_of(False)).best()
    alone, long = (view_of(parameters_of(queries=each)) for each in (1, 1_000_000))
    assert long.best() == warm
    once, spread = (alone.costs_everywhere().device_j[each.best()] for each in (alone, long))
    assert once < spread


def test_many_side_by_side_and_in_batches_are_the_lone_ones() -> None:
    parameters, seeds = parameters_of(networks=("mobilenet-v1", "mobilebert"), scenario="D8"), [4, 5, 6]
    batch, rng = Batch(parameters, seeds), np.random.default_rng(0)
    lones = [lone(parameters, seed) for seed in seeds]
    for _ in range(40):
        chosen = rng.integers(0, len(parameters.targets), len(seeds)).tolist()
        assert [seat.best() for seat in batch.seats] == [each.best() for each in lones]
        assert [seat.forecast().energy_j.tolist() for seat in batch.seats] == [
            each.forecast().energy_j.tolist() for each in lones
        ]
        for seat, target in zip(batch.seats, chosen, strict=True):
            seat.choose(target)
        step = batch.step()
        costs: list[Costs] = [each.run(target) for each, target in zip(lones, chosen, strict=True)]
        assert step.device_j.tolist() == [float(each.device_j) for each in costs]


def test_an_agent_is_told_what_is_yet_to_be_opened() -> None:
    cold, warm = (SimWorld(WorldOptions(networks=("mobilenet-v1",), cold_start=each), seed=0) for each in (True, False))

    def unpaid_s(target: int) -> float:
        told = [float(world.observe().forecast.latency_s[target]) for world in (cold, warm)]
        return told[0] - told[1]

    _, _, decision = run_query(cold, make_agent("corrector", cold.targets), None, "AUTO")
    opened, other = (cold.targets.index(each) for each in (decision.chosen, Target.parse("device:gpu/fp16@520MHz")))
    warm.perform(None, warm.observe(), Choice(opened, 1.0))
    assert unpaid_s(opened) == 0.0 < unpaid_s(other)
