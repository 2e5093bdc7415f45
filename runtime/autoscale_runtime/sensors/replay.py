"""Recorded readings in place of hardware: a sensor that plays a trace, and the recorder that writes one.

A trace is a CSV file: ``time_s``, any of ``cpu_load``, ``memory_load``, ``temperature_c``, ``battery``,
``is_charging``, for a link ``cloud.rssi_dbm``, ``.round_trip_s``, ``.uplink_bps``, ``.downlink_bps``,
``.is_up``, and for a place ``device.intensity_g_per_kwh``. An empty cell is absent, and so is one that is impossible.
"""

import csv
import io
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Final

from autoscale.files import write_file
from autoscale.query.observation import LinkState, Observation
from autoscale_runtime.sensors.base import NOTHING_SENSED, Sensor
from autoscale_runtime.sensors.hub import SensorHub
from autoscale_runtime.sensors.trace_file import TIME, number, read_trace_rows

INTENSITY: Final = "intensity_g_per_kwh"
OF_DEVICE: Final = tuple(each.name for each in fields(Observation) if each.name not in ("links", "intensity_g_per_kwh"))
OF_LINK: Final = tuple(each.name for each in fields(LinkState))
TRUTHS: Final = {"true": True, "false": False}
YES_OR_NO: Final = ("is_charging", "is_up")


class ReplaySensor(Sensor):
    """Plays a trace: a row holds from its time on until the next, the last one for ever.

    Time runs from the creation of the sensor; before the first row, everything is absent.

    Args:
        path: the CSV file.
        clock: seconds, monotonic.

    Raises:
        TraceError: a file that cannot be used at all; naming the file, the line and the value.
    """

    name: ClassVar[str] = "replay"

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        columns = f"{', '.join(OF_DEVICE)}, LINK.{'/'.join(OF_LINK)}, PLACE.{INTENSITY}"
        rows = read_trace_rows(path, _is_column, columns, _value)
        self._times_s = [row.time_s for row in rows]
        self._readings = [_reading(row.cells) for row in rows]
        self._clock = clock
        self._start_s = clock()

    def is_available(self) -> bool:
        """Always: the file has been read."""
        return True

    def sense(self) -> Observation:
        """The row that holds now."""
        row = bisect_right(self._times_s, self._clock() - self._start_s)
        return self._readings[row - 1] if row else NOTHING_SENSED


def watch(hub: SensorHub, period_s: float, count: int) -> Iterator[tuple[float, Observation]]:
    """Observations of now and every period, with the seconds since the first; for ``record``."""
    start_s = time.monotonic()
    for step in range(count):
        time.sleep(max(start_s + step * period_s - time.monotonic(), 0.0))
        hub.refresh()
        yield time.monotonic() - start_s, hub.now()


def record(path: Path, observed: Iterable[tuple[float, Observation]]) -> None:
    """Write a trace of (``time_s``, observation) pairs that a ``ReplaySensor`` plays.

    An hour of this machine: ``record(Path("hour.csv"), watch(hub, period_s=1.0, count=3600))``.

    Raises:
        OSError: the file cannot be written; an older one is left as it was.
    """
    rows = [{TIME: repr(time_s)} | _cells(observation) for time_s, observation in observed]
    columns = dict.fromkeys(name for row in rows for name in row) or {TIME: None}
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue())


def _is_column(name: str) -> bool:
    owner, _, what = name.rpartition(".")
    return what in (*OF_LINK, INTENSITY) if owner else what in OF_DEVICE


def _reading(cells: Mapping[str, float | bool]) -> Observation:
    values: dict[str, Any] = {}
    links: dict[str, dict[str, Any]] = {}
    intensity: dict[str, float] = {}
    for column, value in cells.items():
        owner, _, what = column.rpartition(".")
        if what == INTENSITY:
            intensity[owner] = float(value)
        elif owner:
            links.setdefault(owner, {})[what] = value
        else:
            values[what] = value
    states = {name: LinkState(**state) for name, state in links.items()}
    return Observation(**values, links=states, intensity_g_per_kwh=intensity)


def _value(column: str, text: str) -> float | bool:
    """A cell as an observation takes it.

    Raises:
        ValueError: it does not.
    """
    if column.rpartition(".")[2] not in YES_OR_NO:
        value: float | bool = number(column, text)
    elif text in TRUTHS:
        value = TRUTHS[text]
    else:
        raise ValueError(f"{column} is '{text}'; allowed: 'true', 'false'")
    _reading({column: value})
    return value


def _cells(observation: Observation) -> dict[str, str]:
    values = {name: getattr(observation, name) for name in OF_DEVICE}
    for link, state in observation.links.items():
        values |= {f"{link}.{name}": getattr(state, name) for name in OF_LINK}
    values |= {f"{place}.{INTENSITY}": each for place, each in observation.intensity_g_per_kwh.items()}
    return {name: _text(value) for name, value in values.items() if value is not None}


def _text(value: float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(float(value))
