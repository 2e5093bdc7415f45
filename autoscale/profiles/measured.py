"""Rows of a device file that were measured: one network on one target, its seconds, joules, watts and accuracy.

>>> table = TomlTable("mine.toml", {"measured": [{"network": "resnet-50", "target": "device:cpu/int8@4t",
...     "latency_s": {"value": 0.02, "low": 0.019, "high": 0.024}, "energy_j": 0.1, "source": "plug"}]})
>>> row = measured_rows(table, {"plug": "my wall plug"})[0]
>>> row.latency_s.high, row.mean_w, row.method.value
(0.024, 5.0, 'measured')
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from autoscale.errors import InvalidTarget, ProfileError
from autoscale.interval import Interval
from autoscale.profiles.model_profile_codec import toml_string
from autoscale.profiles.toml_table import TomlTable
from autoscale.query.outcome import Method
from autoscale.query.target import Target

TABLE: Final = "measured"
NEEDED: Final = ("network", "target", "latency_s", "source")
OPTIONAL: Final = ("energy_j", "power_w", "accuracy", "method")

RUN_TO_RUN: Final = 0.05
"""How far a run may be from the middle, as a share of it, where a row does not say: the 10th and the 90th percentile of
MLPerf's and LiteRT's runs lie within this in nine of ten logs."""

AGREE: Final = 0.05
"""How far, as a share, a row's watts may be beyond what its joules and seconds come to."""

LEAST: Final = 1e-15
MOST: Final = 1e15
"""What no second, joule or watt of a query lies beyond: such a figure is a mistake, and leaves arithmetic no digits."""


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One network on one target of the device, as somebody measured it.

    Attributes:
        network: its name, any; what asks for that network gets this row (``physics.measured.namesake_of``).
        target: on the device itself; its engine is the runtime that ran it.
        latency_s: the middle run, and the ends of what single runs took.
        energy_j: of the whole device while the query lasted, idle power included; None where nobody metered.
        power_w: the mean over that time, likewise.
        accuracy: on labelled data, a fraction; None where it was not judged.
        source: the citation, in full.
        method: measured, unless the row says that it was made from other figures.
    """

    network: str
    target: Target
    latency_s: Interval
    energy_j: Interval | None = None
    power_w: float | None = None
    accuracy: float | None = None
    source: str = ""
    method: Method = Method.MEASURED

    @property
    def joules(self) -> Interval | None:
        """``energy_j``, else what ``power_w`` comes to over the latency; None where neither is known."""
        if self.energy_j is None and self.power_w is not None:
            return self.latency_s * self.power_w
        return self.energy_j

    @property
    def mean_w(self) -> float | None:
        """Watts of the whole device while it lasted."""
        return self.power_w if self.energy_j is None else self.energy_j.mid / self.latency_s.mid


def watts_between(latency_s: Interval, energy_j: Interval) -> Interval:
    """The mean watts that seconds and joules of the same runs leave possible."""
    low_w, high_w = energy_j.low / latency_s.high, energy_j.high / latency_s.low
    return Interval(low_w / (1.0 + AGREE), energy_j.mid / latency_s.mid, high_w * (1.0 + AGREE))


def measured_rows(document: TomlTable, sources: Mapping[str, str]) -> tuple[MeasuredRow, ...]:
    """The rows of a device file's ``[[measured]]``, in its order.

    Raises:
        ProfileError: a key that is missing or unknown, a figure that is not above 0, a target that is none or not on
            the device, an unknown source, or joules, watts and seconds of a row that contradict each other.
    """
    return tuple(_row(table, sources) for table in document.rows(TABLE))


def measured_lines(rows: Sequence[MeasuredRow], keys: Mapping[str, str]) -> list[str]:
    """Rows as lines of TOML, which ``measured_rows`` reads; ``keys`` are those of the file's sources by citation."""
    return [line for row in rows for line in ("", f"[[{TABLE}]]", *_lines(row, keys[row.source]))]


