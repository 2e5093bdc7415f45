"""The demonstration's day: which phases there are, and that it is the same for everybody."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.demo.day import MOST_CO_RUNNERS, OUTAGE, Phase, conditions, day, heavy_co_runners, limit_s

phases = st.sampled_from(day(4))


def test_it_has_a_good_link_a_weak_one_an_outage_and_a_busy_cpu() -> None:
    names = [phase.name for phase in day(7)]
    assert names == ["fast link", "weak link", "good link", "outage", "good link", "busy CPU"]
    assert [phase.co_runners for phase in day(7)] == [0, 0, 0, 0, 0, 7]
    rates = {phase.name: phase.link.rate_bps for phase in day(7)}
    assert rates["outage"] == 0.0 < rates["weak link"] < rates["good link"] < rates["fast link"]
    assert all(phase.link.rssi_dbm is not None for phase in day(7))


@given(phases, st.integers(0, 2**32 - 1))
def test_one_seed_gives_one_link(phase: Phase, seed: int) -> None:
    one, other = np.random.default_rng(seed), np.random.default_rng(seed)
    assert [conditions(phase, one) for _ in range(5)] == [conditions(phase, other) for _ in range(5)]


@given(phases, st.integers(0, 2**32 - 1))
def test_fading_moves_signal_and_rate_together_and_leaves_the_rest(phase: Phase, seed: int) -> None:
    link = conditions(phase, np.random.default_rng(seed))
    assert link.rssi_dbm is not None
    assert phase.link.rssi_dbm is not None
    fade_db = link.rssi_dbm - phase.link.rssi_dbm
    assert -5.0 <= fade_db <= 5.0
    assert link.rate_bps == pytest.approx(phase.link.rate_bps * 10 ** (fade_db / 20))
    assert (link.round_trip_s, link.jitter_s, link.loss) == (
        phase.link.round_trip_s,
        phase.link.jitter_s,
        phase.link.loss,
    )


def test_the_signal_fades_around_its_middle_and_an_outage_stays_one() -> None:
    rng = np.random.default_rng(0)
    signals = [conditions(day(4)[0], rng).rssi_dbm or math.nan for _ in range(500)]
    assert statistics.mean(signals) == pytest.approx(-48.0, abs=0.3)
    assert statistics.stdev(signals) == pytest.approx(2.0, abs=0.3)
    assert conditions(Phase("outage", OUTAGE), rng).is_down


@given(latency_s=st.floats(1e-4, 1.0), limit_s=st.floats(1e-3, 1.0))
def test_co_runners_make_a_query_late_by_a_third_as_far_as_they_may(latency_s: float, limit_s: float) -> None:
    count = heavy_co_runners(latency_s, limit_s)
    assert 3 <= count <= MOST_CO_RUNNERS
    if count < MOST_CO_RUNNERS:
        assert (count + 1) * latency_s >= 1.33 * limit_s * (1 - 1e-9)
    if 3 < count < MOST_CO_RUNNERS:
        assert count * latency_s < 1.33 * limit_s * (1 + 1e-9)


@given(st.floats(1e-4, 10.0))
def test_a_limit_leaves_twice_the_time_and_never_less_than_the_papers(reference_s: float) -> None:
    assert limit_s(reference_s) >= max(0.05, 2 * reference_s)
    assert limit_s(reference_s) in (0.05, 2 * reference_s)
