from statistics import NormalDist

import numpy as np
import pytest

from autoscale_envs.variance.draws import Draws, block
from autoscale_envs.variance.processes import regimes, times


def test_numbers_depend_on_the_seed_alone() -> None:
    """Not on who is drawn beside, nor on when each one's next numbers are drawn, nor on a block that was taken back."""
    everyone, alone = np.arange(20), np.array([0])
    many, lone = Draws([*range(20)], 2), Draws([13], 2)
    for number in range(30):
        if number == 11:
            many.reseed(4, 99)
        if number in (8, 16, 21):
            many.take(everyone)
            many.take_back()
        drawn, expected = block(many.take(everyone), 256, 2), block(lone.take(alone), 256, 2)
        assert all((each[:, :, 13] == only[:, :, 0]).all() for each, only in zip(drawn, expected, strict=True))
        if number == 11:
            again = block(Draws([99], 2).take(alone), 256, 2)
            assert all((each[:, :, 4] == only[:, :, 0]).all() for each, only in zip(drawn, again, strict=True))


def test_normals_and_uniforms_are_spread_as_such_and_have_nothing_in_common() -> None:
    """Neither with each other, nor from query to query, block to block, or one seed to the next."""
    draws, everyone = Draws([*range(1000)], 5), np.arange(1000)
    normals, uniforms = (
        np.stack(each) for each in zip(*(block(draws.take(everyone), 64, 5) for _ in "12"), strict=True)
    )
    numbers = np.concatenate([normals, np.sqrt(12.0) * (uniforms - 0.5)], axis=2)
    assert np.allclose(np.corrcoef(np.moveaxis(numbers, 2, 0).reshape(12, -1)), np.eye(12), atol=0.015)
    for axis in (0, 1, 3):
        assert abs(np.mean(numbers * np.roll(numbers, 1, axis))) < 0.005
    normal, uniform, at = np.sort(normals.ravel()), np.sort(uniforms.ravel()), (-2.5, -1.0, 0.0, 0.5, 2.0, 3.0)
    assert (normal.mean(), normal.std(), np.mean(normal**4)) == pytest.approx((0.0, 1.0, 3.0), abs=0.03)
    shares = np.searchsorted(normal, at) / len(normal)
    assert shares == pytest.approx([NormalDist().cdf(each) for each in at], abs=0.003)
    assert uniform == pytest.approx(np.linspace(0.0, 1.0, len(uniform)), abs=0.005)
    assert uniforms.shape == (2, 64, 7, 1000) and uniform[0] > 0.0 and uniform[-1] < 1.0


@pytest.mark.parametrize(("queries", "switch", "count"), [(64, 0.1, 10), (5, 0.5, 2), (1, 0.5, 3), (64, 1.0, 1)])
def test_a_regime_stays_until_the_next_is_drawn(queries: int, switch: float, count: int) -> None:
    rng, cumulative = np.random.default_rng(0), np.arange(1, count + 1) / count
    uniforms, before = rng.random((queries, 7), dtype=np.float32), rng.integers(0, count, 7)
    path = regimes(uniforms, before, switch, cumulative)
    for uniform, now in zip(uniforms, path, strict=True):
        drawn = np.minimum(np.searchsorted(cumulative, uniform / switch, side="right"), count - 1)
        before = np.where(uniform < switch, drawn, before)
        assert (now == before).all()


def test_times_are_sums_of_one_after_the_other_however_many_there_are() -> None:
    rng = np.random.default_rng(0)
    steps, first = rng.random((64, 100), dtype=np.float32), rng.random(100)
    asked, few = times(steps, first), times(steps[:, :5], first[:5])
    assert (asked == np.cumsum([first, *steps], axis=0, dtype=np.float64)).all() and (asked[:, :5] == few).all()
    assert (np.vstack([times(steps[:20], first)[:-1], times(steps[20:], asked[20])]) == asked).all()


def test_numbers_do_not_depend_on_how_many_queries_are_drawn_at_once() -> None:
    starts, whole = Draws([1, 2], 3), block(Draws([1, 2], 3).take(np.arange(2)), 512, 3)
    parts = zip(*(block(starts.take(np.arange(2)), 256, 3) for _ in "12"), strict=True)
    assert all((np.concatenate(part) == each).all() for part, each in zip(parts, whole, strict=True))
