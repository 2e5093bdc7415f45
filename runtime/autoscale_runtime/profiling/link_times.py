"""What a link to a server does: its round trip, and its rates up and down, by a few seconds of queries over it.

A round trip is that of an empty question. Up go queries of a model that no server has: each is read whole, and refused
without work. Down come the answers of a model that is served there, less what the server says it was busy.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import numpy as np

from autoscale.errors import AutoScaleError
from autoscale.interval import Interval
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.wire.client import OffloadClient

TIMEOUT_S: Final = 5.0
"""A question that takes longer has no answer."""

LONGEST_S: Final = 3.0
"""Each of the three is measured for so long at most, but for the fewest repeats."""

FEWEST: Final = 3
MOST: Final = 15
ENDS: Final = (0.1, 0.5, 0.9)

FIRST_BYTES: Final = 2**16
MOST_BYTES: Final = 2**21
"""Sent at once: half of what servers of gRPC take unless they are told otherwise."""

LONG_S: Final = 0.1
"""A transfer of so long tells a rate, and a larger one no more."""

LEAST_BYTES: Final = 2**14
"""An answer smaller than that tells nothing of the rate it came at."""

LEAST_SHARE: Final = 0.05
"""Of a transfer's time, what is not round trip at least."""


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """A link as it was measured: the middle, and the 10th and the 90th percentile of single transfers.

    Attributes:
        round_trip_s: of an empty question, connected.
        jitter_s: its standard deviation.
        uplink_bps: from here.
        downlink_bps: to here; None where nothing told.
        spread_ratio: standard deviation of the rate from here over its mean.
        why_no_downlink: in words; empty where it was measured.
    """

    round_trip_s: Interval
    jitter_s: float
    uplink_bps: Interval
    downlink_bps: Interval | None
    spread_ratio: float
    why_no_downlink: str = ""


def measure_link(address: str, queries: Mapping[str, Feeds], timeout_s: float = TIMEOUT_S) -> LinkTimes:
    """Measure the link to a server.

    Args:
        address: ``host:port``.
        queries: name of a model that may be served there to a query of it.
        timeout_s: of each question.

    Raises:
        InvalidInput: not an address.
        TargetUnavailable, DeadlineExceeded, TargetError: nobody answers there.
    """
    with closing(OffloadClient(address)) as client:
        client.ask_live(timeout_s)  # connects
        round_trips_s = _repeated(lambda: _timed(lambda: client.ask_live(timeout_s)))
        round_trip_s = float(np.median(round_trips_s))
        up_bps = _up_bps(client, round_trip_s, timeout_s)
        down_bps, why = _down_bps(client, queries, round_trip_s, float(np.median(up_bps)), timeout_s)
    spread = float(np.std(up_bps) / np.mean(up_bps))
    down = _interval(down_bps) if down_bps else None
    return LinkTimes(_interval(round_trips_s), float(np.std(round_trips_s)), _interval(up_bps), down, spread, why)


def _up_bps(client: OffloadClient, round_trip_s: float, timeout_s: float) -> list[float]:
    nbytes = FIRST_BYTES
    while (took_s := _sending_s(client, nbytes, timeout_s)) < LONG_S and nbytes < MOST_BYTES:
        nbytes = min(4 * nbytes, MOST_BYTES)
    count = max(FEWEST, min(MOST, round(LONGEST_S / took_s)))
    times_s = [took_s, *(_sending_s(client, nbytes, timeout_s) for _ in range(count - 1))]
    return [8.0 * nbytes / _moving_s(each, round_trip_s) for each in times_s]


def _sending_s(client: OffloadClient, nbytes: int, timeout_s: float) -> float:
    return _timed(lambda: client.send_unanswered(os.urandom(nbytes), timeout_s))


def _down_bps(
    client: OffloadClient, queries: Mapping[str, Feeds], round_trip_s: float, up_bps: float, timeout_s: float
) -> tuple[list[float], str]:
    """The rates of answers, and why there are none."""
    why = "no model was given"
    for name, feeds in queries.items():
        try:
            rates = [_answer_bps(client, name, feeds, round_trip_s, up_bps, timeout_s) for _ in range(FEWEST)]
        except AutoScaleError as error:
            why = str(error)
            continue
        known = [each for each in rates if each is not None]
        if len(known) == len(rates):
            return known, ""
        why = f"the answers of '{name}' are too small, or the server does not say how long it is busy"
    return [], why


def _answer_bps(
    client: OffloadClient, name: str, feeds: Feeds, round_trip_s: float, up_bps: float, timeout_s: float
) -> float | None:
    """The rate at which an answer came; None where it tells none."""
    began_s = time.perf_counter()
    cost = client.infer(name, feeds, timeout_s=timeout_s).cost
    took_s = time.perf_counter() - began_s
    if cost.compute_s is None or cost.received_bytes < LEAST_BYTES:
        return None
    coming_s = took_s - cost.compute_s - (cost.queue_s or 0.0) - 8.0 * cost.sent_bytes / up_bps - round_trip_s
    return 8.0 * cost.received_bytes / coming_s if coming_s > LEAST_SHARE * took_s else None


def _moving_s(took_s: float, round_trip_s: float) -> float:
    return max(took_s - round_trip_s, LEAST_SHARE * took_s)


def _timed(what: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    what()
    return max(time.perf_counter() - began_s, 1e-9)


def _repeated(sample: Callable[[], float]) -> list[float]:
    until_s = time.perf_counter() + LONGEST_S
    found = [sample() for _ in range(FEWEST)]
    while len(found) < MOST and time.perf_counter() < until_s:
        found.append(sample())
    return found


def _interval(figures: list[float]) -> Interval:
    return Interval(*(float(each) for each in np.quantile(figures, ENDS)))
