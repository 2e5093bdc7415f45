"""What a network would cost on each target of a device and of the machines within its reach, before anything has run.

The formulas are those of ``autoscale.physics``, which the simulator, a session's meter and a server's account call too;
measured rows of the device's profile come first where it has some. The ends go together: the longest latency draws the
most watts, at the grid's highest intensity.

>>> from autoscale.profiles import load_device
>>> from autoscale.profiles.networks import load_network
>>> from autoscale.profiles.remotes import make_remotes
>>> found = predictions(load_device("mi8pro"), load_network("mobilenet-v1"), make_remotes({"cloud": "gpu-server"}, {}))
>>> least = min(found, key=lambda each: each.energy_j.mid)
>>> least.target.processor, least.methods["latency_s"].value
('gpu', 'modelled')
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from autoscale.carbon import CarbonAccount, Electricity, Machine, data_centre_pue, device_footprint, load_network_share
from autoscale.carbon.network_share import MEDIUM_OF_RADIO, NO_NETWORK
from autoscale.errors import InvalidInput
from autoscale.interval import ZERO_INTERVAL, Interval
from autoscale.physics.compute import Compute, compute, is_known
from autoscale.physics.contention import SPINNING, cpu_strain, exposed, memory_strain, share_of_cores
from autoscale.physics.measured import accuracy
from autoscale.physics.power import Init, busy_j, idle_range_w, initialising, together
from autoscale.physics.queueing import USUAL_LOAD, mean_wait_s, wait_s
from autoscale.physics.radio import airtime_s, query_j, wake_s
from autoscale.profiles import DeviceProfile, LinkProfile, Radio
from autoscale.profiles.figure import Figure
from autoscale.profiles.link import USUAL_DBM
from autoscale.profiles.radio import radio_at
from autoscale.profiles.remotes import Remote
from autoscale.query.model_profile import ModelProfile
from autoscale.query.outcome import Method, worst
from autoscale.query.target import Target

ENDS: Final = ("low", "mid", "high")
LATE: Final = 0.9
"""The high end of what varies by chance: nine queries in ten take no longer; the low end: nine in ten no less."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a query meets; as it is by default, nothing disturbs it.

    Attributes:
        cpu_load: what others load the device's cores with, 0 to 1.
        memory_load: what others take of its memory's bandwidth, 0 to 1.
        rssi_dbm: the signal of every link; None for a regular one.
        is_cold: whether the model has to be loaded first, where the device itself runs it.

    Raises:
        InvalidInput: a load out of its range, or a signal that is no number.
    """

    cpu_load: float = 0.0
    memory_load: float = 0.0
    rssi_dbm: float | None = None
    is_cold: bool = False

    def __post_init__(self) -> None:
        for name in ("cpu_load", "memory_load"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InvalidInput(f"{name} is {getattr(self, name)}; allowed: a fraction from 0 to 1")
        if self.rssi_dbm is not None and not -150.0 <= self.rssi_dbm <= 0.0:
            raise InvalidInput(f"rssi_dbm is {self.rssi_dbm}; allowed: dBm from -150 to 0")


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one query would cost on one target.

    Attributes:
        target: where.
        latency_s: from the call to the answer.
        energy_j: of the device, idle power and radio included.
        network_j: of the network between the machines.
        remote_j: of the machine that answers, idle power included.
        carbon_g: gCO2e of all machines, operational and embodied, as an account attributes it.
        accuracy: a fraction; None where nobody measured it.
        methods: ``latency_s``, ``energy_j`` and ``carbon_g`` to how each is known.
        opening: what loading and compiling the model for that processor takes, once, before the first query; None on
            another machine, whose server has loaded it. A cold query's figures hold it.
    """

    target: Target
    latency_s: Interval
    energy_j: Interval
    network_j: Interval
    remote_j: Interval
    carbon_g: Interval
    accuracy: float | None
    methods: Mapping[str, Method]
    opening: Init | None = None

    def then(self, tail: "Prediction") -> "Prediction":
        """What a network in two parts would cost, the tail where ``tail`` says; accuracy is the tail's to tell."""
        openings = [each.opening for each in (self, tail) if each.opening is not None]
        figures = ("latency_s", "energy_j", "network_j", "remote_j", "carbon_g")
        methods = {name: worst(method, tail.methods[name]) for name, method in self.methods.items()}
        both = {name: getattr(self, name) + getattr(tail, name) for name in figures}
        return replace(tail, **both, methods=methods, opening=together(openings))


@dataclass(frozen=True, slots=True)
class _Run:
    """What computing costs the machine that does it: seconds, joules idle power included, and how both are known."""

    latency_s: Interval
    energy_j: Interval
    latency: Method
    energy: Method


