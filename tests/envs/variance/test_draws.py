from statistics import NormalDist

import numpy as np
import pytest

from autoscale_envs.variance.draws import QUERIES, Draws
from autoscale_envs.variance.processes import regimes, sums


def test_numbers_depend_on_the_seed_alone() -> None:
    """Not on who is drawn beside, nor on when each one's next numbers are drawn, nor on a block that was taken back."""
    everyone, alone = np.arange(20), np.array([0])
    many, lone = Draws([*range(20)], 2), Draws([13], 2)
    for block in range(30):
        if block == 11:
            many.reseed(4, 99)
        if block in (8, 16, 21):
            many.block(everyone)
            many.take_back()
        numbers, expected = many.block(everyone), lone.block(alone)
        assert all((each[:, :, 13] == only[:, :, 0]).all() for each, only in zip(numbers, expected, strict=True))
        if block == 11:
            again = Draws([99], 2).block(alone)
            assert all((each[:, :, 4] == only[:, :, 0]).all() for each, only in zip(numbers, again, strict=True))


def test_normals_and_uniforms_are_spread_as_such_and_have_nothing_in_common() -> None:
    """Neither with each other, nor from query to query, block to block, or one seed to the next."""
    normals, uniforms = zip(*(drawn.block(np.arange(1000)) for drawn in [Draws([*range(1000)], 5)] * 2), strict=True)
    numbers = np.concatenate([np.stack(normals), np.sqrt(12.0) * (np.stack(uniforms) - 0.5)], axis=2)
    columns = np.moveaxis(numbers, 2, 0).reshape(12, -1)
    assert np.allclose(np.corrcoef(columns), np.eye(12), atol=0.015)
    for axis in (0, 1, 3):
        first, second = (np.roll(numbers, each, axis).ravel() for each in (0, 1))
        assert abs(np.mean(first * second)) < 0.005
    normal, uniform = np.sort(columns[:5].ravel()), np.sort(np.stack(uniforms).ravel())
    assert (normal.mean(), normal.std(), np.mean(normal**4)) == pytest.approx((0.0, 1.0, 3.0), abs=0.03)
    shares = [NormalDist().cdf(each) for each in (-2.5, -1.0, 0.0, 0.5, 2.0, 3.0)]
    found = np.searchsorted(normal, (-2.5, -1.0, 0.0, 0.5, 2.0, 3.0)) / len(normal)
    assert found == pytest.approx(shares, abs=0.003)
    assert uniform == pytest.approx(np.linspace(0.0, 1.0, len(uniform)), abs=0.005)
    assert uniforms[0].shape == (QUERIES, 7, 1000) and uniform[0] > 0.0 and uniform[-1] < 1.0


@pytest.mark.parametrize(("queries", "switch", "count"), [(64, 0.1, 10), (5, 0.5, 2), (1, 0.5, 3), (64, 1.0, 1)])
def test_a_regime_stays_until_the_next_is_drawn(queries: int, switch: float, count: int) -> None:
    rng, cumulative = np.random.default_rng(0), np.arange(1, count + 1) / count
    uniforms, before = rng.random((queries, 7), dtype=np.float32), rng.integers(0, count, 7)
    path = regimes(uniforms, before, switch, cumulative)
    for uniform, now in zip(uniforms, path, strict=True):
        drawn = np.minimum(np.searchsorted(cumulative, uniform / switch, side="right"), count - 1)
        before = np.where(uniform < switch, drawn, before)
        assert (now == before).all()


def test_sums_are_those_of_one_after_the_other() -> None:
    steps = np.random.default_rng(0).random((64, 5), dtype=np.float32)
    assert (sums(steps) == np.cumsum(steps, axis=0, dtype=np.float64)).all()
