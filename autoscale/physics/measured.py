"""What the measured rows of a device say of a network on a target: there they are the answer, near them they correct.

>>> from autoscale.profiles import load_device
>>> from autoscale.profiles.networks import load_network
>>> exact_rows(load_device("mi8pro"), Run(load_network("mobilenet-v1"), Target.parse("device:cpu/fp32")))
[]
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from autoscale.interval import Interval
from autoscale.physics.kriging import Kriging, Points, Spread, features
from autoscale.physics.power import Watts, watts_of, working_w
from autoscale.physics.roofline import Pace, Seconds, pace_of, seconds
from autoscale.profiles import DeviceProfile, Speed
from autoscale.profiles.measured import RUN_TO_RUN, MeasuredRow
from autoscale.profiles.networks import device_networks, known_network
from autoscale.profiles.processor import Setting, setting_of
from autoscale.profiles.shipped_rows import rows_elsewhere
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method, worst
from autoscale.query.target import Target

LATENCY: Final = Spread(0.3, 0.1, 0.15, 0.15, 0.1, 0.1, 0.2, 0.18, 0.1, 0.15, 0.06, 0.06, 0.065)
POWER: Final = Spread(0.3, 0.07, 0.4, 0.06, 0.1, 0.1, 0.08, 0.2, 0.07, 0.05, 0.03, 0.04, 0.04)
"""Likeliest of the fit rows of three boards under two runtimes (docs/evidence.md says which those are), but for
``processor``, which is wider for files whose speeds were not fitted to their rows, and ``setting``, which they do not
vary."""

SURE: Final = 2.0
"""Standard deviations from the middle to either end where many networks tell the spread: 95 % of a normal one."""

FEW: Final = 3
"""Networks from which on more tell more of the spread."""

MOST: Final = 400
"""Rows of a processor that correct it; of more, every second or third is enough, and takes no cube of their number."""

LEAST_SHARE: Final = 0.05
"""Of a row's watts, what is above idle at least, however the idle power was metered."""

SAME: Final = 1.25
"""How far apart, as a factor, the MACs and parameters of two files of one network may be: converters fold layers, and
versions move a stride; another width, size of image or batch is another network."""

UNKNOWN_PARTS: Final = Seconds(arithmetic_s=0.5, memory_s=0.4, overhead_s=0.1)
"""What holds a processor up where its file says nothing of its speed, or nobody counted the network: about what
networks of convolutions come to."""


class Run(NamedTuple):
    """A network on a target, at another clock than the target's where a governor says so."""

    model: ModelProfile
    target: Target
    frequency_hz: float | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A figure or a factor on one, with its ends, and how it is known."""

    method: Method
    factor: Interval

    def times(self, value: float) -> "Known":
        """The figure that a factor makes of another."""
        return Known(self.method, self.factor * value)


@dataclass(frozen=True, slots=True)
class Correction:
    """Factors on the modelled latency and on the modelled watts above idle; of the watts None where no row has any."""

    latency: Interval
    power: Interval | None


def exact_rows(device: DeviceProfile, run: Run) -> list[MeasuredRow]:
    """The rows of that network at that setting: of the target's engine, or of every engine where it names none."""
    rows, distance = _nearest_rows(device, run)
    return rows if distance == 0.0 else []


def _nearest_rows(device: DeviceProfile, run: Run) -> tuple[list[MeasuredRow], float]:
    """The rows of that network in that precision at the setting nearest to the run's, and how far that is."""
    rows = _alike(device, run.model, run.target)
    if not rows:
        return [], 0.0
    processor = device.processors[run.target.processor]
    wanted = setting_of(processor, run.target, run.frequency_hz)
    apart = [_apart(setting_of(processor, row.target), wanted) for row in rows]
    return [row for row, each in zip(rows, apart, strict=True) if each == min(apart)], min(apart)