@dataclass(frozen=True, slots=True)
class _Grids:
    """The device, the machine that answers, and the share of the network between, as an account takes them."""

    electricity: Electricity
    time_s: float = field(default_factory=time.time)

    def account(self, device: DeviceProfile, remote: Remote | None) -> CarbonAccount:
        source, places = self.electricity.opened(), self.electricity.places
        here = Machine(source.at(places["device"], self.time_s), device_footprint(device).g_per_s())
        if remote is None:
            return CarbonAccount(here)
        in_cloud = remote.place == "cloud"
        there = source.at(places.get(remote.place, Electricity().place), self.time_s)
        machine = Machine(there, device_footprint(remote.machine).g_per_s(), data_centre_pue() if in_cloud else 1.0)
        share = load_network_share(MEDIUM_OF_RADIO[remote.link.radio_name]) if in_cloud else NO_NETWORK
        return CarbonAccount(here, share, source.at(places["network"], self.time_s), machine)


def predictions(
    device: DeviceProfile,
    model: ModelProfile,
    remotes: Sequence[Remote] = (),
    settings: str = "dvfs",
    conditions: Conditions | None = None,
    electricity: Electricity | None = None,
    precision: str = "",
) -> list[Prediction]:
    """What one query of a network would cost on every target, the device's own first.

    A query comes by itself: each link's radio has rested, is woken and pays its tail. What a server is busy with
    otherwise is as usual.

    Args:
        device: that decides; beside its processors the targets of its measured rows are there.
        model: the network.
        remotes: the machines within reach.
        settings: what the device's own targets set, ``dvfs`` or ``threads``.
        conditions: what the query meets; nothing where None.
        electricity: where the machines draw theirs; the world's average where None.
        precision: that of the targets; empty for all.

    Raises:
        ProfileError: the device's file says nothing of a processor's speed.
        UnknownName: no such setting, place or intensity source.
        InvalidInput, TraceError: an intensity source that cannot be used.
    """
    met, grids = conditions or Conditions(), _Grids(electricity or Electricity())
    account = grids.account(device, None)
    own = [each for each in own_targets(device, model, settings) if precision in ("", each.precision)]
    found = [_local(device, model, target, met, account) for target in own]
    for remote in remotes if model.is_counted or not device.measured else ():
        account = grids.account(device, remote)
        there = [each for each in remote.targets if precision in ("", each.precision)]
        found += [
            _remote(device, model, remote, target, met, account) for target in _told(remote.machine, model, there)
        ]
    return found


def own_targets(device: DeviceProfile, model: ModelProfile, settings: str) -> list[Target]:
    """Where the device itself can run a network: as its settings have it, and where this or another was measured."""
    measured = [row.target for row in device.measured if row.network == model.name]
    if measured and not model.is_counted:
        return measured
    engines = [row.target for row in device.measured]
    return _told(device, model, list(dict.fromkeys([*device.targets(settings), *measured, *engines])))


def _told(machine: DeviceProfile, model: ModelProfile, targets: list[Target]) -> list[Target]:
    """Those where the machine's file tells what the network costs; where it tells none, those that can say why."""
    known = [each for each in targets if is_known(machine, model, each)]
    return known or [each for each in targets if _has_speed(machine, each)]


def _has_speed(machine: DeviceProfile, target: Target) -> bool:
    """Whether a processor's file says how fast it is in a precision, or leaves its speed out, which is an error."""
    speed = machine.processors[target.processor].speed
    return speed is None or target.precision in speed.mac_per_s


def _local(
    device: DeviceProfile, model: ModelProfile, target: Target, met: Conditions, account: CarbonAccount
) -> Prediction:
    run = _run(device, compute(device, model, target), _strain(device, target, met))
    opening = initialising(device, target.processor)
    if met.is_cold:
        methods = worst(run.latency, opening.method), worst(run.energy, opening.method)
        run = _Run(run.latency_s + opening.latency_s, run.energy_j + opening.energy_j, *methods)
    judged = accuracy(device, model, target)
    return replace(_prediction(model, target, run, run.latency_s, ZERO_INTERVAL, account, judged), opening=opening)


def _remote(
    device: DeviceProfile,
    model: ModelProfile,
    remote: Remote,
    target: Target,
    met: Conditions,
    account: CarbonAccount,
) -> Prediction:
    there = _run(remote.machine, compute(remote.machine, model, target))
    own = device.radios.get(remote.link.radio_name)
    table, figures = ("radio", remote.link.figures) if own is None else _radio_of(device, remote.link)
    latency_s, radio_j = [], []
    for end in ENDS:
        radio = radio_at(figures, table, end)
        moving_s, joules = _moved(remote, radio, model, getattr(there.latency_s, end), end, met.rssi_dbm)
        latency_s.append(moving_s)
        radio_j.append(joules)
    held_s = Interval(*latency_s)
    device_j = idle_range_w(device).times(held_s) + Interval(*radio_j)
    run = _Run(held_s, device_j, worst(there.latency, Method.MODELLED), worst(there.energy, Method.MODELLED))
    judged = accuracy(remote.machine, model, target)
    return _prediction(model, target, run, there.latency_s, there.energy_j, account, judged)


