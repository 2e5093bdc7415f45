"""The link estimator against synthetic links whose truth is known."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.errors import InvalidInput
from autoscale_runtime.sensors.links import GOOD_LINK, LinkEstimator, usual_link

SIZES = ((600_000, 4_000), (20_000, 500), (150_000, 40_000))


class World:
    """A clock, and links of known round trip and rates with log-normal noise."""

    def __init__(self, noise=0.0, seed=0):
        self.now_s = 0.0
        self.noise = noise
        self.random = np.random.default_rng(seed)
        self.estimator = LinkEstimator(clock=lambda: self.now_s)

    def transfer(self, link, size, pause_s=0.1, busy_s=0.02):
        took_s = time_s(link, size) * math.exp(self.noise * self.random.standard_normal())
        self.now_s += took_s + pause_s
        self.estimator.observe(*size, took_s + busy_s, busy_s)

    def error(self, link, size):
        return abs(self.estimator.predict_s(*size).expected_s / time_s(link, size) - 1.0)


def time_s(link, size):
    round_trip_s, uplink_bps, downlink_bps = link
    return round_trip_s + 8 * size[0] / uplink_bps + 8 * size[1] / downlink_bps


links = st.tuples(st.floats(0.001, 0.3), st.floats(1e5, 1e9), st.floats(1e5, 1e9))


def test_nothing_is_known_before_the_first_transfer():
    estimator = LinkEstimator()
    assert estimator.predict_s(1, 1) is None
    state = estimator.state(rssi_dbm=-60.0, is_up=False)
    assert (state.rssi_dbm, state.is_up, state.uplink_bps, state.round_trip_s) == (-60.0, False, None, None)


@settings(max_examples=40)
@given(links, st.integers(0, 9))
def test_a_steady_link_is_predicted(link, seed):
    world = World(noise=0.1, seed=seed)
    for step in range(30):
        world.transfer(link, SIZES[step % 3])
    for size in SIZES:
        assert world.error(link, size) < 0.25
        predicted = world.estimator.predict_s(*size)
        assert predicted.expected_s * math.exp(3.09 * predicted.spread) > time_s(link, size)  # in 999 of 1000 transfers


def test_rates_and_round_trip_are_distinguished_when_sizes_differ():
    world = World(noise=0.02)
    for step in range(30):
        world.transfer((0.03, 20e6, 5e6), SIZES[step % 3])
    state = world.estimator.state()
    assert state.round_trip_s == pytest.approx(0.03, rel=0.25)
    assert state.uplink_bps == pytest.approx(20e6, rel=0.1)
    assert state.downlink_bps == pytest.approx(5e6, rel=0.25)


@settings(max_examples=40)
@given(links, st.sampled_from(SIZES))
def test_one_size_alone_is_predicted_from_the_first_transfer_on(link, size):
    world = World()
    for _ in range(3):
        world.transfer(link, size)
        assert world.error(link, size) < 0.02
    state = world.estimator.state()
    assert time_s((state.round_trip_s, state.uplink_bps, state.downlink_bps), size) == pytest.approx(
        time_s(link, size), rel=0.02
    )


@settings(max_examples=40)
@given(links, links, st.sampled_from(SIZES))
def test_a_jump_is_followed_after_two_transfers(before, after, size):
    world = World()
    for _ in range(20):
        world.transfer(before, size)
    for _ in range(2):
        world.transfer(after, size)
    # A change within three spreads (a third or so, of a steady link) is no surprise and is followed more slowly.
    assert world.error(after, size) < 0.4


@settings(max_examples=20)
@given(st.integers(0, 20))
def test_a_jump_is_followed_with_mixed_sizes_and_noise(seed):
    world = World(noise=0.1, seed=seed)
    for step in range(24):
        world.transfer((0.02, 20e6, 40e6), SIZES[step % 3])
    weak = (0.08, 1e6, 2e6)
    for step in range(9):
        world.transfer(weak, SIZES[step % 3])
    assert max(world.error(weak, size) for size in SIZES) < 0.4


def test_one_hiccup_changes_nothing():
    world = World(noise=0.02)
    link, size = (0.02, 20e6, 40e6), SIZES[0]
    for _ in range(20):
        world.transfer(link, size)
    world.transfer((2.0, 20e6, 40e6), size)
    assert world.error(link, size) < 0.05
    world.transfer(link, size)
    assert world.error(link, size) < 0.05


def test_the_spread_is_wide_for_sizes_never_seen():
    world = World(noise=0.05)
    for _ in range(10):
        world.transfer((0.02, 20e6, 40e6), SIZES[0])
    seen, unseen = world.estimator.predict_s(*SIZES[0]), world.estimator.predict_s(100, 1_000_000)
    assert unseen.spread > 2.0 * seen.spread


def test_age_widens_and_then_forgets():
    world = World()
    world.transfer((0.02, 20e6, 40e6), SIZES[0])
    fresh = world.estimator.predict_s(*SIZES[0])
    world.now_s += 60.0
    assert world.estimator.predict_s(*SIZES[0]).spread > fresh.spread
    assert world.estimator.predict_s(*SIZES[0]).expected_s == fresh.expected_s
    world.now_s += 600.0
    assert world.estimator.predict_s(*SIZES[0]) is None
    assert world.estimator.state().uplink_bps is None
    world.transfer((0.5, 1e6, 1e6), SIZES[1])
    assert world.error((0.5, 1e6, 1e6), SIZES[1]) < 0.02


def test_late_failures_show_a_slow_link_and_one_answer_shows_that_it_is_back():
    world = World()
    link, size = (0.02, 20e6, 40e6), SIZES[0]
    for _ in range(10):
        world.transfer(link, size)
    calm = world.estimator.predict_s(*size)
    for _ in range(2):
        world.now_s += 3.0
        world.estimator.fail(size[0], 3.0)
    after = world.estimator.predict_s(*size)
    assert after.expected_s == pytest.approx(3.0, rel=0.1)
    assert after.spread > calm.spread
    world.transfer(link, size)
    assert world.error(link, size) < 0.05


def test_a_quick_refusal_says_nothing_about_speed():
    world = World()
    world.transfer((0.02, 20e6, 40e6), SIZES[0])
    before = world.estimator.predict_s(*SIZES[0])
    world.estimator.fail(SIZES[0][0], 0.001)
    after = world.estimator.predict_s(*SIZES[0])
    assert after.expected_s == before.expected_s
    assert after.spread > before.spread
    unmet = LinkEstimator()
    unmet.fail(600_000, 0.001)
    assert unmet.predict_s(600_000, 1000) is None


def test_giving_up_on_a_link_of_which_nothing_is_known_shows_how_slow_it_is_at_least():
    for usual in (GOOD_LINK, usual_link(-86.0)):
        estimator = LinkEstimator(usual=usual)
        due_s = 8.0 * 600_000 / usual.uplink_bps
        estimator.fail(600_000, 3.0 * due_s)
        assert estimator.predict_s(600_000, 0).expected_s == pytest.approx(3.0 * due_s, rel=0.1)
        assert estimator.state().uplink_bps < usual.uplink_bps


def test_a_link_that_nobody_used_is_no_faster_than_its_signal_lets_it_be():
    assert usual_link(None) == GOOD_LINK
    rates_bps = [usual_link(dbm).uplink_bps for dbm in (-92.0, -86.0, -78.0, -60.0)]
    assert rates_bps == sorted(rates_bps)
    assert rates_bps[0] < 2e6
    assert rates_bps[-1] == GOOD_LINK.uplink_bps


@pytest.mark.parametrize("busy_s", [0.13, 0.2, 60.0, 1e9])
def test_a_far_machine_that_was_busy_for_longer_than_it_took_is_not_believed(busy_s):
    world = World()
    link, size = (0.02, 20e6, 40e6), SIZES[1]
    took_s = time_s(link, size)
    for _ in range(3):
        world.estimator.observe(*size, took_s, max(busy_s, took_s))
    assert world.error(link, size) < 0.02


@pytest.mark.parametrize("times", [1e-4, 1e4])
@pytest.mark.parametrize("at", range(12))
def test_one_outlier_is_forgotten_after_two_transfers(times, at):
    world = World()
    link, size = (0.02, 20e6, 40e6), SIZES[0]
    took_s = time_s(link, size)
    for step in range(14):
        world.now_s += 0.1
        world.estimator.observe(*size, took_s * (times if step == at else 1.0), 0.0)
        if step not in (at, at + 1) or at >= 2:
            assert world.error(link, size) < 0.1


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.floats(0, 1e4), st.floats(0, 1e4))))
@settings(max_examples=60)
def test_any_transfers_leave_a_possible_link(transfers):
    now_s = [0.0]
    estimator = LinkEstimator(clock=lambda: now_s[0])
    for sent, received, elapsed_s, busy_s in transfers:
        now_s[0] += elapsed_s
        estimator.observe(sent, received, elapsed_s, busy_s)
        state, predicted = estimator.state(), estimator.predict_s(sent, received)
        assert 0.0 < state.round_trip_s < math.inf
        assert 0.0 < state.uplink_bps < math.inf and 0.0 < state.downlink_bps < math.inf
        assert 0.0 < predicted.expected_s < math.inf
        assert predicted.spread > 0.0


@pytest.mark.parametrize("elapsed_s", [-1.0, math.nan, math.inf])
def test_an_impossible_time_is_refused(elapsed_s):
    estimator = LinkEstimator()
    with pytest.raises(InvalidInput, match=f"elapsed_s of a transfer is {elapsed_s}"):
        estimator.observe(1, 1, elapsed_s, 0.0)
    with pytest.raises(InvalidInput, match="elapsed_s"):
        estimator.fail(1, elapsed_s)


def test_threads_may_share_an_estimator():
    estimator = LinkEstimator()

    def work():
        for _ in range(200):
            estimator.observe(1000, 1000, 0.01, 0.0)
            estimator.predict_s(1000, 1000)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert estimator.predict_s(1000, 1000).expected_s == pytest.approx(0.01, rel=0.01)


GOOD, THIN, FAR = (0.01, 50e6, 50e6), (0.01, 0.02e6, 0.02e6), (0.4, 0.02e6, 0.02e6)
QUERY, PROBE = (4_000, 700), (20, 180)


def gone_bad(link):
    """A link that was good and is known to have become another."""
    world = World(noise=0.02)
    for _ in range(20):
        world.transfer(GOOD, QUERY)
    for _ in range(3):
        world.transfer(link, QUERY)
    assert world.error(link, QUERY) < 0.4
    return world


def wait(world, link, until_s, pause_s=0.2):
    """Queries that go elsewhere, and the probes between them; how many queries until one would be expected to be quick,
    and after how many seconds."""
    started_s, count = world.now_s, 0
    while world.now_s - started_s < until_s and world.estimator.predict_s(*QUERY).expected_s > 2 * time_s(GOOD, QUERY):
        world.now_s += pause_s
        count += 1
        if world.estimator.wait():
            world.estimator.probe(*PROBE, time_s(link, PROBE))
    return count, world.now_s - started_s


@pytest.mark.parametrize("bad", [THIN, FAR])
@pytest.mark.parametrize("pause_s", [0.02, 0.2, 5.0])
def test_a_link_that_is_good_again_is_expected_to_be_within_forty_queries_and_ten_seconds(bad, pause_s):
    """Whichever comes later; no query of its own has to show it."""
    world = gone_bad(bad)
    count, took_s = wait(world, GOOD, 3600.0, pause_s)
    assert count <= 40 or took_s <= 10.0
    world.transfer(GOOD, QUERY)
    assert world.error(GOOD, QUERY) < 0.5
    assert not world.estimator.wait()  # nobody waits for news of a link that is as it was


def test_what_a_link_is_expected_to_do_changes_with_its_ageing_alone():
    world = gone_bad(THIN)
    known = {}
    for number in range(60):
        known.setdefault(world.estimator.standing(), set()).add(world.estimator.predict_s(*QUERY).expected_s)
        world.now_s += 0.0 if number % 3 else 0.4
        if number % 2:
            world.estimator.wait()
    assert len(known) > 5
    assert all(len(figures) == 1 for figures in known.values())
    lessons = world.estimator.standing()[0]
    world.transfer(GOOD, QUERY)
    assert world.estimator.standing() == (lessons + 1, 0.0, False)


def test_a_round_trip_that_stays_bad_is_known_and_nothing_is_hoped():
    world = gone_bad(FAR)
    _, waited_s = wait(world, FAR, 600.0)
    assert waited_s >= 600.0
    assert world.estimator.predict_s(*QUERY).expected_s > 0.3


def test_rates_that_stay_bad_are_looked_at_by_few_queries():
    """A few bytes cannot show them."""
    world = gone_bad(THIN)
    spent = waited = 0
    for _ in range(20):
        waited += wait(world, THIN, 600.0)[0]
        for _ in range(2):  # one may be a hiccup
            world.transfer(THIN, QUERY)
            spent += 1
            if world.error(THIN, QUERY) < 0.5:
                break
        assert world.error(THIN, QUERY) < 0.5
    assert spent / waited < 1 / 20


def test_a_link_that_was_never_better_is_never_probed_for():
    world = World(noise=0.02)
    for _ in range(20):
        world.transfer(THIN, QUERY)
    assert not any(world.estimator.wait() for _ in range(1000))
    world.now_s += 100.0
    assert world.error(THIN, QUERY) < 0.05


def test_probes_are_few():
    world = gone_bad(FAR)
    probes = 0
    for _ in range(1000):
        world.now_s += 0.02
        probes += world.estimator.wait()
    assert probes <= 1000 * 0.02 / 2.5
    probes = 0
    for _ in range(1000):
        world.now_s += 10.0
        probes += world.estimator.wait()
    assert probes <= 100


def test_one_transfer_shows_that_a_link_is_as_it_was_before():
    world = gone_bad(FAR)
    world.transfer(GOOD, QUERY)
    assert world.error(GOOD, QUERY) < 0.3


def test_a_link_that_was_hardly_used_may_be_good_and_after_a_few_transfers_is_what_it_is():
    world = World(noise=0.02)
    world.transfer(FAR, QUERY)
    assert wait(world, GOOD, 600.0)[0] <= 40
    for _ in range(5):
        world.transfer(THIN, QUERY)
    assert not any(world.estimator.wait() for _ in range(1000))
    world.now_s += 100.0
    assert world.error(THIN, QUERY) < 0.1
