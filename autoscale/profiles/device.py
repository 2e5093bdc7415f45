"""A device or server, as its file describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from autoscale.errors import InvalidTarget, ProfileError, listing, one_of
from autoscale.profiles.figure import Figure
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.processor import Processor, processor_from, setting_of
from autoscale.profiles.radio import Radio, radio_from
from autoscale.profiles.reader import Facts
from autoscale.profiles.schema import KINDS, RADIOS
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import PROCESSORS, Target
from autoscale.units import SECONDS_PER_YEAR, mhz_from_hz

SETTINGS: Final = ("dvfs", "threads")
"""What a local target may set: a processor's clock, or how many of the CPU's cores it takes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """DRAM and flash: sizes in bytes, bandwidth in bytes/s."""

    dram_bytes: float
    bandwidth_bytes_per_s: float
    flash_bytes: float


@dataclass(frozen=True, slots=True)
class Thermal:
    """One lumped heat node: capacitance J/K, resistance to the air K/W, degrees Celsius where it throttles."""

    capacitance_j_per_k: float
    resistance_k_per_w: float
    throttle_c: float


@dataclass(frozen=True, slots=True)
class Embodied:
    """What making the machine emitted.

    Attributes:
        total_kg: kgCO2e of the whole machine; ``low_kg`` and ``high_kg`` are the ends of its range.
        lifetime_s: expected life.
        die_mm2: area of the logic dies.
        node_nm: the process they were made in.
    """

    low_kg: float
    total_kg: float
    high_kg: float
    lifetime_s: float
    die_mm2: float
    node_nm: float


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """A device or server.

    Attributes:
        name: the name it is loaded by, and that a target may hold as its host.
        title: what people call it.
        kind: ``phone``, ``tablet``, ``board``, ``laptop`` or ``server``.
        idle_w: awake, doing nothing.
        battery_wh: capacity; None where it has none.
        processors: ``cpu``, ``gpu``, ``npu`` to what there is.
        radios: ``wifi``, ``lte``, ``5g`` to what there is.
        memory: DRAM and flash.
        thermal: None where it is not known to throttle.
        embodied: what making it emitted.
        figures: dotted key to the figure with its source, every number of the file.
        measured: networks on targets, as somebody measured them here.
        networks: what is known of those that no other file describes, by name.
        fingerprint: of the machine that the rows were measured on; empty where nothing was measured on this one.
        incomplete: what is missing of a calibration that was interrupted; empty where nothing is.
        derived: what was worked out from all this, kept with it; a copy with other fields begins anew.
    """

    name: str
    title: str
    kind: str
    idle_w: float
    battery_wh: float | None
    processors: Mapping[str, Processor]
    radios: Mapping[str, Radio]
    memory: Memory
    thermal: Thermal | None
    embodied: Embodied
    figures: Mapping[str, Figure]
    measured: tuple[MeasuredRow, ...] = ()
    networks: Mapping[str, ModelProfile] = field(default_factory=dict)
    fingerprint: str = ""
    incomplete: str = ""
    derived: dict[Any, Any] = field(init=False, default_factory=dict, repr=False, compare=False)

    def targets(self, settings: str = "dvfs") -> list[Target]:
        """Where a query can run on it: processor, precision, setting.

        Args:
            settings: ``dvfs`` pins a processor that has steps to one of them; ``threads`` gives the CPU 1, 2, 4, ...
                of its cores and leaves the clocks alone, as a session's backends do.

        Raises:
            UnknownName: other settings; the message names the nearest.
        """
        one_of("settings", settings, SETTINGS)
        return [
            Target("device", kind, precision, "", *setting)
            for kind, processor in self.processors.items()
            for precision in processor.precisions
            for setting in _settings(processor, settings)
        ]

    def check(self, target: Target) -> None:
        """Refuse a target that no processor of it can be; its place and host do not matter.

        Raises:
            InvalidTarget: it has no such processor, or that no such precision or as many threads.
        """
        processor = self.processors.get(target.processor)
        if processor is None:
            raise InvalidTarget(f"{self.name} has no {target.processor}; allowed: {listing(self.processors)}")
        if target.precision not in processor.precisions:
            at = f"{target.processor} of {self.name}"
            raise InvalidTarget(f"{at} has no {target.precision}; allowed: {listing(processor.precisions)}")

    def source_of(self, key: str) -> Figure:
        """A figure with its unit, source, method and range.

        Raises:
            UnknownName: the file holds no such key, as in ``cpu.core_w``.
        """
        one_of(f"figure of {self.name}", key, self.figures)
        return self.figures[key]


