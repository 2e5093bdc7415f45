"""Energy from a power table: measured wall and CPU time of this process, times watts of a named device."""

from time import perf_counter, process_time
from typing import ClassVar, NamedTuple, Self

from autoscale.errors import InvalidInput, UnknownName, one_of
from autoscale.profiles import DeviceProfile, device_names, load_device
from autoscale.query.outcome import Method
from autoscale.query.target import Target
from autoscale_runtime.meters.base import Mark, Meter, Reading


class ModelledMeter(Meter):
    """The paper's energy model (Kim and Wu, MICRO 2020) on measured times.

    Processor: ``idle_w * wall + busy_w(threads) / threads * CPU time`` of all threads of this process, plus
    ``busy_w * wall`` of a GPU or NPU where the target is one. Radio: see ``radio_j``. The time is measured,
    the watts are those of the table, so the method is ``modelled``. Of queries that run side by side in one
    process, each counts the CPU time of both.

    Args:
        profile: the power table.
        radio: by which of its radios queries leave, as in ``wifi``; None for Wi-Fi where it has one, else a
            wire, whose energy is within ``idle_w``.

    Raises:
        UnknownName: the device has no such radio.
    """

    name: ClassVar[str] = "modelled"

    def __init__(self, profile: DeviceProfile, radio: str | None = None) -> None:
        if radio is not None:
            one_of(f"radio of {profile.name}", radio, profile.radios)
        self.profile = profile
        self.source = f"power table '{profile.name}'"
        self.radio = radio or "wifi"
        self._radio = profile.radios.get(self.radio)
        self._watts: dict[Target | None, _Watts] = {}

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
        return Mark(perf_counter(), process_time())

    def end(self, mark: Mark, target: Target | None = None) -> Reading | None:
        """What the table says of the time since the mark, the radio apart; None for a processor it lacks."""
        try:
            return self.between(mark, self.begin(), target)
        except UnknownName:
            return None

    def between(self, begun: Mark, ended: Mark, target: Target | None = None) -> Reading:
        """What the table says of the time between two marks.

        Raises:
            UnknownName: the power table has no such processor.
        """
        wall_s = ended.time_s - begun.time_s
        energy_j = self.energy_j(wall_s, ended.counter - begun.counter, target)
        return Reading(energy_j, Method.MODELLED, self.source, wall_s)

    def energy_j(self, wall_s: float, cpu_s: float, target: Target | None = None) -> float:
        """What the device spends in ``wall_s`` seconds of which its cores work ``cpu_s`` core-seconds.

        Args:
            wall_s: how long.
            cpu_s: core-seconds of work within it.
            target: a CPU target says how many cores work at once and at which frequency; for any other
                (the far side works, or another processor) and for None it is one core at a time.

        Raises:
            UnknownName: the power table has no such processor.
        """
        watts = self._watts.get(target)
        if watts is None:
            watts = self._watts[target] = self._watts_of(target)
        return watts.device * wall_s + watts.core * cpu_s

    def radio_j(
        self,
        sent_bytes: int,
        received_bytes: int,
        uplink_bps: float,
        downlink_bps: float,
        rssi_dbm: float | None = None,
    ) -> float:
        """What the radio spends on a transfer, above the idle device: ``tx_w * t_tx + rx_w * t_rx``.

        Args:
            sent_bytes: size of the request.
            received_bytes: size of the answer.
            uplink_bps: rate from the device.
            downlink_bps: rate to the device.
            rssi_dbm: None takes the strongest signal of the table.

        Raises:
            InvalidInput: a rate that is not above 0.
        """
        if not (uplink_bps > 0.0 and downlink_bps > 0.0):
            raise InvalidInput(f"the link's rates are {uplink_bps} and {downlink_bps} bit/s; allowed: above 0")
        if self._radio is None:
            return 0.0
        sending_j = self._radio.tx_w(uplink_bps, rssi_dbm) * 8.0 * sent_bytes / uplink_bps
        receiving_j = self._radio.rx_w(downlink_bps, rssi_dbm) * 8.0 * received_bytes / downlink_bps
        return sending_j + receiving_j

    def _watts_of(self, target: Target | None) -> "_Watts":
        idle_w, processors = self.profile.idle_w, self.profile.processors
        cpu = processors["cpu"]
        if target is None or target.is_remote:
            return _Watts(idle_w, cpu.busy_w(1))
        if target.processor == "cpu":
            threads = min(target.threads or cpu.cores, cpu.cores)
            return _Watts(idle_w, cpu.busy_w(threads, target.frequency_hz) / threads)
        one_of(f"processor of {self.profile.name}", target.processor, processors)
        return _Watts(idle_w + processors[target.processor].busy_w(1, target.frequency_hz), cpu.busy_w(1))


class _Watts(NamedTuple):
    """Of the device as long as the query takes, and above that of a core while it works."""

    device: float
    core: float
