"""A link that behaves like a radio's: a TCP proxy on loopback with rate, delay, jitter, loss and outages; no root.

::

    with ShapedLink("127.0.0.1:8001", LinkConditions(rate_bps=20e6, round_trip_s=0.01)) as link:
        client = connect(link.address)
        link.conditions = LinkConditions(rate_bps=0)      # an outage: connections stall, bytes are kept
        link.play(read_trace("walk.csv"))                 # or a recorded day

What it keeps of a real link: all connections share one first-in-first-out bottleneck each way, a new connection
costs a round trip, and in an outage it is accepted but nothing passes. A connection has at most about 200 kB waiting
at the bottleneck (64 kB here, the rest in the receive buffer), so that a sender feels the rate.
"""

import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from autoscale.closing import Closing
from autoscale.errors import InvalidInput, PortInUse
from autoscale.profiles.link_trace import End as TraceEnd
from autoscale.profiles.link_trace import LinkTrace
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.event_loop import LinkLoop

__all__ = ["LinkConditions", "ShapedLink"]

HOST = "127.0.0.1"
NO_LIMITS = LinkConditions()


@dataclass(frozen=True, slots=True)
class _Playback:
    trace: LinkTrace
    speed: float
    end: TraceEnd
    started_s: float

    def elapsed_s(self, now_s: float) -> float:
        return (now_s - self.started_s) * self.speed

    def over(self, base: LinkConditions, now_s: float) -> LinkConditions:
        """The base with what the trace tells of this moment."""
        sample = self.trace.at(self.elapsed_s(now_s), self.end)
        return replace(
            base,
            rate_bps=sample.rate_bps,
            round_trip_s=base.round_trip_s if sample.round_trip_s is None else sample.round_trip_s,
            rssi_dbm=base.rssi_dbm if sample.rssi_dbm is None else sample.rssi_dbm,
        )


class ShapedLink(Closing):
    """A shaped way to one server, in a thread of its own. Thread-safe.

    Args:
        target: where it leads, ``host:port``.
        conditions: how it behaves until set otherwise.
        port: to listen on, on loopback; 0 takes a free one.
        seed: of jitter and loss.
        clock: seconds, monotonic, by which a trace is played.

    Raises:
        InvalidInput: ``target`` is not ``host:port``, or no such port.
    """

    def __init__(
        self,
        target: str,
        conditions: LinkConditions = NO_LIMITS,
        port: int = 0,
        seed: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self.port = _port("port", port, lowest=0)
        host, _, target_port = target.rpartition(":")
        if not host or not target_port.isdecimal():
            raise InvalidInput(f"target is '{target}'; allowed: host:port, such as 127.0.0.1:8001")
        self._remote = (host.strip("[]"), _port("the target's port", int(target_port), lowest=1))
        self._conditions = conditions
        self._playback: _Playback | None = None
        self._seed = seed
        self._clock = clock
        self._runner: LinkLoop | None = None

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"{HOST}:{self.port}"

    @property
    def conditions(self) -> LinkConditions:
        """The constant conditions; setting them ends a trace and takes effect within milliseconds."""
        return self._conditions

    @conditions.setter
    def conditions(self, conditions: LinkConditions) -> None:
        self._playback, self._conditions = None, conditions

    def play(self, trace: LinkTrace, speed: float = 1.0, end: TraceEnd = "loop") -> None:
        """Follow a trace from now on; jitter, loss and what it does not tell stay those of ``conditions``.

        Raises:
            InvalidInput: a speed that is not positive and finite, or an unknown ``end``.
        """
        if not 0 < speed < float("inf"):
            raise InvalidInput(f"speed is {speed}; allowed: more than 0, finite")
        trace.index_at(0.0, end)
        self._playback = _Playback(trace, speed, end, self._clock())

    def now(self) -> LinkConditions:
        """The conditions at this moment, those of the trace included."""
        playback, conditions = self._playback, self._conditions
        return conditions if playback is None else playback.over(conditions, self._clock())

    @property
    def is_over(self) -> bool:
        """Whether a trace that stops has ended: nothing passes any more."""
        playback = self._playback
        if playback is None or playback.end != "stop":
            return False
        return playback.elapsed_s(self._clock()) >= playback.trace.duration_s

    @property
    def carried_bytes(self) -> tuple[int, int]:
        """Bytes delivered so far, up and down."""
        return (0, 0) if self._runner is None else self._runner.carried_bytes

    def start(self) -> Self:
        """Listen.

        Raises:
            PortInUse: another program listens there, or this one may not.
        """
        if self._runner is None:
            listener = _listen(self.port)
            self.port = listener.getsockname()[1]
            self._runner = LinkLoop(self.now, listener, self._remote, self._seed)
            self._runner.start()
        return self

    def close(self) -> None:
        """Reset all connections and stop listening; calling it twice is harmless."""
        if self._runner is not None:
            self._runner.stop()
            self._runner = None

    def __enter__(self) -> Self:
        return self.start()


def _port(what: str, port: int, lowest: int) -> int:
    if not lowest <= port <= 65535:
        raise InvalidInput(f"{what} is {port}; allowed: {lowest} to 65535")
    return port


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        raise PortInUse(f"cannot listen on {HOST}:{port}: {error.strerror}; give another port, or 0 for any") from error