def _settings(processor: Processor, settings: str) -> list[tuple[int | None, int | None]]:
    """Pairs of a clock and a thread count, of which a target sets one at most."""
    if settings == "dvfs":
        return [(step, None) for step in processor.frequencies_hz or (None,)]
    return [(None, count) for count in processor.thread_counts()] if processor.kind == "cpu" else [(None, None)]


def device_from(
    facts: Facts, measured: tuple[MeasuredRow, ...] = (), networks: Mapping[str, ModelProfile] | None = None
) -> DeviceProfile:
    """The device that a file describes.

    Raises:
        ProfileError: a kind that does not exist, a name that is not the file's, a row measured on a processor,
            precision, thread count or clock that the device does not have, or two rows for one setting of a network.
    """
    check_name(facts)
    one_of(f"kind in {facts.path}:", str(facts.texts["kind"]), KINDS, ProfileError)
    device = DeviceProfile(
        facts.texts["name"],
        facts.texts["title"],
        facts.texts["kind"],
        facts.number("power.idle_w"),
        facts.number("power.battery_wh") if "power.battery_wh" in facts.figures else None,
        {kind: processor_from(facts, kind) for kind in PROCESSORS if facts.has(kind)},
        {name: radio_from(facts, f"radios.{name}") for name in RADIOS if facts.has(f"radios.{name}")},
        _memory(facts),
        _thermal(facts) if facts.has("thermal") else None,
        _embodied(facts),
        facts.figures,
        measured,
        networks or {},
        facts.texts.get("fingerprint", ""),
        facts.texts.get("incomplete", ""),
    )
    for number, row in enumerate(measured, start=1):
        _check_row(device, row, f"{facts.path}: measured {number}.target")
    _check_once(device, f"{facts.path}: ")
    return device


def _check_row(device: DeviceProfile, row: MeasuredRow, at: str) -> None:
    target = row.target
    try:
        device.check(target)
    except InvalidTarget as error:
        raise ProfileError(f"{at} is '{target}': {error}") from error
    processor = device.processors[target.processor]
    if (target.threads or 1) > processor.cores:
        raise ProfileError(f"{at} is '{target}'; allowed: {processor.cores} threads at most, as many as cores")
    steps = processor.frequencies_hz
    if target.frequency_hz and not (steps and steps[0] <= target.frequency_hz <= steps[-1]):
        clocks = f"{mhz_from_hz(steps[0]):g} to {mhz_from_hz(steps[-1]):g} MHz" if steps else "no clock"
        raise ProfileError(f"{at} is '{target}'; allowed: {clocks}, as {target.processor}.frequencies_mhz has it")


def _check_once(device: DeviceProfile, at: str) -> None:
    """One setting has one row, whichever way a target says it: no thread count is all cores, no clock the highest."""
    first: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(device.measured, start=1):
        target = row.target
        setting = setting_of(device.processors[target.processor], target)
        before = first.setdefault((row.network, target.processor, target.engine, setting), number)
        if before != number:
            other = device.measured[before - 1].target
            same = "as is" if other == target else f"which is the setting of '{other}',"
            raise ProfileError(
                f"{at}measured {number} is '{row.network}' on '{target}', {same} measured {before}; "
                "allowed: one row for each setting of a network"
            )


def check_name(facts: Facts) -> None:
    """A file is called as what it describes.

    Raises:
        ProfileError: it is not.
    """
    if facts.texts["name"] != facts.path.stem:
        raise ProfileError(f"{facts.path}: name is '{facts.texts['name']}'; allowed: '{facts.path.stem}', the file's")


def _memory(facts: Facts) -> Memory:
    return Memory(
        facts.number("memory.dram_gb") * 1e9,
        facts.number("memory.bandwidth_gb_per_s") * 1e9,
        facts.number("storage.flash_gb") * 1e9,
    )


def _thermal(facts: Facts) -> Thermal:
    return Thermal(
        facts.number("thermal.capacitance_j_per_k"),
        facts.number("thermal.resistance_k_per_w"),
        facts.number("thermal.throttle_c"),
    )


def _embodied(facts: Facts) -> Embodied:
    total = facts.figures["embodied.total_kg"]
    if not isinstance(total.low, float) or not isinstance(total.high, float):
        raise ProfileError(f"{facts.path}: embodied.total_kg has no range; allowed: low and high beside it")
    return Embodied(
        total.low,
        facts.number("embodied.total_kg"),
        total.high,
        facts.number("embodied.lifetime_years") * SECONDS_PER_YEAR,
        facts.number("embodied.die_mm2"),
        facts.number("embodied.node_nm"),
    )
