"""How a link behaves: constants, or what a trace says of a moment."""

from dataclasses import dataclass

from autoscale.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class LinkConditions:
    """How a link behaves.

    Attributes:
        rate_bps: each way, bit/s; 0 is an outage (both ways), infinity is no limit.
        round_trip_s: half of it each way.
        jitter_s: the round trip varies uniformly by as much either way; order is kept.
        loss: the fraction of packets lost. TCP repairs a loss, so it shows as one more round trip (fast
            retransmit, RFC 5681) for the lost bytes and all behind them on that connection; neither the second
            crossing's air time nor the sender's slowing down is modelled.
        uplink_bps: the rate from the client where it is another one.
        rssi_dbm: the received signal strength that a sensor would report.

    Raises:
        InvalidInput: a value out of range.
    """

    rate_bps: float = float("inf")
    round_trip_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    uplink_bps: float | None = None
    rssi_dbm: float | None = None

    def __post_init__(self) -> None:
        _check("rate_bps", self.rate_bps, 0.0, float("inf"))
        _check("uplink_bps", self.uplink_bps, 0.0, float("inf"))
        _check("round_trip_s", self.round_trip_s, 0.0, 1000.0)
        _check("jitter_s", self.jitter_s, 0.0, 1000.0)
        _check("loss", self.loss, 0.0, 1.0)
        _check("rssi_dbm", self.rssi_dbm, -200.0, 50.0)

    @property
    def is_down(self) -> bool:
        """Whether nothing passes."""
        return self.rate_bps == 0

    @property
    def uplink(self) -> float:
        """The rate from the client, bit/s."""
        return self.rate_bps if self.uplink_bps is None or self.is_down else self.uplink_bps


def _check(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidInput(f"{name} is {value}; allowed: {low:g} to {high:g}")
