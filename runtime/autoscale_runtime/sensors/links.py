"""What a link does, estimated from the session's own transfers.

The time of a transfer, less what the remote machine spent on the query, is taken to be::

    t = round_trip + 8 * sent_bytes / uplink + 8 * received_bytes / downlink

and the three unknowns come from a weighted least-squares fit over the recent transfers, in relative errors,
since jitter grows with the time. A transfer weighs less with every later one and every half-life that passes.

A transfer that is far from expected for its size is set aside: one is a hiccup, and a second in the same
direction soon after (or one after a failure) means that the link has changed, so all that came before is
dropped.

Transfers of one size tell the sum and not its parts. The weak pull towards what was believed before keeps
the parts plausible then (in the beginning: half of the time is round trip, half is transmission) and the
sum right: such an estimate predicts the size it saw, and its spread is wide for others.

A link that became slower gets no queries any more, so nothing would ever show that it is as good as before. Therefore
a few bytes are sent while queries wait for news, which show its round trip; and what they cannot show, its rates, is
taken to be the more as it was before, the longer and the more queries have waited. A link that never was better is not
waited for. Of one that was hardly used yet, no more is known than that it may be good: the first transfers share the
processor with much else. Nor may it be better than a signal as received lets Wi-Fi be (``usual_link``).
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Final, NamedTuple

import numpy as np

from autoscale.errors import InvalidInput
from autoscale.profiles import load_link
from autoscale.query.observation import LinkState
from autoscale_runtime.sensors.link_fit import FASTEST, LinkFit, Vector, features, fit_link

KEPT: Final = 16
FADE: Final = 0.8
"""What a transfer's weight is multiplied with for every later one: the last five or so count."""

FIRST_SPREAD: Final = 0.3
"""How far off, in log time, an estimate from a single transfer is taken to be."""

SURPRISE: Final = 0.25
"""An error in log time below this is never a surprise, however steady the link."""

WAIT_S: Final = 8.0
WAIT_QUERIES: Final = 30
"""After so long, and so many queries, without news a link is taken to be as it was before it became slower."""

PROBES: Final = 3
"""How often it is probed meanwhile."""

FIRST_TRANSFERS: Final = 6
"""So many answered queries tell what a link is."""

GOOD_RATE_BPS: Final = 100e6
GOOD_LINK: Final = LinkState(round_trip_s=0.005, uplink_bps=GOOD_RATE_BPS, downlink_bps=GOOD_RATE_BPS)
"""A good Wi-Fi link: what is not known is worth a try."""

RECOVERED: Final = 1.5
"""A link is as it was before if a transfer takes no more than so many times what it took then."""

WIDEST: Final = 2.0
"""The largest spread reported, a factor of about 7 either way; an error beyond it is always a surprise."""


@dataclass(frozen=True, slots=True)
class TransferTime:
    """How long a transfer will take: log-normal, ``spread`` being the standard deviation of its logarithm."""

    expected_s: float
    spread: float


class _Transfer(NamedTuple):
    time_s: float
    took_s: float
    features: Vector
    surprise: int
    """-1 much faster than expected, 1 much slower, else 0."""


class _Before(NamedTuple):
    """What a link was before it became slower.

    Attributes:
        values: round trip and seconds per bit up and down.
        asked: features of the transfer that showed it.
        time_s: how long that transfer took then.
    """

    values: Vector
    asked: Vector
    time_s: float


