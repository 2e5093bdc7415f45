"""One direction of a shaped link, on an event loop whose time the test makes: when each byte arrives, exactly."""

import asyncio
import selectors
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.lane import PIECE_S, RETRY_S, SEGMENT_BYTES, End, Lane


class Jump(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, its clock goes on by as much."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


class Timeline(asyncio.SelectorEventLoop):
    """An event loop in which time passes by itself, as fast as there is nothing to do."""

    def __init__(self) -> None:
        self._jump = Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now_s

    def pass_s(self, seconds: float) -> None:
        """Do all that is due within so many seconds."""
        self.run_until_complete(asyncio.sleep(seconds))


class Sink(End):
    """A receiver that notes when how much came."""

    def __init__(self, loop: Timeline, lane: Lane) -> None:
        super().__init__(lane, set())
        self.came: list[tuple[float, bytes]] = []
        self._timeline = loop

    def deliver(self, data: memoryview | None) -> None:
        self.came.append((self._timeline.time(), bytes(data or b"")))

    @property
    def last_s(self) -> float:
        return self.came[-1][0]

    @property
    def content(self) -> bytes:
        return b"".join(data for _, data in self.came)


@pytest.fixture
def timeline() -> Iterator[Timeline]:
    loop = Timeline()
    yield loop
    loop.close()


def lane_of(loop: Timeline, conditions: Sequence[LinkConditions], is_uplink: bool = False, seed: int = 0) -> Lane:
    """One under the last of these conditions, whichever that is at the moment."""
    return Lane(loop, lambda: conditions[-1], is_uplink, seed)


def arrives_s(loop: Timeline, size: int, conditions: LinkConditions, is_uplink: bool = False) -> float:
    """When the last of so many bytes is there."""
    lane = lane_of(loop, [conditions], is_uplink)
    sink = Sink(loop, lane)
    lane.send(sink, memoryview(bytes(size)))
    loop.pass_s(100.0)
    assert (len(sink.content), lane.carried_bytes) == (size, size)
    return sink.last_s


@pytest.mark.parametrize(
    ("size", "conditions", "is_uplink", "expected_s"),
    [
        (4, LinkConditions(round_trip_s=0.05), False, 0.025),
        (60_000, LinkConditions(rate_bps=1e6), False, 0.48),
        (1_000_000, LinkConditions(rate_bps=20e6), True, 0.4),
        (5_000_000, LinkConditions(rate_bps=100e6), False, 0.4),
        (100_000, LinkConditions(rate_bps=100e6, uplink_bps=4e6), True, 0.2),
        (100_000, LinkConditions(rate_bps=100e6, uplink_bps=4e6), False, 0.008),
        (3_000_000, LinkConditions(rate_bps=50e6, round_trip_s=0.1), False, 0.53),
        (184_000, LinkConditions(uplink_bps=20e6, round_trip_s=0.01), True, 0.0786),
        (SEGMENT_BYTES, LinkConditions(round_trip_s=0.01, loss=1.0), True, 0.015),
    ],
)
def test_air_time_and_half_a_round_trip(
    timeline: Timeline, size: int, conditions: LinkConditions, is_uplink: bool, expected_s: float
) -> None:
    assert arrives_s(timeline, size, conditions, is_uplink) == pytest.approx(expected_s, abs=1e-6)


def test_connections_share_the_rate(timeline: Timeline) -> None:
    lane = lane_of(timeline, [LinkConditions(rate_bps=20e6)])
    sinks = [Sink(timeline, lane) for _ in range(2)]
    for _ in range(10):
        for sink in sinks:
            lane.send(sink, memoryview(bytes(50_000)))
    timeline.pass_s(1.0)
    assert [sink.last_s for sink in sinks] == pytest.approx([0.38, 0.4])


def test_a_late_loop_does_not_lower_the_rate(timeline: Timeline) -> None:
    """As on a busy machine: what was due is sent as of when it was due."""
    lane = lane_of(timeline, [LinkConditions(rate_bps=8e6)])
    sink = Sink(timeline, lane)
    lane.send(sink, memoryview(bytes(1_000_000)))
    for _ in range(5):
        timeline.pass_s(0.1)
        timeline._jump.now_s += 0.1
    timeline.pass_s(1.0)
    assert sink.last_s == pytest.approx(1.0, abs=PIECE_S)


def test_jitter_spreads_the_delay_evenly_and_keeps_the_order(timeline: Timeline) -> None:
    lane = lane_of(timeline, [LinkConditions(round_trip_s=0.01, jitter_s=0.008)])
    delays_s = []
    for _ in range(500):
        sink, sent_s = Sink(timeline, lane), timeline.time()
        lane.send(sink, memoryview(b"ping"))
        timeline.pass_s(0.1)
        delays_s.append(sink.last_s - sent_s)
    assert min(delays_s) >= 0.001 and max(delays_s) <= 0.009
    assert np.quantile(delays_s, [0.1, 0.5, 0.9]) == pytest.approx([0.0018, 0.005, 0.0082], abs=0.0006)


def test_loss_costs_a_round_trip_as_often_as_it_says(timeline: Timeline) -> None:
    lane = lane_of(timeline, [LinkConditions(round_trip_s=0.01, loss=0.2)])
    delays_s = []
    for _ in range(1000):
        sink, sent_s = Sink(timeline, lane), timeline.time()
        lane.send(sink, memoryview(bytes(SEGMENT_BYTES)))
        timeline.pass_s(0.1)
        delays_s.append(sink.last_s - sent_s)
    late = np.isclose(delays_s, 0.015)
    assert np.all(late | np.isclose(delays_s, 0.005))
    assert np.mean(late) == pytest.approx(0.2, abs=0.04)


def test_an_outage_keeps_what_waits_and_its_end_is_seen_soon(timeline: Timeline) -> None:
    conditions = [LinkConditions(rate_bps=0.0)]
    lane = lane_of(timeline, conditions)
    sink = Sink(timeline, lane)
    lane.send(sink, memoryview(b"kept"))
    timeline.pass_s(1.0)
    assert sink.came == []
    conditions.append(LinkConditions())
    timeline.pass_s(1.0)
    assert sink.content == b"kept"
    assert 1.0 <= sink.last_s <= 1.0 + RETRY_S


def test_new_conditions_are_in_force_after_a_piece(timeline: Timeline) -> None:
    conditions = [LinkConditions(rate_bps=8e6)]
    lane = lane_of(timeline, conditions)
    sink = Sink(timeline, lane)
    lane.send(sink, memoryview(bytes(1_000_000)))
    timeline.pass_s(0.5)
    conditions.append(LinkConditions(rate_bps=80e6))
    timeline.pass_s(1.0)
    assert sink.last_s == pytest.approx(0.55, abs=PIECE_S)


def shaken(dice: np.random.Generator) -> Callable[[], LinkConditions]:
    """Other conditions at every look."""
    return lambda: LinkConditions(float(dice.choice([0.0, 5e6, 50e6])), dice.uniform(0, 0.02), 0.01, 0.05)


@pytest.mark.parametrize("seed", range(3))
def test_no_byte_overtakes_another_whatever_the_link_does(timeline: Timeline, seed: int) -> None:
    dice = np.random.default_rng(seed)
    lane, data = Lane(timeline, shaken(dice), True, seed), dice.bytes(200_000)
    sink = Sink(timeline, lane)
    for begin in range(0, len(data), 10_000):
        lane.send(sink, memoryview(data)[begin : begin + 10_000])
    timeline.pass_s(100.0)
    assert sink.content == data
