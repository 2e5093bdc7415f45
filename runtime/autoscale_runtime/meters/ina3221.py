"""Texas Instruments' INA3221: three supplies of a board, as Jetsons and other single-board computers have them.

Two drivers show it. The kernel's own (``Documentation/hwmon/ina3221.rst``): ``inN_label``, ``inN_input`` in mV,
``currN_input`` in mA, ``inN_enable``, ``shuntN_resistor`` in uOhm, ``update_interval`` in ms, in a folder of
``/sys/class/hwmon``. NVIDIA's of JetPack 4: ``rail_name_N`` and ``in_powerN_input`` in mW, N from 0, in
``/sys/bus/i2c/drivers/ina3221x/*/iio:device*``.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, Self

from autoscale_runtime.meters.base import Mark
from autoscale_runtime.meters.gauge import GaugeMeter, Power

INPUTS: Final = ("VDD_IN", "POM_5V_IN", "5V_IN", "VDD_IN_5V0", "MAIN_VDD_IN")
"""Rails through which a whole board is fed, as the Jetson's developer guides name them; the others are behind them."""

WITHIN: Final = ("VDDQ_VDD2_1V8AO",)
"""Fed by VIN_SYS_5V0, which a Jetson AGX Orin measures too."""

PERIOD_S: Final = 0.05

GAIN_ERROR: Final = 0.005
"""Data sheet SBOS576: at most 0.25 % of the shunt's voltage and as much of the bus's."""

OFFSET_V: Final = 80e-6
"""Data sheet SBOS576: at most 80 uV at the shunt."""


class Rail(NamedTuple):
    """One supply; of the kernel's driver voltage and current, of NVIDIA's the power."""

    label: str
    folder: Path
    channel: int
    is_hwmon: bool

    def read(self) -> Power:
        """What it carries now.

        Raises:
            OSError: a file is gone, or the channel switched off.
            ValueError: a file holds garbage.
        """
        if not self.is_hwmon:
            return Power(_number(self.folder / f"in_power{self.channel}_input") * 1e-3)
        voltage_v = _number(self.folder / f"in{self.channel}_input") * 1e-3
        current_a = _number(self.folder / f"curr{self.channel}_input") * 1e-3
        return Power(voltage_v * current_a, voltage_v * self._offset_a())

    def _offset_a(self) -> float:
        try:
            return OFFSET_V / (_number(self.folder / f"shunt{self.channel}_resistor") * 1e-6)
        except (OSError, ValueError, ZeroDivisionError):
            return 0.0


class Ina3221Meter(GaugeMeter):
    """The board's input where it is measured, else the sum of its rails; ``scope`` says which.

    Args:
        root: where ``sys`` is found.
        clock: seconds, monotonic.
        period_s: how often a thread looks while windows are open; None for no thread.
    """

    name: ClassVar[str] = "ina3221"
    shortest_s: ClassVar[float] = 0.5
    gain_error = GAIN_ERROR

    def __init__(
        self,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
        period_s: float | None = PERIOD_S,
    ) -> None:
        super().__init__(clock, period_s)
        self._folder = root / "sys"
        self._rails = counted_rails(rails(self._folder))
        self._converts_s = max((_converts_s(each.folder) for each in self._rails), default=0.0)
        self.sees_radio = any(each.label in INPUTS for each in self._rails)
        what = "the whole board" if self.sees_radio else "the sum of its rails"
        self.scope = f"INA3221 {' + '.join(each.label for each in self._rails)}, {what}"

    @classmethod
    def on_this_host(cls, power_table: str | None) -> Self:
        """The rails of this board; they need no power table."""
        return cls()

    def sampling_s(self, begun: Mark, now: Mark) -> float | None:
        """How far apart the looks lie, or the chip's conversions where those are rarer."""
        looks_s = super().sampling_s(begun, now)
        return None if looks_s is None else max(looks_s, self._converts_s)

    def read(self) -> Power:
        """All counted rails together.

        Raises:
            OSError: there is none, or one cannot be read.
            ValueError: one holds garbage, or together they carry less than nothing.
        """
        if not self._rails:
            raise OSError(f"no INA3221 in {self._folder}/class/hwmon or {self._folder}/bus/i2c/drivers/ina3221x")
        told = [each.read() for each in self._rails]
        power_w = sum(each.power_w for each in told)
        if power_w < 0.0:
            raise ValueError(f"{self.scope} carries {power_w:g} W; allowed: 0 or more")
        return Power(power_w, sum(each.offset_w for each in told))


def counted_rails(found: Sequence[Rail]) -> list[Rail]:
    """The board's input, if one of them is that; else all that are not within another."""
    inputs = [each for each in found if each.label in INPUTS]
    return inputs[:1] or [each for each in found if each.label not in WITHIN]


def rails(system: Path) -> list[Rail]:
    """Every rail that has a name and is switched on; what a board leaves unconnected has none, or "NC"."""
    chips = [each.parent for each in sorted(system.glob("class/hwmon/hwmon*/name")) if _text(each) == "ina3221"]
    found = [Rail(_text(chip / f"in{n}_label"), chip, n, True) for chip in chips for n in (1, 2, 3)]
    older = sorted(system.glob("bus/i2c/drivers/ina3221x/*/iio:device*"))
    found += [Rail(_text(chip / f"rail_name_{n}"), chip, n, False) for chip in older for n in (0, 1, 2)]
    return [each for each in found if each.label not in ("", "NC") and _is_on(each)]


def _is_on(rail: Rail) -> bool:
    return not rail.is_hwmon or _text(rail.folder / f"in{rail.channel}_enable") != "0"


def _converts_s(chip: Path) -> float:
    """How often the chip converts; 0 where its driver does not say."""
    try:
        return _number(chip / "update_interval") * 1e-3
    except (OSError, ValueError):
        return 0.0


def _number(path: Path) -> float:
    return float(path.read_text())


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
