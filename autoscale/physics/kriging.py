"""What some points tell of another: simple kriging of a residual whose variance has parts with names.

A residual is the logarithm of measured over modelled. Two points share a part of its variance where they share the
engine, the precision, both, the setting or the network, and more of a trend the more alike their networks are. The
best guess at a point is then a weighted sum of the known residuals, and what it leaves of the variance says how sure
that is (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapter 2).

Points may be of other machines, too: how fast those are is unknown here, but most of what goes with a network is the
same on them (co-kriging: Cressie, Statistics for Spatial Data, 1993, section 3.2.3).
"""

from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from autoscale.arrays import Flags, Floats
from autoscale.physics.fitting import HEAVY
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

ELSEWHERE: Final = 0.7
"""Of the variance that goes with a network or its shape, what is the same on every machine: likeliest of the fit rows
of three boards, each network of a board foretold from its other networks and from the other boards (of 0 to 0.95)."""

FOREIGN: Final = 2.0
"""Spread of another machine's speed, as a logarithm, beside this one's: wide enough to say nothing."""

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
        machines: where each was measured, empty for the device itself, shape (points,).
    """

    networks: Floats
    precisions: Texts
    engines: Texts
    settings: Floats
    machines: Texts


@dataclass(frozen=True)
class Kriging:
    """Known residuals at points, shape (points,), by the parts of their variance."""

    spread: Spread
    points: Points
    residuals: Floats

    def at(self, places: Points) -> tuple[Floats, Floats, Floats]:
        """The residuals at further points of the device, and their standard deviation, each of shape (points,).

        The first is what all points say, the second what the device's own do, and so is the deviation: how far other
        machines are to be trusted is known of three boards, and of no two others.
        """
        shared = covariance(self.spread, places, self.points)
        own = shared[:, self._is_own]
        unknown = variance(self.spread, places) - ((own @ self._own_inverse) * own).sum(axis=-1)
        told, own_told = shared @ self._inverse @ self.residuals, own @ self._own_inverse @ self.residuals[self._is_own]
        return told, own_told, np.sqrt(np.maximum(self._overdispersion * unknown, 0.0))

    @cached_property
    def networks(self) -> int:
        """How many networks the device's own points are of."""
        return len(np.unique(self.points.networks[self._is_own], axis=0))

    @cached_property
    def _is_own(self) -> Flags:
        return np.asarray(self.points.machines == "", np.bool_)

    @cached_property
    def _overdispersion(self) -> float:
        """A factor on the variance: how much wider the device's own points lie than their ``Spread`` has them.

        That of a Student t process (Shah, Wilson and Ghahramani, AISTATS 2014), but never below 1: points to which a
        speed was fitted lie close to it and prove nothing by that.
        """
        own = self.residuals[self._is_own]
        free = max(len(own) - FITTED, 0)
        return max(1.0, (TRUSTED + float(own @ self._own_inverse @ own)) / (TRUSTED + free))

    @cached_property
    def _between(self) -> Floats:
        """The covariance of the known residuals."""
        between = covariance(self.spread, self.points, self.points)
        return np.asarray(between + self.spread.run**2 * np.eye(len(between)), np.float64)

    @cached_property
    def _own_inverse(self) -> Floats:
        return np.asarray(np.linalg.inv(self._between[np.ix_(self._is_own, self._is_own)]), np.float64)

    @cached_property
    def _inverse(self) -> Floats:
        """That of ``_between``; a point that the others contradict is the less sure, so that it bends them less.

        What the others say of a point, and how sure that is, is in the inverse itself (ibid., section 5.4.2): in that
        of a device of whose speed nothing is known, since a single point contradicts what its file has, and no other.
        """
        inverse = np.asarray(np.linalg.inv(self._between), np.float64)
        own = inverse @ self._is_own
        alone = inverse - np.outer(own, own) / (FOREIGN**-2 + own @ self._is_own)  # Sherman and Morrison's identity
        unknown = 1.0 / alone.diagonal()
        surprises = unknown * (alone @ self.residuals)
        unsure = np.maximum((surprises / HEAVY) ** 2 - unknown, 0.0)
        (which,) = np.nonzero(unsure)
        columns = inverse[:, which]
        # Woodbury's identity: these variances added, without a second inverse of all.
        gain = np.linalg.inv(columns[which] + np.diag(1.0 / unsure[which]))
        return inverse - columns @ gain @ columns.T


def covariance(spread: Spread, one: Points, other: Points) -> Floats:
    """What the residuals of two lots of points have in common, shape (points of one, points of other)."""
    far = _squares(one.networks, other.networks)
    threads = _squares(one.settings[:, :1], other.settings[:, :1])
    alike, same = np.exp(-0.5 * (far / ALIKE**2 + threads / SHARED**2)), np.exp(-0.5 * far / SAME**2)
    precision = one.precisions[:, None] == other.precisions[None]
    engine = one.engines[:, None] == other.engines[None]
    pair = precision & engine
    is_one = one.machines[:, None] == other.machines[None]
    processor = np.where(one.machines[:, None] == "", spread.processor, FOREIGN)
    common = processor**2 + spread.precision**2 * precision + spread.engine**2 * engine + spread.pair**2 * pair
    setting = spread.setting**2 * np.exp(-0.5 * _squares(one.settings, other.settings))
    trend = spread.trend**2 + spread.trend_precision**2 * precision + spread.trend_engine**2 * engine
    network = spread.network**2 + spread.network_precision**2 * precision
    drift = spread.drift**2 * np.outer(one.networks[:, 0] - USUAL_SIZE, other.networks[:, 0] - USUAL_SIZE)
    of_network = alike * (trend + spread.trend_pair**2 * pair) + same * network
    shared: Floats = is_one * (common + drift + setting) + np.where(is_one, 1.0, ELSEWHERE) * of_network
    return shared


def variance(spread: Spread, points: Points) -> Floats:
    """Of residuals at points of the device of which nothing else is known: all parts together, shape (points,)."""
    drift = spread.drift * (points.networks[:, 0] - USUAL_SIZE)
    always = sum(part**2 for part in astuple(replace(spread, drift=0.0)))
    return np.asarray(always + drift**2, np.float64)


def features(model: ModelProfile) -> Floats:
    """What makes networks run alike: size, traffic, depth, and the kinds of their arithmetic. Shape (7,)."""
    macs, layers = max(model.macs, 1), max(sum(getattr(model, kind) for kind in LAYER_KINDS), 1)
    values = sum(model.values_by_kind.values()) or macs / 60.0
    shares = [model.macs_by_kind.get(kind, 0) / macs for kind in ("depthwise_conv", "fully_connected", "other")]
    logs = [np.log(each) for each in (macs, values, layers)]
    return np.array([*logs, *(5.0 * share for share in shares), 2.0 * model.spatial_macs / macs])


def _squares(one: Floats, other: Floats) -> Floats:
    """Squared distances, shape (rows of one, rows of other)."""
    squares = np.zeros((len(one), len(other)))
    for mine, theirs in zip(one.T, other.T, strict=True):
        squares += np.subtract.outer(mine, theirs) ** 2
    return squares