def namesake_of(device: DeviceProfile, model: ModelProfile) -> ModelProfile | None:
    """The network that a device's rows of a network's name are of, where that is another; None where it is the same.

    Names are those of files, and many are ``model.onnx``. What nobody counted is taken for what it is called.
    """
    rows_of = device_networks(device).get(model.name)
    if rows_of is None or not (rows_of.is_counted and model.is_counted):
        return None
    counts = ((rows_of.macs, model.macs), (rows_of.parameters, model.parameters))
    return None if all(max(pair) <= SAME * min(pair) for pair in counts) else rows_of


def _alike(device: DeviceProfile, model: ModelProfile, target: Target) -> list[MeasuredRow]:
    """The rows of a network on that processor in that precision: of the target's engine, of all where it names none."""
    if _alike not in device.derived:
        found: dict[tuple[str, str, str], list[MeasuredRow]] = {}
        for row in device.measured:
            found.setdefault((row.network, row.target.processor, row.target.precision), []).append(row)
        device.derived[_alike] = found
    rows: list[MeasuredRow] = device.derived[_alike].get((model.name, target.processor, target.precision), [])
    if rows and namesake_of(device, model):
        return []
    return [row for row in rows if row.target.engine == target.engine] or ([] if target.engine else rows)


def _apart(one: Setting, other: Setting) -> float:
    """How far two settings are apart: in doublings of the threads and of the clock."""
    return math.hypot(
        math.log2(one.threads / other.threads), math.log2((one.frequency_hz or 1) / (other.frequency_hz or 1))
    )


def accuracy(device: DeviceProfile, model: ModelProfile, target: Target) -> float | None:
    """As judged on the device, else as the network's own file has it; None where nobody judged it."""
    judged = (row.accuracy for row in _alike(device, model, target) if row.accuracy is not None)
    return next(judged, None) or model.accuracy(target.precision)


def above_idle_w(device: DeviceProfile, row: MeasuredRow) -> float | None:
    """A row's watts beyond those of the idle machine; None where it has none."""
    mean_w = row.mean_w
    return None if mean_w is None else max(mean_w - device.idle_w, LEAST_SHARE * mean_w)


def metered_factor(device: DeviceProfile, target: Target, network: str = "") -> float | None:
    """How far the power table is off at the metered rows of a target's processor; None where there are none.

    Those of the network, of the precision and of the engine count, as far as there are any.
    """
    rows = [row for row in device.measured if row.target.processor == target.processor and row.mean_w is not None]
    rows = [row for row in rows if row.network == network] or rows
    rows = [row for row in rows if row.target.precision == target.precision] or rows
    rows = [row for row in rows if row.target.engine == target.engine] or rows
    return float(np.exp(np.mean(np.log([_hunger(device, row) for row in rows])))) if rows else None


def metered_watts(device: DeviceProfile, target: Target, network: str = "", share: float = 1.0) -> tuple[Watts, bool]:
    """What a device draws for a query on one of its processors, and whether rows of its file have a say in it.

    ``watts_of``, of that share of its idle power, times ``metered_factor``.
    """
    watts, factor = watts_of(device, target, share), metered_factor(device, target, network)
    if factor is None:
        return watts, False
    on_cpu = target.processor == "cpu"
    return watts._replace(busy_w=factor * watts.busy_w, core_w=watts.core_w * (factor if on_cpu else 1.0)), True


def rows_power(device: DeviceProfile, run: Run, rows: Sequence[MeasuredRow]) -> "Known | None":
    """The watts above idle of these rows, as a factor on the device's own there; None where none was metered."""
    metered = [(row, watts_w) for row in rows if (watts_w := above_idle_w(device, row)) is not None]
    if not metered:
        return None
    own_w = working_w(device, run.target, run.frequency_hz)
    spread = spanning([_power_spread(row, watts_w) for row, watts_w in metered])
    return Known(worst(*(row.method for row, _ in metered)), spread * (1.0 / own_w))