def _row(table: TomlTable, sources: Mapping[str, str]) -> MeasuredRow:
    table.check_keys(NEEDED, OPTIONAL)
    row = MeasuredRow(
        _name(table),
        _target(table),
        _interval(table, "latency_s"),
        _interval(table, "energy_j") if "energy_j" in table else None,
        _positive(table, "power_w", table.content["power_w"]) if "power_w" in table else None,
        _positive(table, "accuracy", table.content["accuracy"], 1.0) if "accuracy" in table else None,
        sources[table.one_of("source", sources)],
        Method(table.one_of("method", list(Method))) if "method" in table else Method.MEASURED,
    )
    _check_joules(table, row)
    return row


def _check_joules(table: TomlTable, row: MeasuredRow) -> None:
    """Joules are watts times seconds: of a row that holds all three, one would silently be left out of account.

    Watts are a mean and seconds a middle run, so that a row may stray as far as its own runs do.
    """
    if row.energy_j is None or row.power_w is None:
        return
    agreed_w = watts_between(_told(table, "latency_s", row.latency_s), _told(table, "energy_j", row.energy_j))
    if not agreed_w.low <= row.power_w <= agreed_w.high:
        allowed = (
            f"energy_j / latency_s, which is {agreed_w.mid:.4g} W here ({agreed_w.low:.4g} to {agreed_w.high:.4g} W)"
        )
        raise table.fault("power_w", f"{allowed}, or one of energy_j and power_w alone")


def _told(table: TomlTable, key: str, figure: Interval) -> Interval:
    """A figure with the ends that its row tells, and no usual ones."""
    return figure if isinstance(table.content[key], dict) else Interval.exactly(figure.mid)


def _name(table: TomlTable) -> str:
    if not table.text("network").strip() or not table.text("network").isprintable():
        raise table.fault("network", "the name of a network, in one line")
    return table.text("network")


def _target(table: TomlTable) -> Target:
    try:
        target = Target.parse(table.text("target"))
    except InvalidTarget as error:
        raise ProfileError(f"{table.path}: {table.dotted('target')}: {error}") from error
    if target.is_remote:
        raise table.fault("target", "one on the device itself, as in 'device:cpu/int8@4t'")
    return target


def _interval(table: TomlTable, key: str) -> Interval:
    """A number, or its ``value`` with the ends of single runs, ``low`` and ``high``."""
    entry = table.content[key]
    if not isinstance(entry, dict):
        return Interval.about(_positive(table, key, entry), RUN_TO_RUN)
    inner = table.table(key)
    inner.check_keys(("value", "low", "high"))
    low, mid, high = (_positive(inner, end, entry[end]) for end in ("low", "value", "high"))
    if not low <= mid <= high:
        raise table.fault(key, "low <= value <= high")
    return Interval(low, mid, high)


def _positive(table: TomlTable, key: str, value: Any, most: float = MOST) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not LEAST <= value <= most:
        raise table.fault(key, f"a number above 0 ({LEAST:g} or more), {most:g} at most")
    return float(value)


def _lines(row: MeasuredRow, source: str) -> list[str]:
    lines = [f"network = {toml_string(row.network)}", f'target = "{row.target}"']
    lines += [f"latency_s = {_written(row.latency_s)}"]
    lines += [f"energy_j = {_written(row.energy_j)}"] if row.energy_j is not None else []
    lines += [f"power_w = {row.power_w!r}"] if row.power_w is not None else []
    lines += [f"accuracy = {row.accuracy!r}"] if row.accuracy is not None else []
    lines += [f'method = "{row.method}"'] if row.method is not Method.MEASURED else []
    return [*lines, f"source = {toml_string(source)}"]


def _written(figure: Interval) -> str:
    return f"{{ value = {figure.mid!r}, low = {figure.low!r}, high = {figure.high!r} }}"
