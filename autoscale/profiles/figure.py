"""One number of a device or link file: its value, its unit, where it comes from and how uncertain it is."""

import math
from dataclasses import dataclass
from typing import Any, Final

from autoscale.errors import ProfileError, listing, nearest, one_of
from autoscale.query.outcome import Method

Value = float | tuple[float, ...]

_FIELDS: Final = ("value", "source", "method", "low", "high")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, or one number for each step of a table.

    Attributes:
        key: where it stands in the file, as in ``cpu.core_w``; its last part ends in the unit.
        value: the best estimate.
        unit: as people write it.
        source: the citation, in full.
        method: measured, modelled from measured figures, or a default where nobody measured it.
        low: the least it may be, of the shape of ``value``; None where no range is given.
        high: the most it may be.
    """

    key: str
    value: Value
    unit: str
    source: str
    method: Method = Method.MEASURED
    low: Value | None = None
    high: Value | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that a key may end in, and the values that make sense in it; of what is counted, whole ones."""

    symbol: str
    least: float = 0.0
    most: float = math.inf
    is_count: bool = False


UNITS: Final = {
    "cores": Unit("cores", 1.0, 1e6, is_count=True),
    "fraction": Unit("fraction", 0.0, 1.0),
    "ratio": Unit("ratio"),
    "w": Unit("W"),
    "w_per_mbps": Unit("W per Mbit/s"),
    "wh": Unit("Wh", 1e-6),
    "s": Unit("s"),
    "mhz": Unit("MHz", 1e-3, 1e6),
    "mbps": Unit("Mbit/s"),
    "dbm": Unit("dBm", -200.0, 50.0),
    "layers": Unit("layers", is_count=True),
    "macs": Unit("MAC", is_count=True),
    "values": Unit("values", is_count=True),
    "bytes": Unit("B", is_count=True),
    "mac_per_s": Unit("MAC/s", 1.0),
    "gb_per_s": Unit("GB/s", 1e-6),
    "gb": Unit("GB"),
    "mm2": Unit("mm²"),
    "nm": Unit("nm", 1.0),
    "kg": Unit("kgCO2e"),
    "years": Unit("years", 0.1),
    "j_per_k": Unit("J/K", 1e-6),
    "k_per_w": Unit("K/W"),
    "c": Unit("°C", -273.15),
}
"""Suffix of a key to its unit."""


def unit_of(key: str) -> Unit | None:
    """The unit that the last part of a key ends in, or None.

    >>> unit_of("radios.wifi.tx_w_per_mbps").symbol
    'W per Mbit/s'
    """
    words = key.rpartition(".")[2].split("_")
    suffixes = ("_".join(words[start:]) for start in range(len(words)))
    return next((UNITS[suffix] for suffix in suffixes if suffix in UNITS), None)


def read_figure(where: str, key: str, entry: Any, sources: dict[str, str]) -> Figure:
    """Check one ``key_with_unit = {value = 5.5, source = "paper"}`` of a file.

    Args:
        where: the file, as messages name it.
        key: the dotted key.
        entry: what the file holds there.
        sources: the file's table of sources.

    Raises:
        ProfileError: a bare number, an unknown or missing field, a value that is not a number of the unit's
            range, an unknown source or method, a range that does not hold the value.
    """
    at = f"{where}: {key}"
    unit = unit_of(key)
    if unit is None:
        raise ProfileError(f"{at} has no unit; a key ends in one of: {listing(UNITS)}")
    if not isinstance(entry, dict):
        raise ProfileError(f'{at} is {entry!r}; allowed: {{ value = ..., source = "..." }}')
    _check_fields(at, entry)
    one_of(f"source in {at}:", str(entry["source"]), sources, ProfileError)
    one_of(f"method in {at}:", str(entry.get("method", "measured")), list(Method), ProfileError)
    method = Method(entry.get("method", "measured"))
    value = _numbers(at, "value", entry["value"], unit)
    low, high = (_numbers(at, end, entry[end], unit) if end in entry else None for end in ("low", "high"))
    _check_range(at, value, low, high, method)
    return Figure(key, value, unit.symbol, sources[entry["source"]], method, low, high)


def _check_fields(at: str, entry: dict[str, Any]) -> None:
    for name in entry:
        if name not in _FIELDS:
            hint = nearest(name, _FIELDS)
            raise ProfileError(f"{at} has an unknown field '{name}'{hint}; allowed: {listing(_FIELDS)}")
    for name in ("value", "source"):
        if name not in entry:
            raise ProfileError(f"{at} has no '{name}'; every figure has a value and a source")


def _numbers(at: str, name: str, raw: Any, unit: Unit) -> Value:
    if not isinstance(raw, list):
        return _number(at, name, raw, unit)
    if not raw:
        raise ProfileError(f"{at}: {name} is empty; allowed: at least one number")
    return tuple(_number(at, f"{name}[{index}]", each, unit) for index, each in enumerate(raw))


def _number(at: str, name: str, raw: Any, unit: Unit) -> float:
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    is_whole = is_number and math.isfinite(raw) and (not unit.is_count or raw == int(raw))
    if not is_whole or not unit.least <= raw <= unit.most:
        limits = f"{unit.least:g} to {unit.most:g}" if math.isfinite(unit.most) else f"{unit.least:g} or more"
        number = "whole number" if unit.is_count else "number"
        raise ProfileError(f"{at}: {name} is {raw!r}; allowed: a {number} in {unit.symbol}, {limits}")
    return float(raw)


def _check_range(at: str, value: Value, low: Value | None, high: Value | None, method: Method) -> None:
    if (low is None) != (high is None):
        raise ProfileError(f"{at} has one end of a range; allowed: low and high, or neither")
    if low is None or high is None:
        if method is Method.DEFAULT:
            raise ProfileError(f"{at} is a default without a range; allowed: low and high beside it")
        return
    ends = [_tuple(each) for each in (low, value, high)]
    if len({len(each) for each in ends}) > 1:
        lengths = ", ".join(str(len(each)) for each in ends)
        raise ProfileError(f"{at}: low, value and high have {lengths} numbers; allowed: as many each")
    for least, middle, most in zip(*ends, strict=True):
        if not least <= middle <= most:
            raise ProfileError(f"{at} is {middle:g}, outside its range {least:g} to {most:g}")


def _tuple(value: Value) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)
