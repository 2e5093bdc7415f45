"""The machines of a fleet, whether they report or not: what they draw idle, and their embodied carbon.

A CSV file with a header, as any spreadsheet writes it (semicolons, decimal commas, dates of its country, UTF-16, a
heading above), or TOML with a table ``[[machines]]`` for each, both with these columns; ``device_id`` must be there,
and ``device_model`` or ``idle_power_w``::

    device_id      name, as in the ledger; any of a machine that never asks itself, like a server
    role           "device" (default) asks queries, "remote" answers them
    device_model   a device profile's name; gives what the columns below do not say
    region         country, grid zone or cloud region; the world's average where there is none
    since, until   when it was there, ISO 8601; all the time where empty
    share          the fraction of it that serves these queries, 1 where empty: a phone has other things to do
    idle_power_w   watts, awake and doing nothing
    busy_fraction  of a server, the fraction of time it works; estimated from the queries' latencies where empty
    pue            of its building, 1 where empty
    making_kg      kilograms of CO2e of making all of it
    life_years     how long it serves
    intensity_g_per_kwh    of its electricity
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from autoscale.carbon.embodied.footprint import Footprint, device_footprint, product_footprint
from autoscale.carbon.intensity.files.numbers import NumberReading, number_reading
from autoscale.carbon.intensity.files.table import Table, read_table
from autoscale.carbon.intensity.files.times import as_iso
from autoscale.carbon.intensity.places import WORLD, Places
from autoscale.errors import AutoScaleError, InvalidInput, TraceError, one_of
from autoscale.fleet.ledger.schema import MOST_MG_PER_KWH, MOST_PUE
from autoscale.fleet.ledger.span import Span
from autoscale.interval import ZERO_INTERVAL, Interval
from autoscale.profiles import load_device
from autoscale.profiles.toml_table import read_toml
from autoscale.units import J_PER_KWH, SECONDS_PER_YEAR

ROLES: Final = ("device", "remote")
_NUMBERS: Final = ("share", "idle_power_w", "busy_fraction", "pue", "making_kg", "life_years", "intensity_g_per_kwh")
_DATES: Final = ("since", "until")
_TEXTS: Final = ("device_id", "role", "device_model", "region", *_DATES)
_LEAST: Final = {"pue": 1.0, "life_years": 1e-3}
_MOST: Final = {
    "share": 1.0,
    "idle_power_w": 1e6,
    "busy_fraction": 1.0,
    "pue": MOST_PUE,
    "making_kg": 1e6,
    "life_years": 100.0,
    "intensity_g_per_kwh": MOST_MG_PER_KWH / 1e3,
}
"""What no machine is beyond: a hall of servers has a row for each."""


@dataclass(frozen=True, slots=True)
class InventoryMachine:
    """One machine of the inventory.

    Attributes:
        device_id: its name.
        role: ``device`` or ``remote``.
        there: when it was.
        idle_power_w: watts of its share, awake and doing nothing, its building's with it.
        busy_fraction: None: the queries tell.
        g_per_j: of its electricity, gCO2e/J.
        embodied_g_per_s: embodied gCO2e of its share for each second it is there.
        life_years: how long it serves.
    """

    device_id: str
    role: str
    there: Span
    idle_power_w: float
    busy_fraction: float | None
    g_per_j: Interval
    embodied_g_per_s: Interval
    life_years: float = 1.0


def read_inventory(path: Path) -> tuple[InventoryMachine, ...]:
    """The machines of a file.

    Raises:
        InvalidInput: it cannot be read; a column that is none, a value outside its range, a name twice.
    """
    machines: dict[str, InventoryMachine] = {}
    for where, entry in _entries(path):
        try:
            machine = _machine({name: value for name, value in entry.items() if value not in ("", None)})
        except AutoScaleError as error:
            raise InvalidInput(f"{path}, {where}: {error}") from error
        if machine.device_id in machines:
            raise InvalidInput(f"{path}, {where}: '{machine.device_id}' is there already; allowed: each once")
        machines[machine.device_id] = machine
    return tuple(machines.values())


def read_device_ids(path: Path) -> frozenset[str]:
    """The machines' names alone, whatever else a file says of them; entries where the name is empty have none.

    Raises:
        InvalidInput: it cannot be read; an entry without ``device_id``.
    """
    entries = _entries(path, are_names_enough=True)
    for where, entry in entries:
        if "device_id" not in entry:
            raise InvalidInput(f"{path}, {where} has {', '.join(entry) or 'nothing'}; allowed: 'device_id' among them")
    return frozenset(str(entry["device_id"]) for _, entry in entries if entry["device_id"] not in ("", None))


def _entries(path: Path, are_names_enough: bool = False) -> Sequence[tuple[str, Mapping[str, Any]]]:
    entries = _toml(path) if path.suffix == ".toml" else _csv(path, are_names_enough)
    if not entries:
        raise InvalidInput(f"'{path}' has no machines; allowed: one or more")
    return entries


def _toml(path: Path) -> Sequence[tuple[str, Mapping[str, Any]]]:
    document = read_toml(path)
    document.check_keys(("machines",))
    return [(each.name, each.content) for each in document.rows("machines")]


def _csv(path: Path, are_names_enough: bool) -> Sequence[tuple[str, Mapping[str, Any]]]:
    try:
        table = read_table(path, lambda row: "device_id" in map(_column, row))
    except TraceError as error:
        raise InvalidInput(str(error)) from error
    header = [_column(each) for each in table.header]
    if twice := sorted({each for each in header if each and header.count(each) > 1}):
        raise InvalidInput(f"{path} has the column '{twice[0]}' twice; allowed: each once")
    rows = [(f"line {line}", _cells(f"{path}, line {line}", header, row)) for line, row in table.rows]
    if are_names_enough:
        return rows
    read = _numbers_of([row for _, row in rows], table)
    try:
        dates = as_iso([row[name] for _, row in rows for name in _DATES if row.get(name)])
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from error
    return [(where, _as_python(f"{path}, {where}", row, read, dates)) for where, row in rows]


def _column(name: str) -> str:
    return name.strip().casefold()


def _cells(where: str, header: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    """The values of a row; columns without a name are there only where something stands in them."""
    values = [each.strip() for each in row]
    if any(values[len(header) :]):
        raise InvalidInput(f"{where} has {len(values)} values; allowed: {len(header)}, one for each column")
    return {name: value for name, value in zip(header, values, strict=False) if name or value}


def _numbers_of(rows: Sequence[Mapping[str, str]], table: Table) -> NumberReading:
    cells = ((row[name], _MOST[name]) for row in rows for name in _NUMBERS if row.get(name))
    return number_reading(cells, table.has_decimal_comma)


def _as_python(
    where: str, row: Mapping[str, str], read: NumberReading, dates: Mapping[str, str]
) -> Mapping[str, str | float]:
    """With numbers and dates as Python has them, however the spreadsheet wrote them."""
    entry: dict[str, str | float] = dict(row)
    entry |= {name: dates[row[name]] for name in _DATES if row.get(name) in dates}
    for name in _NUMBERS:
        if row.get(name):
            try:
                entry[name] = read(row[name])
            except ValueError as error:
                raise InvalidInput(f"{where}: {name} is {error}") from error
    return entry


def _machine(entry: Mapping[str, Any]) -> InventoryMachine:
    for name in entry:
        one_of("column of an inventory", name, (*_TEXTS, *_NUMBERS))
    numbers = {name: _number(name, entry[name]) for name in _NUMBERS if name in entry}
    texts = {name: str(entry.get(name, "")) for name in _TEXTS}
    if not texts["device_id"]:
        raise InvalidInput("it has no device_id; allowed: a name for each machine")
    role = texts["role"] or ROLES[0]
    one_of("role", role, ROLES)
    share = numbers.get("share", 1.0)
    power_w = _idle_w(texts["device_model"], numbers) * share * numbers.get("pue", 1.0)
    embodied = _footprint(texts["device_model"], numbers.get("making_kg"), numbers.get("life_years"))
    there = Span.parse(texts["since"], texts["until"])
    intensity = _g_per_j(texts["region"], numbers.get("intensity_g_per_kwh"))
    rate = embodied.g_per_s(share=share) if embodied else ZERO_INTERVAL
    life_years = embodied.life_s.mid / SECONDS_PER_YEAR if embodied else 1.0
    busy = numbers.get("busy_fraction")
    return InventoryMachine(texts["device_id"], role, there, power_w, busy, intensity, rate, life_years)


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{name} is '{value}'; allowed: a number") from error
    least, most = _LEAST.get(name, 0.0), _MOST[name]
    if not least <= number <= most:
        raise InvalidInput(f"{name} is {number}; allowed: {least:g} to {most:g}")
    return number


def _idle_w(device_model: str, numbers: Mapping[str, float]) -> float:
    if "idle_power_w" in numbers:
        return numbers["idle_power_w"]
    if not device_model:
        raise InvalidInput("it has neither idle_power_w nor device_model; allowed: one of them, or both")
    return _profile_idle_w(device_model)


@cache
def _profile_idle_w(device_model: str) -> float:
    return load_device(device_model).idle_w


@cache
def _footprint(device_model: str, embodied_kg: float | None, life_years: float | None) -> Footprint | None:
    """The profile's, with what the inventory says put in its place; None where neither gives its embodied carbon."""
    if not device_model and embodied_kg is None:
        if life_years is not None:
            raise InvalidInput(
                "it has life_years and nothing that they are of; allowed: making_kg or device_model, too"
            )
        return None
    known = device_footprint(load_device(device_model)) if device_model else product_footprint("server")
    if embodied_kg is not None:
        known = replace(known, kg=Interval.exactly(embodied_kg))
    if life_years is None:
        return known
    return replace(known, life_s=Interval.exactly(life_years * SECONDS_PER_YEAR))


@cache
def _g_per_j(region: str, intensity_g_per_kwh: float | None) -> Interval:
    if intensity_g_per_kwh is not None:
        return Interval.exactly(intensity_g_per_kwh / J_PER_KWH)
    return Places.shipped().find(region or WORLD).g_per_kwh * (1.0 / J_PER_KWH)