class LinkEstimator:
    """Round trip and rates of one link. Thread-safe.

    Args:
        half_life_s: after this long, a transfer counts half.
        expires_s: after this long without a transfer, nothing is known any more.
        clock: seconds, monotonic.
        usual: what it is taken to be while nothing is known of it, round trip and rates.

    Attributes:
        lessons: how often it has learned.
    """

    def __init__(
        self,
        half_life_s: float = 30.0,
        expires_s: float = 600.0,
        clock: Callable[[], float] = time.monotonic,
        usual: LinkState = GOOD_LINK,
    ) -> None:
        self.half_life_s = half_life_s
        self.expires_s = expires_s
        self.lessons = 0
        self._clock = clock
        self._usual = _vector(usual)
        self._lock = Lock()
        self._transfers: deque[_Transfer] = deque(maxlen=KEPT)
        self._belief: Vector = FASTEST
        self._fit = LinkFit(FASTEST, np.zeros((3, 3)))
        self._spread = self._calm_spread = FIRST_SPREAD
        self._failures = 0
        self._before: _Before | None = None
        self._news_s = self._probed_s = -math.inf
        self._waiting = self._unprobed = self._answered = 0

    def wait(self) -> bool:
        """Count a query that waits for news of the link; whether a few bytes should be sent to get some."""
        with self._lock:
            if self._before is None:
                return False
            self._waiting += 1
            self._unprobed += 1
            since_s = self._clock() - max(self._news_s, self._probed_s)
            if since_s < WAIT_S / PROBES or self._unprobed < WAIT_QUERIES / PROBES:
                return False
            self._has_probed()
            return True

    def probe(self, sent_bytes: int, received_bytes: int, elapsed_s: float) -> None:
        """Learn from a few bytes that came back: the round trip is known then, and nothing else.

        Raises:
            InvalidInput: a negative or infinite figure.
        """
        _check(sent_bytes=sent_bytes, received_bytes=received_bytes, elapsed_s=elapsed_s)
        with self._lock:
            if self._transfers:
                self._learn(features(sent_bytes, received_bytes), elapsed_s)
            self._failures = 0
            self.lessons += 1
            self._has_probed()

    def observe(self, sent_bytes: int, received_bytes: int, elapsed_s: float, remote_busy_s: float) -> None:
        """Learn from an answered query.

        Args:
            sent_bytes: size of the request.
            received_bytes: size of the answer.
            elapsed_s: from the first byte out to the last byte in.
            remote_busy_s: how long the remote machine says it queued and computed; 0 where it does not say. What
                leaves no time for the link is impossible, and counts as not reported.

        Raises:
            InvalidInput: a negative or infinite figure.
        """
        _check(
            sent_bytes=sent_bytes,
            received_bytes=received_bytes,
            elapsed_s=elapsed_s,
            remote_busy_s=remote_busy_s,
        )
        with self._lock:
            took_s = elapsed_s - remote_busy_s if remote_busy_s < elapsed_s else elapsed_s
            self._learn(features(sent_bytes, received_bytes), took_s)
            self._failures = 0
            self.lessons += 1
            self._has_news()
            self._answered += 1
            if self._answered == FIRST_TRANSFERS and not self._is_known_good():
                self._before = None

    def fail(self, sent_bytes: int, elapsed_s: float) -> None:
        """Learn from a query that brought no answer.

        Giving up later than an answer was due shows that the link is at least that slow. A quick refusal
        shows nothing about speed, but every failure widens the spread until the next answer.

        Raises:
            InvalidInput: a negative or infinite figure.
        """
        _check(sent_bytes=sent_bytes, elapsed_s=elapsed_s)
        with self._lock:
            asked = features(sent_bytes, 0)
            is_known = self._age_s() <= self.expires_s
            if elapsed_s > (self._fit.time_s(asked) if is_known else float(asked @ self._usual)):
                self._learn(asked, elapsed_s)
                self._has_news()
            self._failures += 1
            self.lessons += 1

    def standing(self) -> tuple[int, float, bool]:
        """How often it has learned, the share of what the link was before it became slower, and whether probes tell.

        While these are the same, so is ``predict_s``, until what is known expires.
        """
        with self._lock:
            if self._before is None:
                return self.lessons, 0.0, False
            return self.lessons, self._share(), self._is_probed()

    def predict_s(self, sent_bytes: int, received_bytes: int) -> TransferTime | None:
        """The time a transfer of this size will take; None while nothing is known of the link.

        The remote machine's time is not in it.
        """
        with self._lock:
            age_s = self._age_s()
            if age_s > self.expires_s:
                return None
            asked = features(sent_bytes, received_bytes)
            uncertainty = 0.5 * age_s / self.half_life_s + 0.5 * self._failures
            spread = self._spread * math.sqrt(1.0 + self._fit.leverage(asked))
            return TransferTime(float(asked @ self._aged()), min(math.hypot(spread, uncertainty), WIDEST))

    def state(self, rssi_dbm: float | None = None, is_up: bool | None = None) -> LinkState:
        """The link as an observation shows it; RSSI and whether it is up are known by others."""
        with self._lock:
            if self._age_s() > self.expires_s:
                return LinkState(rssi_dbm=rssi_dbm, is_up=is_up)
            round_trip_s, up_s_per_bit, down_s_per_bit = self._aged().tolist()
        return LinkState(rssi_dbm, round_trip_s, 1.0 / up_s_per_bit, 1.0 / down_s_per_bit, is_up)

    def _age_s(self) -> float:
        return self._clock() - self._transfers[-1].time_s if self._transfers else math.inf

    def _learn(self, asked: Vector, took_s: float) -> None:
        took_s = max(took_s, float(FASTEST[0]))
        surprise = 0
        if self._age_s() > self.expires_s:
            self._start(asked, took_s)
        else:
            error = math.log(took_s / self._fit.time_s(asked))
            surprise = self._compare(error, asked)
            is_back = self._is_known_good() and self._is_as_before(took_s, error, asked)
            if surprise and (is_back or self._is_change(surprise)):
                self._drop(surprise)
                self._belief = self._changed(took_s, error, asked)
                surprise = 0
        self._transfers.append(_Transfer(self._clock(), took_s, asked, surprise))
        self._refit()
        if self._before is not None and self._fit.time_s(self._before.asked) <= RECOVERED * self._before.time_s:
            self._before = None

    def _has_news(self) -> None:
        self._news_s = self._clock()
        self._waiting = self._unprobed = 0

    def _has_probed(self) -> None:
        self._probed_s = self._clock()
        self._unprobed = 0

    def _aged(self) -> Vector:
        """Round trip and rates as they are believed now, the nearer to what they were before, the older they are.

        The round trip is not, as long as probes tell it.
        """
        if self._before is None:
            return self._fit.values
        share = self._share()
        aged: Vector = self._fit.values ** (1.0 - share) * self._before.values**share
        if self._is_probed():
            aged[0] = self._fit.values[0]
        return aged

    def _share(self) -> float:
        return min((self._clock() - self._news_s) / WAIT_S, self._waiting / WAIT_QUERIES, 1.0)

    def _is_probed(self) -> bool:
        return self._clock() - self._probed_s < WAIT_S

    def _changed(self, took_s: float, error: float, asked: Vector) -> Vector:
        """What to believe of a link that has changed by a surprising transfer's word."""
        values = self._fit.values
        if error > 0.0:
            before = self._before
            if before is None or before.asked @ values < before.time_s:
                self._before = _Before(values, asked, float(asked @ values))
        elif self._before is not None and self._is_as_before(took_s, error, asked):
            return self._before.values
        return self._shifted(error, asked)

    def _start(self, asked: Vector, took_s: float) -> None:
        self._transfers.clear()
        bits = float(asked[1:].sum())
        per_bit = [took_s / 2.0 / bits] * 2 if bits else self._usual[1:]
        self._belief = np.maximum([took_s / 2.0, *per_bit], FASTEST)
        self._before = _Before(self._usual, asked, float(asked @ self._usual))
        self._answered = 0

    def _compare(self, error: float, asked: Vector) -> int:
        # By the spread of the ordinary ones: a first surprise must not make the second look usual.
        spread = self._calm_spread * math.sqrt(1.0 + self._fit.leverage(asked))
        limit = min(max(3.0 * spread, SURPRISE), WIDEST)
        return 0 if abs(error) < limit else int(math.copysign(1, error))

    def _is_change(self, surprise: int) -> bool:
        recent = list(self._transfers)[-3:]
        return self._failures > 0 or any(each.surprise == surprise for each in recent)

    def _is_known_good(self) -> bool:
        """Whether the link was seen to be better than it is."""
        return self._before is not None and self._before.values is not self._usual

    def _is_as_before(self, took_s: float, error: float, asked: Vector) -> bool:
        """Whether a transfer that was quicker than expected is what the link gave before it became slower."""
        if self._before is None or error > 0.0:
            return False
        return abs(math.log(took_s / float(asked @ self._before.values))) < abs(error)

    def _drop(self, surprise: int) -> None:
        """Keep what came since the link began to surprise; after a failure, nothing."""
        past = list(self._transfers)
        self._transfers.clear()
        if not self._failures:
            recent = past[-3:]
            first = next((i for i, each in enumerate(recent) if each.surprise == surprise), len(recent))
            self._transfers.extend(each._replace(surprise=0) for each in recent[first:])

    def _shifted(self, error: float, asked: Vector) -> Vector:
        """The old belief at the new speed: what the surprising transfer says little about stays as it was."""
        shares = asked * self._fit.values
        shifted: Vector = np.maximum(self._fit.values * np.exp(error * shares / shares.max()), FASTEST)
        return shifted

    def _refit(self) -> None:
        count = len(self._transfers)
        times_s = np.array([each.took_s for each in self._transfers])
        asked = np.array([each.features for each in self._transfers])
        ages_s = self._transfers[-1].time_s - np.array([each.time_s for each in self._transfers])
        weights = FADE ** np.arange(count - 1, -1, -1) * 0.5 ** (ages_s / self.half_life_s)
        ordinary = np.array([each.surprise == 0 for each in self._transfers])
        self._fit = fit_link(times_s, asked, weights * ordinary, self._belief)
        errors = np.clip(np.log(asked @ self._fit.values / times_s), -1.0, 1.0)
        self._spread = _spread(errors, weights)
        self._calm_spread = _spread(errors, weights * ordinary)