def rows_joules(rows: Sequence[MeasuredRow]) -> Known | None:
    """The joules of the whole device that these rows have, each with its own spread; None where none was metered.

    Rows that were not metered, of other engines, draw the watts of those that were.
    """
    metered_w = [mean_w for row in rows if (mean_w := row.mean_w) is not None]
    if not metered_w:
        return None
    usual_w = float(np.exp(np.mean(np.log(metered_w))))
    joules = [row.joules or row.latency_s * usual_w for row in rows]
    return Known(worst(*(row.method for row in rows if row.mean_w is not None)), spanning(joules))


def spanning(ends: Sequence[Interval]) -> Interval:
    """What holds them all; in the middle their geometric mean."""
    mid = float(np.exp(np.mean(np.log([each.mid for each in ends]))))
    return Interval(min(mid, *(each.low for each in ends)), mid, max(mid, *(each.high for each in ends)))


def _power_spread(row: MeasuredRow, watts_w: float) -> Interval:
    """A row's watts above idle, with the spread that its joules have beyond that of its latency."""
    if row.energy_j is None:
        return Interval.about(watts_w, RUN_TO_RUN)
    low, high = ((end - row.energy_j.mid) / row.latency_s.mid for end in (row.energy_j.low, row.energy_j.high))
    return Interval(max(watts_w + low, LEAST_SHARE * watts_w), watts_w, watts_w + high)


def correction(device: DeviceProfile, run: Run) -> Correction | None:
    """What the rows of the target's processor say of the model's figures there; None where they say nothing.

    Rows of the same network in the same precision are as much off at every setting; else what the rows of the other
    networks, precisions and engines have in common with the run.
    """
    rows, distance = _nearest_rows(device, run)
    if rows:
        return _at_another_setting(device, run, rows, distance)
    latency, power = _residuals(device, run)
    if latency is None:
        return None
    engines = {run.target.engine} if run.target.engine else set(latency.points.engines.tolist())
    places = _points(device, [run._replace(target=replace(run.target, engine=each)) for each in sorted(engines)])
    return Correction(_factor(latency, places), None if power is None else _factor(power, places))


def _at_another_setting(device: DeviceProfile, run: Run, rows: Sequence[MeasuredRow], distance: float) -> Correction:
    there = [Run(run.model, row.target) for row in rows]
    late = [
        row.latency_s * (_lateness(device, row, each) / row.latency_s.mid)
        for row, each in zip(rows, there, strict=True)
    ]
    power = rows_power(device, there[0], rows)
    unsure = [math.hypot(each.run, each.setting * distance) for each in (LATENCY, POWER)]
    return Correction(_wider(spanning(late), unsure[0]), None if power is None else _wider(power.factor, unsure[1]))


def _wider(factor: Interval, spread: float) -> Interval:
    return Interval(factor.low * math.exp(-SURE * spread), factor.mid, factor.high * math.exp(SURE * spread))


def _factor(residuals: Kriging, places: Points) -> Interval:
    """What the residuals say of a factor at places, any of which it may be; the ends hold what one's own say, too."""
    told, own, spreads = residuals.at(places)
    away = _sure(residuals.networks) * spreads
    ends = np.exp([np.minimum(told, own) - away, told, np.maximum(told, own) + away])
    return spanning([Interval(*each) for each in ends.T.tolist()])


def _sure(networks: int) -> float:
    """``SURE`` where so many networks were measured: about as Student's t has it, since few do not tell a spread."""
    return SURE * (1.0 + 1.6 / max(networks, FEW))


def _residuals(device: DeviceProfile, asked: Run) -> tuple[Kriging | None, Kriging | None]:
    """Of latency and of watts, at the rows of the processor whose networks are known; a device keeps them."""
    processor, name = asked.target.processor, asked.model.name
    if known_network(name, device.networks) is None and any(row.network == name for row in device.measured):
        return _krigings(device, processor, asked.model)
    if (_residuals, processor) not in device.derived:
        device.derived[_residuals, processor] = _krigings(device, processor, None)
    found: tuple[Kriging | None, Kriging | None] = device.derived[_residuals, processor]
    return found


