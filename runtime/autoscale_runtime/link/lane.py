"""One direction of a shaped link: bytes wait for their turn, take their time in the air, and arrive in order.

The lane is a first-in-first-out bottleneck followed by a delay line, for all connections of the link together. Its
clock is virtual: a piece starts when the one before it has left, however late the event loop is, so that a busy
machine does not lower the rate.
"""

import asyncio
import heapq
import os
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from autoscale_runtime.link.conditions import LinkConditions

PIECE_S: Final = 0.002
"""Air time committed at once: how late a change of conditions may come into force."""
LARGEST_PIECE: Final = 65536
SMALLEST_PIECE: Final = 64
SEGMENT_BYTES: Final = 1448
"""What one packet carries: loss is counted in these."""
RETRY_S: Final = 0.005
"""How often an outage is looked at while bytes wait for its end."""
BACKLOG_BYTES: Final = 65536
"""What one connection may have waiting; beyond it the link stops reading and TCP holds the sender back."""

_LINGER: Final = "hh" if os.name == "nt" else "ii"
"""The two fields of Windows' ``struct linger`` are short."""

END_OF_STREAM: Final = memoryview(b"")


class Lane:
    """One direction.

    Args:
        loop: runs it; every method is called on its thread.
        now: the conditions at this moment.
        is_uplink: whether it carries what the client sends.
        seed: of jitter and loss.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], LinkConditions],
        is_uplink: bool,
        seed: int | None,
    ) -> None:
        self.carried_bytes = 0
        self._loop = loop
        self._now = now
        self._is_uplink = is_uplink
        self._random = random.Random(seed)
        self._waiting: deque[tuple[float, End, memoryview | None]] = deque()
        self._flying: list[tuple[float, int, End, memoryview | None]] = []
        self._launched = 0
        self._free_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def send(self, to: "End", data: memoryview | None) -> None:
        """Queue bytes for an end; empty ends the stream, None the connection."""
        self._waiting.append((self._loop.time(), to, data))
        self.pump()

    def pump(self) -> None:
        """Do all that is due, and come back when the next thing is."""
        now_s = self._loop.time()
        wake_s = self._transmit(now_s)
        while self._flying and self._flying[0][0] <= now_s:
            _, _, to, data = heapq.heappop(self._flying)
            self.carried_bytes += len(data or b"")
            to.deliver(data)
        if self._timer is not None:
            self._timer.cancel()
        if self._flying:
            wake_s = min(wake_s, self._flying[0][0])
        self._timer = self._loop.call_at(wake_s, self.pump) if wake_s < float("inf") else None

    def _transmit(self, now_s: float) -> float:
        """Commit pieces to the air; when the next one may start."""
        while self._waiting:
            if self._free_s > now_s:
                return self._free_s
            conditions = self._now()
            rate_bps = conditions.uplink if self._is_uplink else conditions.rate_bps
            if not rate_bps:
                self._free_s = now_s + RETRY_S
                return self._free_s
            self._launch(conditions, rate_bps)
        return float("inf")

    def _launch(self, conditions: LinkConditions, rate_bps: float) -> None:
        """Send the first waiting piece on its way."""
        arrived_s, to, data = self._waiting.popleft()
        size = int(min(max(rate_bps * PIECE_S / 8, SMALLEST_PIECE), LARGEST_PIECE))
        if data is not None and len(data) > size:
            self._waiting.appendleft((arrived_s, to, data[size:]))
            data = data[:size]
        sent = len(data or b"")
        self._free_s = max(self._free_s, arrived_s) + sent * 8 / rate_bps
        to.due_s = max(to.due_s, self._free_s + self._delay_s(conditions, sent))
        self._launched += 1
        heapq.heappush(self._flying, (to.due_s, self._launched, to, data))
        if to.peer is not None:
            to.peer.has_sent(sent)

    def _delay_s(self, conditions: LinkConditions, size: int) -> float:
        delay_s = conditions.round_trip_s / 2
        if conditions.jitter_s:
            delay_s += self._random.uniform(-0.5, 0.5) * conditions.jitter_s
        if conditions.loss and self._random.random() < 1 - (1 - conditions.loss) ** (size / SEGMENT_BYTES):
            delay_s += conditions.round_trip_s
        return max(delay_s, 0.0)


class End(asyncio.Protocol):
    """One side of a connection through the link: the client's socket, or the one to the target.

    Args:
        lane: carries what is read here to the other side.
        ends: holds this end while it is connected.

    Attributes:
        peer: the other side, once there is one.
        due_s: when the last piece sent to this side arrives; none may overtake it.
    """

    def __init__(self, lane: Lane, ends: "set[End]") -> None:
        self.peer: End | None = None
        self.due_s = 0.0
        self._lane = lane
        self._ends = ends
        self._transport: asyncio.Transport | None = None
        self._backlog = 0
        self._is_choked = False
        self._has_ended = False
        self._was_ended = False

    def start(self) -> None:
        """Read from now on; until then, nothing."""
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            linger = struct.pack(_LINGER, 1, 0)  # on, for 0 s: closing sends a reset, as a server that is gone does
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._transport.abort()

    def deliver(self, data: memoryview | None) -> None:
        """What the lane brings: bytes, the end of the stream (empty), or of the connection (None)."""
        if self._transport is None or self._transport.is_closing():
            return
        if data is None or (not data and self._has_ended):
            self._transport.close()
        elif data:
            self._transport.write(data)
        else:
            self._was_ended = True
            self._transport.write_eof()

    def has_sent(self, size: int) -> None:
        """So many of the bytes read here are on their way."""
        self._backlog -= size
        self._steer()

    def choke(self, is_choked: bool) -> None:
        """Stop reading while the other side cannot take more."""
        self._is_choked = is_choked
        self._steer()

    def _steer(self) -> None:
        if self._transport is None or self._has_ended:
            return
        if self._is_choked or self._backlog > BACKLOG_BYTES:
            self._transport.pause_reading()
        elif self._backlog <= BACKLOG_BYTES // 2:
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hold still until both sides are there."""
        self._ends.add(self)
        self._transport = cast(asyncio.Transport, transport)
        # Not at once: before Python 3.11.4 or so, asyncio starts to read after this, paused or not.
        asyncio.get_running_loop().call_soon(self._transport.pause_reading)
        # A large receive buffer would take megabytes off the sender before it felt the link.
        self._socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BACKLOG_BYTES)
        # asyncio does this too, but not for the sockets of such a listener; pieces would wait 40 ms for each other.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Queue what was read."""
        self._backlog += len(data)
        self._send(memoryview(data))
        self._steer()

    def eof_received(self) -> bool:
        """Pass on that no more comes; the way back stays open until it ends too."""
        self._has_ended = True
        self._send(END_OF_STREAM)
        return not self._was_ended

    def connection_lost(self, _: Exception | None) -> None:
        """Close the other side too, behind what is still on its way to it."""
        self._ends.discard(self)
        self._has_ended = True
        self._send(None)

    def pause_writing(self) -> None:
        """The receiver is slower than the link."""
        if self.peer is not None:
            self.peer.choke(True)

    def resume_writing(self) -> None:
        """It has caught up."""
        if self.peer is not None:
            self.peer.choke(False)

    def _send(self, data: memoryview | None) -> None:
        if self.peer is not None:
            self._lane.send(self.peer, data)