def _radio_of(device: DeviceProfile, link: LinkProfile) -> tuple[str, Mapping[str, Figure]]:
    return f"radios.{link.radio_name}", device.figures


def _moved(
    remote: Remote, radio: Radio, model: ModelProfile, compute_s: float, end: str, rssi_dbm: float | None
) -> tuple[float, float]:
    """The latency at one end of what may happen on the way, and what the radio draws for it."""
    link = remote.link
    signal_dbm = USUAL_DBM[link.signal] if rssi_dbm is None else rssi_dbm
    slower = _slower(link, end)
    rates_bps = [float(rate(signal_dbm)) / slower for rate in (link.uplink_bps, link.downlink_bps)]
    moving_s = sum(map(airtime_s, (model.input_bytes, model.output_bytes), rates_bps))
    waiting_s = _round_trip_s(link, end) + wake_s(link.promotion_s, radio.tail_s, math.inf)
    waiting_s += _queue_s(end) if remote.place == "cloud" else 0.0
    latency_s = compute_s + moving_s + waiting_s
    sent_bytes, received_bytes = model.input_bytes, model.output_bytes
    uplink_bps, downlink_bps = rates_bps
    rest_s = math.inf
    return latency_s, query_j(
        radio, sent_bytes, received_bytes, uplink_bps, downlink_bps, signal_dbm, latency_s, rest_s
    )


def _slower(link: LinkProfile, end: str) -> float:
    """How much slower than its middle rate a link is: of a lognormal spread one deviation's worth of 1.28."""
    deviation = math.sqrt(math.log1p(link.spread**2))
    return math.exp({"low": -1.2816, "mid": 0.0, "high": 1.2816}[end] * deviation)


def _round_trip_s(link: LinkProfile, end: str) -> float:
    """Exponential above a floor, as the simulator's: the mean is the profile's."""
    lateness = {"low": -math.log(LATE) - 1.0, "mid": 0.0, "high": -math.log1p(-LATE) - 1.0}[end]
    return link.round_trip_s + min(link.jitter_s, link.round_trip_s) * lateness


def _queue_s(end: str) -> float:
    return float({"low": 0.0, "mid": mean_wait_s(USUAL_LOAD), "high": wait_s(USUAL_LOAD, 1.0 - LATE)}[end])


def _strain(device: DeviceProfile, target: Target, met: Conditions) -> tuple[float, float]:
    share = share_of_cores(device.processors[target.processor], target.threads)
    return share * float(cpu_strain(met.cpu_load)), float(memory_strain(met.memory_load))


def _run(machine: DeviceProfile, cost: Compute, strain: tuple[float, float] = (0.0, 0.0)) -> _Run:
    """Computing beside others: what waits for a core or for memory takes that much longer."""
    for_cores, for_memory = cost.cpu_bound * strain[0], float(exposed(cost.memory_bound)) * strain[1]
    longer, busier = 1.0 + for_cores + for_memory, 1.0 + SPINNING * for_cores + for_memory
    latency_s = Interval(cost.low_s, cost.latency_s, cost.high_s) * longer
    work_j = busy_j(cost.busy_w, cost.core_w, latency_s.mid, cost.cores * cost.latency_s * busier)
    more = (work_j + machine.idle_w * latency_s.mid) / (cost.energy_j + machine.idle_w * cost.latency_s or 1.0)
    is_disturbed = longer > 1.0
    methods = [worst(each, Method.MODELLED) if is_disturbed else each for each in (cost.method, cost.energy_method)]
    return _Run(latency_s, cost.whole_j * more if is_disturbed else cost.whole_j, *methods)


def _prediction(
    model: ModelProfile,
    target: Target,
    run: _Run,
    computing_s: Interval,
    remote_j: Interval,
    account: CarbonAccount,
    accuracy: float | None,
) -> Prediction:
    moved_bytes = model.input_bytes + model.output_bytes if target.place == "cloud" else 0
    remote_s = computing_s if target.is_remote else ZERO_INTERVAL
    grams, network_j = [], []
    for end in ENDS:
        rates = getattr(account, end)
        joules, held_s, away_j, away_s = (
            getattr(each, end) for each in (run.energy_j, run.latency_s, remote_j, remote_s)
        )
        operational_g, embodied_g = rates.totals_g(joules, held_s, moved_bytes, away_j, away_s)
        grams.append(operational_g + embodied_g)
        network_j.append(moved_bytes * rates.network_j_per_byte)
    methods = {
        "latency_s": run.latency,
        "energy_j": run.energy,
        "carbon_g": worst(run.energy, *account.methods.values()),
    }
    return Prediction(
        target,
        run.latency_s,
        run.energy_j,
        Interval(*network_j),
        remote_j,
        Interval(*grams),
        accuracy,
        methods,
    )
