"""Energy from a power table: measured wall and CPU time of this process, times watts of a named device."""

import math
import os
from collections.abc import Callable
from time import perf_counter, process_time
from typing import ClassVar, Final, NamedTuple, Self

from autoscale.errors import InvalidInput, one_of
from autoscale.physics.measured import metered_watts
from autoscale.physics.power import Watts, energy_j, watts_of
from autoscale.physics.radio import query_j, tail_j
from autoscale.profiles import DeviceProfile, device_names, load_device
from autoscale.profiles.default_processor import completed
from autoscale.query.outcome import Method, worst
from autoscale.query.target import Target
from autoscale_runtime.meters.base import Mark, Meter, Reading

LAST: Final = 0.3
"""Share of the last query in what a network in two parts is known to be made of."""

TINY_S: Final = 1e-9


class Drawn(NamedTuple):
    """What a table says is drawn for a target, and how that is known."""

    watts: Watts
    method: Method
    source: str

    def energy_j(self, wall_s: float, cpu_s: float) -> float:
        """What the device spends in ``wall_s`` seconds of which its cores work ``cpu_s`` core-seconds."""
        return float(energy_j(self.watts, wall_s, cpu_s))


class SlicedDrawn:
    """The same for a network in two parts on this device: the watts of each while it runs.

    Args:
        head: what its part draws.
        tail: likewise.
        share: of the time that is the head's, until the first query has told.
    """

    def __init__(self, head: Drawn, tail: Drawn, share: float) -> None:
        self._head, self._tail = head, tail
        self._share, self._cpu_share = share, share
        self.method, self.source = worst(head.method, tail.method), f"{head.source}; {tail.source}"

    def learn(self, head_s: float, both_s: float, head_cpu_s: float, both_cpu_s: float) -> None:
        """Take in what a query's time and the work of this process's cores were made of."""
        self._share += LAST * (head_s / max(both_s, TINY_S) - self._share)
        self._cpu_share += LAST * (head_cpu_s / max(both_cpu_s, head_cpu_s, TINY_S) - self._cpu_share)

    def energy_j(self, wall_s: float, cpu_s: float) -> float:
        """What the device spends in so many seconds, parted as those of the last queries were."""
        head_s, head_cpu_s = self._share * wall_s, self._cpu_share * cpu_s
        return self._head.energy_j(head_s, head_cpu_s) + self._tail.energy_j(wall_s - head_s, cpu_s - head_cpu_s)


