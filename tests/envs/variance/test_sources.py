from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.carbon import TypicalHours
from autoscale.physics.contention import cpu_strain, memory_strain
from autoscale.physics.queueing import mean_wait_s, wait_s
from autoscale.physics.radio import query_j
from autoscale.profiles import load_device, load_link
from autoscale.profiles.networks import load_network
from autoscale.query.target import Target
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.variance import (
    battery,
    hidden,
    intensity,
    interference,
    network,
    outages,
    processes,
    server,
    thermal,
    unrest,
    workload,
)
from autoscale_envs.variance.scenarios import SCENARIOS, Outages, Scenario, Signal
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import WorldParameters, make_parameters


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.99])
def test_gauss_markov_has_variance_one_and_the_right_memory(rho: float, rng: np.random.Generator) -> None:
    path = processes.gauss_markov(rng.standard_normal((64, 1, 4000)), rng.standard_normal((1, 4000)), np.array([rho]))
    path = path[:, 0]
    assert path.var() == pytest.approx(1.0, abs=0.05)
    assert np.mean(path[1:] * path[:-1]) == pytest.approx(rho, abs=0.03)


def test_gauss_markov_goes_on_from_block_to_block(rng: np.random.Generator) -> None:
    normals, start, rho = rng.standard_normal((10, 2, 3)), np.zeros((2, 3)), np.array([0.9, 0.0])
    whole = processes.gauss_markov(normals, start, rho)
    first = processes.gauss_markov(normals[:4], start, rho)
    second = processes.gauss_markov(normals[4:], first[-1], rho)
    assert (np.concatenate([first, second]) == whole).all()


def test_regimes_stay_and_are_drawn_by_weight(rng: np.random.Generator) -> None:
    cumulative = np.array([0.2, 1.0])
    path = processes.regimes(rng.random((64, 4000)), np.zeros(4000, dtype=np.intp), 0.25, cumulative)
    assert path[-20:].mean() == pytest.approx(0.8, abs=0.02)
    switched = np.mean(path[1:] != path[:-1])
    assert switched == pytest.approx(0.25 * 2 * 0.2 * 0.8, abs=0.01)


def test_a_regime_is_kept_from_the_block_before() -> None:
    path = processes.regimes(np.full((5, 2), 0.9), np.array([3, 1]), 0.5, np.array([0.25, 0.5, 0.75, 1.0]))
    assert path.tolist() == [[3, 1]] * 5


def test_all_networks_ask_equally_often_several_times_in_a_row(rng: np.random.Generator) -> None:
    asks = workload.next_networks(rng.random((64, 4000)), np.zeros(4000, dtype=np.intp), 4)
    assert np.bincount(asks[40:].ravel()) / asks[40:].size == pytest.approx(0.25, abs=0.02)
    assert np.mean(asks[1:] == asks[:-1]) > 0.85


def test_gaps_have_the_mean_that_was_asked(rng: np.random.Generator) -> None:
    assert workload.gaps(rng.random(100_000), 0.5).mean() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("link_name", ["wifi", "lte"])
def test_moving_a_query_costs_what_the_engine_says(link_name: str) -> None:
    link, device, model = load_link(link_name), load_device("mi8pro"), load_network("mobilenet-v1")
    radio = device.radios[link.radio_name]
    rssi_dbm, factor = np.array([[-60.0, -75.5, -90.0]]), np.array([[1.0, 0.7, 1.3]])
    conditions = network.Conditions(rssi_dbm, factor, np.ones(3), np.ones(3))
    seen = network.passage(network.make_path(link, radio, (model,)), conditions, np.zeros((1, 3), dtype=np.intp))
    latency_s = float(link.round_trip_s) + seen.move_s
    np.testing.assert_allclose(seen.round_trip_s, link.round_trip_s, rtol=1e-9)
    for at, level_dbm in enumerate(rssi_dbm[0]):
        rates_bps = [float(each(level_dbm)) * factor[0, at] for each in (link.uplink_bps, link.downlink_bps)]
        whole_j = query_j(radio, model.input_bytes, model.output_bytes, *rates_bps, level_dbm, latency_s[0, at], 0.0)
        waiting_j = radio.tail_w * link.round_trip_s
        assert seen.move_j[0, at] == pytest.approx(whole_j - waiting_j, rel=1e-9)