@lru_cache(maxsize=128)
def usual_link(rssi_dbm: float | None) -> LinkState:
    """What a link is taken to be while nothing is known of it: good, but no faster than Wi-Fi is at that signal."""
    if rssi_dbm is None:
        return GOOD_LINK
    wifi = load_link("wifi")
    up_bps, down_bps = float(wifi.uplink_bps(rssi_dbm)), float(wifi.downlink_bps(rssi_dbm))
    return LinkState(rssi_dbm, GOOD_LINK.round_trip_s, min(up_bps, GOOD_RATE_BPS), min(down_bps, GOOD_RATE_BPS))


def _vector(link: LinkState) -> Vector:
    """Round trip and seconds per bit."""
    assert link.round_trip_s and link.uplink_bps and link.downlink_bps
    return np.array([link.round_trip_s, 1.0 / link.uplink_bps, 1.0 / link.downlink_bps])


def _spread(errors: Vector, weights: Vector) -> float:
    return math.sqrt((FIRST_SPREAD**2 + float(weights @ errors**2)) / (1.0 + float(weights.sum())))


def _check(**figures: float) -> None:
    for name, value in figures.items():
        if not 0.0 <= value < math.inf:
            raise InvalidInput(f"{name} of a transfer is {value}; allowed: 0 or more, and finite")
