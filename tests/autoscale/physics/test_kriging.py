"""How sure a residual is, far from the points and near them."""

import numpy as np
import pytest

from autoscale.arrays import Floats
from autoscale.physics.kriging import Kriging, Points
from autoscale.physics.measured import LATENCY


@pytest.mark.parametrize(("off", "least"), [(0.0, 1.0), (0.1, 1.0), (1.5, 2.0)])
def test_points_that_lie_wider_than_usual_widen_what_is_said_elsewhere(off: float, least: float) -> None:
    signs = np.where(np.arange(12) % 2, 1.0, -1.0)
    assert _spread(off * signs) / _spread(0.0 * signs) >= least * (1.0 - 1e-9)


def test_points_that_lie_closer_than_usual_narrow_nothing() -> None:
    usual = _spread(0.0 * np.ones(12))
    assert _spread(0.01 * np.ones(12)) == pytest.approx(usual)


def _spread(residuals: Floats) -> float:
    """At a network far from the points."""
    return Kriging(LATENCY, _points(np.arange(float(residuals.size))), residuals).at(_points(np.array([40.0])))[1]


def _points(sizes: Floats) -> Points:
    networks = np.zeros((sizes.size, 7))
    networks[:, 0] = sizes
    texts = np.array(["fp32"] * sizes.size), np.array(["ort"] * sizes.size)
    return Points(networks, *texts, np.zeros((sizes.size, 2)))
