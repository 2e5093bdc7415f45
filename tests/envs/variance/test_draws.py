import numpy as np
import pytest

from autoscale_envs.variance.draws import Draws
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