def test_the_remote_costs_of_a_world_are_the_engines() -> None:
    """A cloud query of a calm world: the paper's formula over the link, and the tail it adds."""
    parameters = make_parameters(WorldOptions(networks=("resnet-50",), hidden_sigma=0.0))
    env = EdgeInferenceVectorEnv(1, networks=("resnet-50",), hidden_sigma=0.0, gap_s=100.0)
    env.reset(seed=0)
    query = env._world.streams.now_at(0)
    infos = env.step(np.array([65]))[4]
    radio, remote_s = parameters.radios[1], parameters.costs.latency_s[0, 65]
    per_link = query.move_s, query.move_j, query.round_trip_s, query.queue_s, query.surprise_s
    move_s, move_j, round_trip_s, queue_s, surprise_s = (each[1] for each in per_link)
    latency_s = (remote_s + move_s) * query.latency_noise + round_trip_s + queue_s + surprise_s
    waits_s = latency_s - (remote_s + move_s) * query.latency_noise + remote_s
    radio_j = move_j + radio.tail_w * (min(waits_s, radio.tail_s) + radio.tail_s)
    assert infos["latency_s"][0] == pytest.approx(latency_s, rel=1e-12)
    assert infos["energy_j"][0] == pytest.approx(
        radio_j * query.energy_noise + parameters.device.idle_w * latency_s, rel=1e-9
    )


def test_weaker_signals_take_longer_and_more_energy() -> None:
    link, device = load_link("wifi"), load_device("s10e")
    path = network.make_path(link, device.radios["wifi"], (load_network("resnet-50"),))
    rssi_dbm = np.linspace(-95.0, -40.0, 30)[None]
    ones = np.ones_like(rssi_dbm)
    seen = network.passage(path, network.Conditions(rssi_dbm, ones, ones[0], ones[0]), np.zeros((1, 30), np.intp))
    assert (np.diff(seen.move_s) <= 0).all() and (np.diff(seen.move_j) <= 0).all()
    assert seen.move_s[0, 0] > 20 * seen.move_s[0, -1]


def test_a_signal_strays_around_its_level(rng: np.random.Generator) -> None:
    link = load_link("wifi")
    signals_dbm = network.signal_dbm(link, Signal("weak", sd_db=3.0), rng.standard_normal(50_000))
    assert (signals_dbm.mean(), signals_dbm.std()) == pytest.approx((-86.0, 3.0), abs=0.1)


def test_a_queue_is_that_of_mm1(rng: np.random.Generator) -> None:
    load = np.full(400_000, 0.6)
    waits_s = wait_s(load, rng.random(load.size))
    assert waits_s.mean() == pytest.approx(float(mean_wait_s(0.6)), rel=0.02)
    assert np.mean(waits_s == 0.0) == pytest.approx(0.4, abs=0.01)


@given(st.floats(-8.0, 8.0), st.floats(0.1, 10.0))
def test_a_server_is_never_wholly_busy(wander: float, odds: float) -> None:
    assert 0.0 < float(server.server_load(np.array(wander), odds)) < 1.0


def test_jitter_is_nothing_on_average_and_never_undoes_the_round_trip(rng: np.random.Generator) -> None:
    for name in ("wifi", "wifi-direct", "lte", "5g-low", "5g-mmwave"):
        drawn = network.jitter(load_link(name), network.lateness(rng.random(200_000)))
        assert drawn.mean() == pytest.approx(0.0, abs=0.01) and drawn.min() >= -1.0


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_strain_grows_with_load_from_nothing(low: float, high: float) -> None:
    low, high = sorted((low, high))
    for strain in (cpu_strain, memory_strain):
        assert 0.0 <= strain(np.array(low)) <= strain(np.array(high)) < 4.0
        assert strain(np.array(0.0)) == 0.0


def test_a_cpu_heavy_co_runner_hurts_the_cpu_most() -> None:
    costs = make_parameters(WorldOptions(networks=("mobilenet-v1",))).costs
    cpu, gpu, npu = costs.cpu_bound[0, [22, 59, 60]]
    assert cpu > 2 * gpu and cpu > 1.5 * npu


def test_loads_are_fractions_around_their_means(rng: np.random.Generator) -> None:
    drawn = interference.loads([0.0, 0.9], np.array([0, 1] * 5000), rng.standard_normal(10_000))
    assert (drawn[::2] == 0.0).all()
    assert drawn[1::2].mean() == pytest.approx(0.88, abs=0.02) and drawn.max() == 1.0


