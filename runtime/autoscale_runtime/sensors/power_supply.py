"""The supplies that feed this device, as Linux tells them in /sys/class/power_supply.

Files and units are those of the kernel's ``Documentation/ABI/testing/sysfs-class-power``: uW, uWh, uA, uAh, uV. Gauges
leave files out, or hold there what cannot be: each battery tells what it can, and what it cannot is None.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_W: Final = 1000.0
"""No battery of a device that infers gives more: what a gauge tells above it is an error code."""


@dataclass(frozen=True, slots=True)
class Battery:
    """One battery at one moment. A device may have several, of which one at a time works.

    Attributes:
        name: of its folder, as in ``BAT0``.
        status: ``Discharging``, ``Charging``, ``Full``, ``Not charging``; ``Unknown`` where it does not say.
        charge: what is left, as a fraction.
        full_j: what it holds when full.
        power_w: what flows in or out; gauges differ on the sign, and the status tells the direction.
        stored_j: what is in it, where the gauge counts energy.
        stored_c: what is in it in coulombs, where the gauge counts charge.
        voltage_v: at its terminals.
        problems: files that hold nothing readable.
    """

    name: str
    status: str = "Unknown"
    charge: float | None = None
    full_j: float | None = None
    power_w: float | None = None
    stored_j: float | None = None
    stored_c: float | None = None
    voltage_v: float | None = None
    problems: tuple[str, ...] = ()


def read_batteries(root: Path) -> list[Battery]:
    """The batteries of the device itself, not of a mouse or a headset; an empty bay is none."""
    return [
        _battery(each)
        for each in _supplies(root)
        # Peripherals carry scope "Device"; the battery of the machine has "System" or no such file.
        if _text(each / "type") == "Battery" and _text(each / "scope") != "Device" and _text(each / "present") != "0"
    ]


def is_on_mains(root: Path, batteries: Sequence[Battery]) -> bool | None:
    """Whether mains power is connected: by the plug where it tells, else by what the batteries do; None is not known.

    A battery that charges is fed by something, whatever the plugs say: not every one of them has a file.
    """
    statuses = {each.status for each in batteries}
    online = [_text(each / "online") for each in _supplies(root) if _text(each / "type") == "Mains"]
    if "Charging" in statuses or any(each not in ("", "0") for each in online):
        return True
    if "Discharging" in statuses or "0" in online:
        return False
    return True if statuses & {"Full", "Not charging"} else None


def charge_of(batteries: Sequence[Battery]) -> float | None:
    """What is left in all of them, as a fraction of what they hold when full; of those that tell."""
    known = [(each.charge, each.full_j) for each in batteries if each.charge is not None]
    weights = [full_j for _, full_j in known if full_j is not None]
    if len(weights) < len(known) or not sum(weights):
        weights = [1.0] * len(known)
    left = sum(charge * weight for (charge, _), weight in zip(known, weights, strict=True))
    return left / sum(weights) if known else None


def _supplies(root: Path) -> Iterator[Path]:
    folder = root / "sys" / "class" / "power_supply"
    return iter(sorted(folder.iterdir()) if folder.is_dir() else ())


def _battery(folder: Path) -> Battery:
    file = _Files(folder)
    voltage_v = file.positive("voltage_now", 1e-6)
    nominal_v = file.positive("voltage_min_design", 1e-6) or voltage_v
    stored_j, full_j = file.number("energy_now", 3600e-6), file.positive("energy_full", 3600e-6)
    stored_c, full_c = file.number("charge_now", 3600e-6), file.positive("charge_full", 3600e-6)
    charges = _fraction(file.number("capacity", 1.0), 100.0), _fraction(stored_j, full_j), _fraction(stored_c, full_c)
    if full_j is None and full_c is not None and nominal_v is not None:
        full_j = full_c * nominal_v
    return Battery(
        name=folder.name,
        status=_text(folder / "status") or "Unknown",
        charge=next((each for each in charges if each is not None), None),
        full_j=full_j,
        power_w=_power_w(file, voltage_v),
        stored_j=stored_j,
        stored_c=stored_c,
        voltage_v=voltage_v,
        problems=tuple(file.problems),
    )


def _power_w(file: "_Files", voltage_v: float | None) -> float | None:
    """By the power, else by current and voltage; a working battery never gives 0 W, so that is no reading."""
    reported_w = file.number("power_now", 1e-6)
    reported_a = file.number("current_now", 1e-6)
    by_current_w = None if reported_a is None or voltage_v is None else reported_a * voltage_v
    possible = (abs(each_w) for each_w in (reported_w, by_current_w) if each_w is not None)
    return next((each_w for each_w in possible if 0.0 < each_w <= MOST_W), None)


def _fraction(part: float | None, whole: float | None) -> float | None:
    if part is None or whole is None or not 0.0 <= part <= whole:
        return None
    return part / whole


class _Files:
    """Numbers in a supply's folder. A file that is not there is None; one that cannot be read is a problem too."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.problems: list[str] = []

    def number(self, name: str, unit: float) -> float | None:
        try:
            return int((self._folder / name).read_text()) * unit
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.problems.append(f"{self._folder.name}/{name}: {error}")
            return None

    def positive(self, name: str, unit: float) -> float | None:
        value = self.number(name, unit)
        return value if value is not None and value > 0.0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
