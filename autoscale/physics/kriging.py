"""What some points tell of another: simple kriging of a residual whose variance has parts with names.

A residual is the logarithm of measured over modelled. Two points share a part of its variance where they share the
engine, the precision, both, the setting or the network, and more of a trend the more alike their networks are. The
best guess at a point is then a weighted sum of the known residuals, and what it leaves of the variance says how sure
that is (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 2).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Floats
from autoscale.query.model_profile import LAYER_KINDS, ModelProfile

Texts: TypeAlias = NDArray[np.str_]

ALIKE: Final = 1.4
"""How far apart two networks may be, in ``features``, to have most of the trend in common."""

USUAL_SIZE: Final = float(np.log(1e9))
"""A network's work, in ``features``, from which a drift with it is reckoned."""

SHARED: Final = 0.7
"""How far apart two thread counts may be, in octaves, to have most of a network's trend in common: how an engine shares
a layer among threads differs from layer to layer."""

SAME: Final = 0.03
"""Networks closer than this are one, under whatever names."""

TRUSTED: Final = 3
"""How many points the ``Spread`` is worth where a processor's own points lie wider than it has them."""

FITTED: Final = 3
"""How many points a speed takes that was fitted to them: 2 to 6 of its figures are told by them, the rest by what is
usual (the trace of the fit's hat matrix, at 13 processors that have rows)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the parts, as logarithms: 0.1 is about a tenth.

    Attributes:
        processor: of all points of a processor.
        precision: of those of one precision.
        engine: of those of one engine.
        pair: of those of one engine in one precision.
        setting: of those of one thread count and clock.
        trend: goes with the network's shape, whatever runs it.
        trend_precision: likewise, in one precision.
        trend_engine: likewise, of one engine.
        trend_pair: likewise, of one engine in one precision.
        drift: times how many e-folds a network's work is above or below 1 G multiply-accumulates.
        network: of one network.
        network_precision: of one network in one precision.
        run: of the single measurement.
    """

    processor: float
    precision: float
    engine: float
    pair: float
    setting: float
    trend: float
    trend_precision: float
    trend_engine: float
    trend_pair: float
    drift: float
    network: float
    network_precision: float
    run: float


@dataclass(frozen=True)
class Points:
    """Networks on settings of one processor.

    Attributes:
        networks: ``features``, shape (points, 7).
        precisions: as targets name them, shape (points,).
        engines: likewise.
        settings: logarithms of thread count and clock, shape (points, 2).
    """

    networks: Floats
    precisions: Texts
    engines: Texts
    settings: Floats


@dataclass(frozen=True)
class Kriging:
    """Known residuals at points, shape (points,), by the parts of their variance."""

    spread: Spread
    points: Points
    residuals: Floats

    def at(self, place: Points) -> tuple[float, float]:
        """The residual at one further point, and its standard deviation."""
        shared = covariance(self.spread, place, self.points)[0]
        weights = shared @ self._inverse
        unknown = covariance(self.spread, place, place)[0, 0] + self.spread.run**2 - weights @ shared
        return float(weights @ self.residuals), float(np.sqrt(max(self._overdispersion * unknown, 0.0)))

    @cached_property
    def networks(self) -> int:
        """How many networks the points are of."""
        return len(np.unique(self.points.networks, axis=0))

    @cached_property
    def _overdispersion(self) -> float:
        """A factor on the variance: how much wider the points lie than their ``Spread`` has them.

        That of a Student t process (Shah, Wilson and Ghahramani, AISTATS 2014), but never below 1: points to which a
        speed was fitted lie close to it and prove nothing by that.
        """
        free = max(len(self.residuals) - FITTED, 0)
        return max(1.0, (TRUSTED + float(self.residuals @ self._inverse @ self.residuals)) / (TRUSTED + free))

    @cached_property
    def _inverse(self) -> Floats:
        between = covariance(self.spread, self.points, self.points)
        return np.asarray(np.linalg.inv(between + self.spread.run**2 * np.eye(len(between))), np.float64)


def covariance(spread: Spread, one: Points, other: Points) -> Floats:
    """What the residuals of two lots of points have in common, shape (points of one, points of other)."""
    far = _squares(one.networks, other.networks)
    alike, same = np.exp(-0.5 * far / ALIKE**2), np.exp(-0.5 * far / SAME**2)
    precision = one.precisions[:, None] == other.precisions[None]
    engine = one.engines[:, None] == other.engines[None]
    pair = precision & engine
    common = spread.processor**2 + spread.precision**2 * precision + spread.engine**2 * engine + spread.pair**2 * pair
    setting = spread.setting**2 * np.exp(-0.5 * _squares(one.settings, other.settings))
    alike = alike * np.exp(-0.5 * _squares(one.settings[:, :1], other.settings[:, :1]) / SHARED**2)
    trend = spread.trend**2 + spread.trend_precision**2 * precision + spread.trend_engine**2 * engine
    network = spread.network**2 + spread.network_precision**2 * precision
    drift = spread.drift**2 * np.outer(one.networks[:, 0] - USUAL_SIZE, other.networks[:, 0] - USUAL_SIZE)
    shared: Floats = common + drift + setting + alike * (trend + spread.trend_pair**2 * pair) + same * network
    return shared


def features(model: ModelProfile) -> Floats:
    """What makes networks run alike: size, traffic, depth, and the kinds of their arithmetic. Shape (7,)."""
    macs, layers = max(model.macs, 1), max(sum(getattr(model, kind) for kind in LAYER_KINDS), 1)
    values = sum(model.values_by_kind.values()) or macs / 60.0
    shares = [model.macs_by_kind.get(kind, 0) / macs for kind in ("depthwise_conv", "fully_connected", "other")]
    logs = [np.log(each) for each in (macs, values, layers)]
    return np.array([*logs, *(5.0 * share for share in shares), 2.0 * model.spatial_macs / macs])


def _squares(one: Floats, other: Floats) -> Floats:
    """Squared distances, shape (rows of one, rows of other)."""
    squares: Floats = ((one[:, None] - other[None]) ** 2).sum(axis=-1)
    return squares