def _krigings(
    device: DeviceProfile, processor: str, asked: ModelProfile | None
) -> tuple[Kriging | None, Kriging | None]:
    own = device.networks if asked is None else {**device.networks, asked.name: asked}
    speed = device.processors[processor].speed
    rates = speed.mac_per_s if speed is not None else {}
    rows = [each for each in device.measured if each.target.processor == processor and each.target.precision in rates]
    rows = rows[:: max(1, -(-len(rows) // MOST))]
    late = [(row, Run(model, row.target)) for row in rows if (model := known_network(row.network, own)) is not None]
    hungry = [(row, run) for row, run in late if row.mean_w is not None]
    heard = _heard(device, [run.target for _, run in late])
    return _kriging(LATENCY, device, late, _lateness, heard), _kriging(POWER, device, hungry, _hunger)


def _heard(device: DeviceProfile, targets: Sequence[Target]) -> list[tuple[str, MeasuredRow, Run]]:
    """Rows of the other devices of the kind, by device: of the processor, the precisions and the engines of targets."""
    asked = {(each.processor, each.precision, each.engine) for each in targets}
    found = [
        (name, row, Run(model, row.target))
        for name, row in (rows_elsewhere(device) if asked else ())
        if (row.target.processor, row.target.precision, row.target.engine) in asked
        and (model := known_network(row.network, {})) is not None
    ]
    return found[:: max(1, -(-len(found) // MOST))]


def _kriging(
    spread: Spread,
    device: DeviceProfile,
    rows: Sequence[tuple[MeasuredRow, Run]],
    ratio: Callable[[DeviceProfile, MeasuredRow, Run], float],
    heard: Sequence[tuple[str, MeasuredRow, Run]] = (),
) -> Kriging | None:
    """Of the device's own rows, and of others' rows as if this device had been so much slower or faster."""
    if not rows:
        return None
    known = [*(("", *each) for each in rows), *heard]
    residuals = np.log([ratio(device, row, run) for _, row, run in known])
    return Kriging(spread, _points(device, [run for *_, run in known], [name for name, *_ in known]), residuals)


def parts_of(device: DeviceProfile, speed: Speed, run: Run, pace: Pace) -> Seconds:
    """What holds a processor up; of a network that only rows know, no more than how its seconds compare by setting."""
    if run.model.is_counted or run.model.name not in device_networks(device):
        return seconds(speed, run.target.precision, run.model, pace)
    return Seconds(
        UNKNOWN_PARTS.arithmetic_s * pace.arithmetic,
        UNKNOWN_PARTS.memory_s * pace.traffic,
        UNKNOWN_PARTS.overhead_s * pace.overhead,
    )


def _lateness(device: DeviceProfile, row: MeasuredRow, run: Run) -> float:
    processor = device.processors[run.target.processor]
    speed = processor.speed
    assert speed is not None, "a processor without a speed has no residuals"
    modelled = parts_of(device, speed, run, pace_of(processor, speed, run.target))
    return row.latency_s.mid / (modelled.total_s or row.latency_s.mid)


def _hunger(device: DeviceProfile, row: MeasuredRow, _: Run | None = None) -> float:
    return (above_idle_w(device, row) or 0.0) / working_w(device, row.target)


def _points(device: DeviceProfile, runs: Sequence[Run], machines: Sequence[str] = ()) -> Points:
    settings = [setting_of(device.processors[run.target.processor], run.target, run.frequency_hz) for run in runs]
    return Points(
        np.array([features(run.model) for run in runs]),
        np.array([run.target.precision for run in runs]),
        np.array([run.target.engine for run in runs]),
        np.log2([[each.threads, max(each.frequency_hz, 1)] for each in settings]),
        np.array(machines or [""] * len(runs)),
    )
