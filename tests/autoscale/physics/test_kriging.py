"""How sure a residual is, far from the points and near them."""

import numpy as np
import pytest

from autoscale.arrays import Floats
from autoscale.physics.kriging import ELSEWHERE, Kriging, Points, Spread, covariance, variance
from autoscale.physics.measured import LATENCY


@pytest.mark.parametrize(("off", "least"), [(0.0, 1.0), (0.1, 1.0), (1.5, 2.0)])
def test_points_that_lie_wider_than_usual_widen_what_is_said_elsewhere(off: float, least: float) -> None:
    signs = np.where(np.arange(12) % 2, 1.0, -1.0)
    assert _spread(off * signs) / _spread(0.0 * signs) >= least * (1.0 - 1e-9)


def test_points_that_lie_closer_than_usual_narrow_nothing() -> None:
    usual = _spread(0.0 * np.ones(12))
    assert _spread(0.01 * np.ones(12)) == pytest.approx(usual)


def test_of_what_goes_with_a_network_most_is_the_same_elsewhere() -> None:
    """The other machine is ten times as slow; one network, which is not known here, is e times as slow once more."""
    count, asked = 100, 50
    networks = Spread(*[0.0] * 10, network=1.0, network_precision=0.0, run=1e-3)
    sizes, slow = np.arange(float(count)), np.log(10.0) + (np.arange(count) == asked)
    here = _points(np.delete(sizes, asked))
    both = _joined(here, _points(sizes, "elsewhere"))
    known = Kriging(networks, both, np.concatenate([np.zeros(count - 1), slow]))
    middle, own, spread = (each[0] for each in known.at(_points(sizes[asked : asked + 1])))
    assert middle == pytest.approx(ELSEWHERE, abs=0.01)
    assert (own, spread) == pytest.approx((0.0, 1.0)), "its own points know nothing of that network"
    assert known.networks == count - 1


def test_a_point_that_the_others_contradict_bends_them_no_more_the_further_it_lies_off() -> None:
    def bent(off: float) -> float:
        residuals = np.where(np.arange(12) == 6, off, 0.0)
        known = Kriging(LATENCY, _points(np.arange(12.0) + 15.0), residuals)
        return abs(float(known.at(_points(np.array([40.0])))[0][0]))

    assert bent(0.2) == pytest.approx(2.0 * bent(0.1))
    assert max(bent(1.0), bent(4.0), bent(16.0)) < 5.0 * bent(0.1)


@pytest.mark.parametrize("count", [1, 2])
def test_points_that_no_other_contradicts_bend_as_far_as_they_lie_off(count: int) -> None:
    """A device with a row or two, whose file has a guess for its speed: 20 times too slow or too fast is what it is."""

    def bent(off: float) -> float:
        known = Kriging(LATENCY, _points(np.arange(float(count)) + 20.0), np.full(count, off))
        return float(known.at(_points(np.array([22.0])))[0][0])

    assert [bent(off) / bent(0.1) for off in (0.5, 1.4, 3.0, -3.0)] == pytest.approx([5.0, 14.0, 30.0, -30.0])


def test_variance_is_what_the_covariance_has_on_its_diagonal() -> None:
    points = _points(np.array([3.0, 20.0, 25.0]))
    expected = covariance(LATENCY, points, points).diagonal() + LATENCY.run**2
    assert variance(LATENCY, points) == pytest.approx(expected)


def _spread(residuals: Floats) -> float:
    """At a network far from the points."""
    known = Kriging(LATENCY, _points(np.arange(float(residuals.size))), residuals)
    return float(known.at(_points(np.array([40.0])))[2][0])


def _points(sizes: Floats, machine: str = "") -> Points:
    networks = np.zeros((sizes.size, 7))
    networks[:, 0] = sizes
    texts = np.array(["fp32"] * sizes.size), np.array(["ort"] * sizes.size)
    return Points(networks, *texts, np.zeros((sizes.size, 2)), np.array([machine] * sizes.size))


def _joined(one: Points, other: Points) -> Points:
    return Points(*(np.concatenate([getattr(each, name) for each in (one, other)]) for name in Points.__annotations__))