def test_heat_settles_where_power_and_air_say() -> None:
    node = load_device("mi8pro").thermal
    settled_c = thermal.warmed_c(25.0, 2.0, 1e6, node)
    assert settled_c == pytest.approx(25.0 + 2.0 * node.resistance_k_per_w)
    half = thermal.warmed_c(thermal.warmed_c(25.0, 2.0, 30.0, node), 2.0, 30.0, node)
    assert half == pytest.approx(thermal.warmed_c(25.0, 2.0, 60.0, node))


def test_a_cap_takes_the_highest_step_below_it() -> None:
    steps_hz = (10**9, 15 * 10**8, 2 * 10**9)
    processors = load_device("mi8pro").processors
    processors = {**processors, "cpu": replace(processors["cpu"], frequencies_hz=steps_hz)}
    targets = [Target("device", "cpu", "fp32", frequency_hz=step) for step in steps_hz]
    targets += [Target("device", "npu", "int8"), Target("cloud", "gpu", "fp32")]
    runs, capped = thermal.governed(targets, processors)
    assert [run.target for run in runs] == [0, 1, 2, 3, 4]
    assert capped[0].tolist() == [0, 1, 2, 3, 4]
    assert capped[-1].tolist() == [0, 0, 0, 3, 4]
    assert capped[thermal.CAPS.index(0.75)].tolist() == [0, 1, 1, 3, 4]


def test_a_cap_slows_down_a_target_that_sets_threads_as_well() -> None:
    processors = load_device("mi8pro").processors
    targets = [Target("device", "cpu", "fp32", threads=2), Target("device", "npu", "int8")]
    runs, capped = thermal.governed(targets, processors)
    assert capped[0].tolist() == [0, 1]
    steps = processors["cpu"].frequencies_hz
    for cap, (cpu, npu) in zip(thermal.CAPS[1:], capped[1:], strict=True):
        assert runs[cpu] == thermal.Run(0, max(step for step in steps if step <= cap * steps[-1]))
        assert npu == 1


def test_a_battery_drains_by_what_is_drawn() -> None:
    full_j = battery.capacity_j(10.0)
    assert battery.drained(0.5, 10.0, 360.0, full_j) == pytest.approx(0.4)
    assert battery.drained(0.01, 10.0, 3600.0, full_j) == 0.0
    assert battery.drained(0.5, 10.0, 3600.0, battery.capacity_j(None)) == 0.5


def test_hidden_factors_have_the_spread_that_was_asked(rng: np.random.Generator) -> None:
    computing = parameters_of(networks=("mobilenet-v1", "resnet-50")).hierarchy
    counts = hidden.Counts(computing.factors, links=3, servers=2)
    drawn = hidden.hidden_factors(rng.standard_normal((4_000, counts.factors)), 0.15, counts, computing)
    assert [each.shape[1:] for each in drawn[:7]] == [(computing.cells, 2), (), (), (2,), (3,), (3,), (3,)]
    for factor in drawn[:7]:
        assert np.log(factor).std(axis=0) == pytest.approx(0.15, abs=0.015)
    exact = hidden.nominal(3, counts, computing)
    assert all((factor == 1.0).all() for factor in exact[:7])


def parameters_of(**settings: Any) -> WorldParameters:
    return make_parameters(WorldOptions(**settings))


def test_what_two_targets_share_of_their_factors_is_what_was_asked(rng: np.random.Generator) -> None:
    """Correlations of the logarithms: a processor's share between networks, and so on down the levels."""
    made = parameters_of(networks=("mobilenet-v1", "resnet-50"))
    computing, runs = made.hierarchy, len(made.runs)
    logs = computing.logs(rng.standard_normal((20_000, computing.factors)))
    names = [str(target) for target in made.targets]
    at = {
        name: names.index(f"device:{name}")
        for name in ("cpu/fp32@2649.6MHz", "cpu/int8@2649.6MHz", "cpu/fp32@825.6MHz")
    }
    gpu = next(number for number, name in enumerate(names) if name.startswith("device:gpu"))
    base = logs[:, computing.cell[at["cpu/fp32@2649.6MHz"]]]
    for column, shared in (
        (at["cpu/fp32@2649.6MHz"], 1.0),
        (at["cpu/fp32@825.6MHz"], 0.9),
        (at["cpu/int8@2649.6MHz"], 0.8),
        (runs + at["cpu/fp32@825.6MHz"], 0.4),
        (runs + at["cpu/fp32@2649.6MHz"], 0.5),
        (gpu, 0.0),
    ):
        other = logs[:, computing.cell[column]]
        assert np.corrcoef(base, other)[0, 1] == pytest.approx(shared, abs=0.03), column