class ModelledMeter(Meter):
    """The engine's physics (``autoscale.physics.power`` and ``.radio``) on measured times.

    The time is measured, the watts are those of the table, so the method is ``modelled``; of a processor that the table
    lacks they are assumed, so it is ``default``, and the source says so. Of queries that run side by side in one
    process, each counts the CPU time of both.

    Args:
        profile: the power table.
        radio: by which of its radios queries leave, as in ``wifi``; None for Wi-Fi where it has one, else a
            wire, whose energy is within ``idle_w``.
        wall_clock: seconds.
        cpu_clock: seconds of CPU time of all threads.
        network: which the queries are of, where the table's measured rows tell networks apart.

    Raises:
        UnknownName: the device has no such radio.
    """

    name: ClassVar[str] = "modelled"

    def __init__(
        self,
        profile: DeviceProfile,
        radio: str | None = None,
        wall_clock: Callable[[], float] = perf_counter,
        cpu_clock: Callable[[], float] = process_time,
        network: str = "",
    ) -> None:
        if radio is not None:
            one_of(f"radio of {profile.name}", radio, profile.radios)
        self.profile, self._network = profile, network
        self.source = f"power table '{profile.name}'"
        self.radio = radio or "wifi"
        self._radio = profile.radios.get(self.radio)
        self._by_target: dict[Target | None, Drawn | SlicedDrawn] = {}
        self.wall_clock, self.cpu_clock = wall_clock, cpu_clock
        self._cores = (os.cpu_count() or 1) if cpu_clock is process_time else math.inf  # another clock tells of others

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The meter with the named power table.

        Raises:
            InvalidInput: no table is named, or there is none of that name.
        """
        if power_table is None:
            raise InvalidInput(f"a modelled meter needs a power table; allowed: {', '.join(device_names())}")
        return cls(load_device(power_table))

    def why_unavailable(self) -> str | None:
        """It always works."""
        return None

    def begin(self) -> Mark:
        """Open a window."""
        return Mark(self.wall_clock(), self.cpu_clock())

    def end(self, mark: Mark, target: Target | None = None) -> Reading:
        """What the table says of the time since the mark, the radio apart."""
        wall_s, cpu_s = self.wall_clock() - mark.time_s, self.cpu_clock() - mark.counter
        return self.clocked(wall_s, cpu_s, target)

    def clocked(self, wall_s: float, cpu_s: float, target: Target | None = None) -> Reading:
        """What the table says of times by this host's clocks; arguments as for :meth:`energy_j`.

        Systems count a running thread's time tick by tick (4 ms and more), so in a window of less the clock may jump by
        more than all cores can have worked: they are taken to have worked all the while.
        """
        return self.reading(wall_s, min(cpu_s, self._cores * wall_s), target)

    def reading(self, wall_s: float, cpu_s: float, target: Target | None = None) -> Reading:
        """What the table says of given times, and how that is known; arguments as for :meth:`energy_j`."""
        drawn = self.drawn(target)
        return Reading(drawn.energy_j(wall_s, cpu_s), drawn.method, drawn.source, wall_s)

    def energy_j(self, wall_s: float, cpu_s: float, target: Target | None = None) -> float:
        """What the device spends in ``wall_s`` seconds of which its cores work ``cpu_s`` core-seconds.

        Args:
            wall_s: how long.
            cpu_s: core-seconds of work within it.
            target: a CPU target says how many cores work at once and at which frequency; for any other
                (the far side works, or another processor) and for None it is one core at a time. Of a processor that
                the table lacks the watts are the usual ones.
        """
        return self.drawn(target).energy_j(wall_s, cpu_s)

    def sliced(self, target: Target, share: float) -> SlicedDrawn:
        """What is drawn for a target of this device whose head another of its targets runs.

        Args:
            target: with its head.
            share: of the time that is the head's, until the first query has told.
        """
        drawn = SlicedDrawn(self._draws(target.head), self._draws(target.whole), share)
        self._by_target[target] = drawn
        return drawn

    def drawn(self, target: Target | None) -> Drawn | SlicedDrawn:
        """What is drawn for a target, as for :meth:`energy_j`."""
        known = self._by_target.get(target)
        if known is None:
            known = self._by_target[target] = self._draws(target)
        return known

    def _draws(self, target: Target | None) -> Drawn:
        if target is None or target.is_remote:
            return Drawn(watts_of(self.profile, None), Method.MODELLED, self.source)
        watts, is_metered = metered_watts(completed(self.profile, target.processor), target, self._network)
        if target.processor in self.profile.processors:
            return Drawn(watts, Method.MODELLED, f"{self.source}, its measured rows" if is_metered else self.source)
        return Drawn(watts, Method.DEFAULT, f"{self.source}, default watts of a {target.processor}")

    @property
    def tail_s(self) -> float:
        """How long the radio stays awake after a transfer; 0 for a wire."""
        return 0.0 if self._radio is None else self._radio.tail_s

    def tail_j(self, rest_s: float) -> float:
        """The tail that a query adds, before which the radio rested so long; it is in :meth:`radio_j`."""
        return 0.0 if self._radio is None else float(tail_j(self._radio.tail_w, self._radio.tail_s, rest_s))

    def radio_j(
        self,
        sent_bytes: int,
        received_bytes: int,
        uplink_bps: float,
        downlink_bps: float,
        rssi_dbm: float | None,
        latency_s: float,
        rest_s: float = math.inf,
        computing_s: float = 0.0,
    ) -> float:
        """What the radio spends on a query above the idle device: sending, receiving, waiting, and the tail it adds.

        Args:
            sent_bytes: size of the request.
            received_bytes: size of the answer.
            uplink_bps: rate from the device.
            downlink_bps: rate to the device.
            rssi_dbm: None takes the strongest signal of the table.
            latency_s: from the call to the answer.
            rest_s: how long the radio had not been used when the query began; infinite where it never was.
            computing_s: of the latency, what machines are known to have computed, when nothing was moved.

        Raises:
            InvalidInput: a rate that is not above 0.
        """
        if not (uplink_bps > 0.0 and downlink_bps > 0.0):
            raise InvalidInput(f"the link's rates are {uplink_bps} and {downlink_bps} bit/s; allowed: above 0")
        if self._radio is None:
            return 0.0
        moved = sent_bytes, received_bytes, uplink_bps, downlink_bps, rssi_dbm
        return query_j(self._radio, *moved, latency_s, rest_s, computing_s)
