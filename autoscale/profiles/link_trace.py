"""What a link did over time: its rate, round trip and signal, looked up at any moment.

>>> trace = LinkTrace(time_s=[0.0, 1.0], rate_bps=[20e6, 0.0], round_trip_s=0.01)
>>> trace.at(2.5)
LinkSample(rate_bps=20000000.0, round_trip_s=0.01, rssi_dbm=None)
>>> trace.at(2.5, end="hold").rate_bps
0.0
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoscale.arrays import Floats
from autoscale.errors import InvalidInput, TraceError, one_of

End = Literal["loop", "hold", "stop"]


class LinkSample(NamedTuple):
    """The link at one moment; None where the trace does not tell."""

    rate_bps: float
    round_trip_s: float | None
    rssi_dbm: float | None


def _unknown() -> Floats:
    return np.array(np.nan)


@dataclass(frozen=True, eq=False)
class LinkTrace:
    """A link over time, constant between its samples. Each array has one entry a sample; scalars are repeated.

    Attributes:
        time_s: when each sample begins; starts at 0 and increases.
        rate_bps: 0 or more, bit/s; 0 is an outage.
        round_trip_s: 0 or more; NaN where not known.
        rssi_dbm: received signal strength; NaN where not known.

    Raises:
        TraceError: no samples, arrays of different lengths, times that do not increase, a value out of range.
    """

    time_s: Floats
    rate_bps: Floats
    round_trip_s: Floats = field(default_factory=_unknown)
    rssi_dbm: Floats = field(default_factory=_unknown)

    def __post_init__(self) -> None:
        shape = np.shape(self.time_s)
        if len(shape) != 1 or not shape[0]:
            raise TraceError(f"time_s has shape {shape}; allowed: one dimension, at least one sample")
        for name in ("time_s", "rate_bps", "round_trip_s", "rssi_dbm"):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), shape))
        if self.time_s[0] != 0 or not (np.isfinite(self.time_s).all() and (np.diff(self.time_s) > 0).all()):
            raise TraceError("time_s must start at 0 and increase")
        if not (np.isfinite(self.rate_bps) & (self.rate_bps >= 0)).all():
            raise TraceError("rate_bps must be finite and 0 or more")
        if (self.round_trip_s < 0).any() or np.isinf([self.round_trip_s, self.rssi_dbm]).any():
            raise TraceError("round_trip_s must be 0 or more, rssi_dbm finite; NaN where not known")

    @cached_property
    def duration_s(self) -> float:
        """How long the trace lasts: its last sample lasts one median step, a lone sample one second."""
        return float(self.time_s[-1] + (np.median(np.diff(self.time_s)) if len(self.time_s) > 1 else 1.0))

    def index_at(self, times_s: ArrayLike, end: End = "loop") -> NDArray[np.intp]:
        """Which sample holds at each time (any shape); before 0 the first.

        Past ``duration_s`` the trace starts again (``loop``), keeps its last sample (``hold``), or there is no
        more link and the index is -1 (``stop``).

        Raises:
            InvalidInput: another ``end``.
        """
        one_of("end of a trace", end, get_args(End), InvalidInput)
        times = np.asarray(times_s, dtype=float)
        within = times % self.duration_s if end == "loop" else times
        index = np.maximum(np.searchsorted(self.time_s, within, side="right") - 1, 0)
        return np.where(times >= self.duration_s, -1, index) if end == "stop" else index

    def at(self, time_s: float, end: End = "loop") -> LinkSample:
        """The link at one time; rate 0 and nothing known after a trace that stops."""
        index = int(self.index_at(time_s, end))
        if index < 0:
            return LinkSample(0.0, None, None)
        round_trip_s, rssi_dbm = float(self.round_trip_s[index]), float(self.rssi_dbm[index])
        return LinkSample(float(self.rate_bps[index]), _known(round_trip_s), _known(rssi_dbm))


def _frozen(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Floats:
    try:
        array = np.broadcast_to(np.asarray(values, dtype=float), shape).copy()
    except ValueError as error:
        raise TraceError(f"{name} has shape {np.shape(values)}; allowed: {shape}, as time_s") from error
    array.setflags(write=False)
    return array


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