def test_all_of_the_processor_is_one_factor_a_processor() -> None:
    computing = parameters_of(hidden_shares={"processor": 1.0}).hierarchy
    assert computing.cells == computing.factors == 8


def test_a_change_comes_at_once_and_a_drift_goes_and_comes_back(rng: np.random.Generator) -> None:
    worse = Scenario("X", "", change=3.0, change_queries=(100, 160))
    drawn = unrest.unrest(worse, rng.random((2000, 7)), gap_s=0.5)
    assert drawn.moment_s.min() >= 50.0 and drawn.moment_s.max() <= 80.0
    before, after = (unrest.slowdown(drawn, np.arange(2000), 2 * np.arange(2000), t, 100.0) for t in (49.0, 81.0))
    assert (before == 1.0).all()
    assert after.min() >= 1.0 and after.max() <= 3.0
    assert np.median(after) == pytest.approx(3.0**0.5, rel=0.1)
    drifting = unrest.unrest(Scenario("X", "", drift=0.3), rng.random((2000, 7)), gap_s=0.5)
    now, half, turn = (unrest.slowdown(drifting, np.arange(2000), 2 * np.arange(2000), t, 100.0) for t in (7, 57, 107))
    np.testing.assert_allclose(np.log(now), -np.log(half), atol=1e-9)
    np.testing.assert_allclose(now, turn)
    assert np.log(now).std() == pytest.approx(0.3 * (2.0 / 3.0) ** 0.5, rel=0.1)


def test_links_fail_as_often_and_as_long_as_was_asked(rng: np.random.Generator) -> None:
    down = outages.failures(rng.random((20_000, 8)), np.zeros(8, np.intp), Outages(0.2, 10.0), gap_s=0.5)
    assert down.mean() == pytest.approx(0.2, abs=0.02)
    begins = (np.diff(down, axis=0) == 1).sum()
    assert 0.5 * down.sum() / begins == pytest.approx(10.0, rel=0.1)


def test_intensity_goes_by_the_hour() -> None:
    assert intensity.hour_of_day(np.array([0.0, 3599.0, 3600.0, 86399.0, 86400.0])).tolist() == [0, 0, 1, 23, 0]


def test_the_grids_days_are_those_of_the_typical_hours() -> None:
    """Hour by hour the year's mean of what the engine's typical hours tell: no curve is written down here."""
    source, start = TypicalHours(), datetime(2025, 1, 1, tzinfo=UTC).timestamp()
    for place in (intensity.DEVICE_PLACE, intensity.CLOUD_PLACE):
        curve = intensity.daily_curve(place)
        year = np.reshape([source.at(place, start + 3600.0 * hour).g_per_kwh for hour in range(8760)], (365, 24))
        np.testing.assert_allclose(curve.g_per_kwh, year.mean(axis=0), rtol=1e-9)
        assert 0.0 < curve.day_spread < 0.5


@settings(max_examples=25)
@given(
    st.sampled_from(sorted(SCENARIOS)),
    st.sampled_from(["mi8pro", "s10e", "moto-x-force", "laptop"]),
    st.sampled_from(["wifi", "lte", "5g-low", "5g-mmwave"]),
    st.floats(0.01, 50.0),
    st.floats(0.0, 1.0),
    st.integers(0, 2**32 - 1),
)
def test_every_figure_is_finite_and_above_nothing(scenario, device, link, gap_s, sigma, seed) -> None:
    env = EdgeInferenceVectorEnv(
        4, device=device, scenario=scenario, links={"cloud": link}, gap_s=gap_s, hidden_sigma=sigma, oracle=True
    )
    env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        observations, rewards, *_, infos = env.step(rng.integers(0, len(env.targets), 4))
        assert env.observation_space.contains(observations)
        assert np.isfinite(rewards).all() and (rewards < 0).all()
        for name in ("energy_j", "latency_s", "carbon_g"):
            assert np.isfinite(infos[name]).all() and (infos[name] > 0).all()
