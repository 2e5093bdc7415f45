"""Puts a device together: its sensors, meter and grids, and the world whose routes stand on them."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from autoscale.errors import InvalidGoal, check_type
from autoscale.profiles import load_device
from autoscale.query.considered import Considered
from autoscale.query.context import Context
from autoscale.query.goal import Goal, InferenceMode
from autoscale.query.record import Decision, Record
from autoscale.query.target import Target
from autoscale_runtime.backends import engines
from autoscale_runtime.device.ahead import Ahead
from autoscale_runtime.device.behind import Behind
from autoscale_runtime.device.commons import commons
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.pauses import Pauses
from autoscale_runtime.device.plan import RemoteModel, routes_of
from autoscale_runtime.device.query_cost import DeviceAccount
from autoscale_runtime.device.routes.base import Moment, Route
from autoscale_runtime.device.streams import Streams
from autoscale_runtime.device.world import DeviceWorld
from autoscale_runtime.grid.charge import ChargeLog, charge_file
from autoscale_runtime.grid.watch import GridWatch
from autoscale_runtime.host.fingerprint import tell_if_foreign
from autoscale_runtime.meters.choice import MeterChoice, best_meter
from autoscale_runtime.meters.modelled import ModelledMeter
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.sensors.base import host_sensors
from autoscale_runtime.sensors.grid import GridSensor
from autoscale_runtime.sensors.hub import SensorHub

_LOG: Final = logging.getLogger("autoscale.session")


@dataclass(frozen=True, slots=True)
class Device:
    """A model on this device, and all that senses, measures and knows around it.

    Attributes:
        name: of the power table, which stands for the kind of device.
        model: the bundle's name.
        world: what the agent meets.
        hub: what it sees of the world.
        grid: the electricity of all that queries touch.
        meter: tells the device's energy, and why it is this one.
        keeps_considered: whether records keep what stood to be chosen.
        behind: what is done once the caller has the answer.
    """

    name: str
    model: str
    world: DeviceWorld
    hub: SensorHub
    grid: GridWatch
    meter: MeterChoice
    keeps_considered: bool = True
    behind: Behind = field(default_factory=Behind)

    def start(self) -> None:
        """Begin to sense and to keep the grids' intensities current."""
        self.hub.start()
        look = self.world.look
        seen = look().observation
        has_battery = seen.battery is not None or seen.is_charging is not None  # a gauge may tell nothing for a moment
        self.grid.start((lambda: look().observation) if has_battery else None)

    def record(self, time_s: float, context: Context, decision: Decision) -> Record:
        """One query, as the ledger keeps it."""
        grids, seen = self.world.moment_of(context).grids, context.observation
        believed = (decision.belief, decision.belief_after, decision.left_out, decision.coverage)
        considered = Considered(self.world.targets, context, *believed) if self.keeps_considered else None
        known = (grids.regions, grids.kinds, considered)
        return Record(time_s, self.name, self.model, context.goal, seen, decision, *known)

    def close(self) -> None:
        """Stop sensing and give the models and connections back; calling it twice is harmless."""
        self.behind.close()
        self.grid.close()
        self.hub.close()
        self.world.close()


def assemble(bundle: Bundle, goal: Goal, remotes: Mapping[str, str | RemoteModel], options: SessionOptions) -> Device:
    """The device for one model under one goal; nothing runs until it is started.

    Raises:
        ModelError, InvalidGoal, InvalidTarget, InvalidInput, UnknownName, MissingExtra: as ``Session`` says.
    """
    check_type("remotes", remotes, Mapping, "a mapping, as in {'cloud': 'host:port'}")
    for link, each in remotes.items():
        check_type("a remote's name", link, str, "'cloud', 'edge', or 'edge:' and a name")
        check_type(f"remote '{link}'", each, (str, RemoteModel), "'host:port', or a RemoteModel")
    known = _remote_models(remotes, goal.mode)
    account, meter = account_of(goal, options, bundle.name)
    table, grid = account.table, account.grid
    sensors = host_sensors(tuple(known)) if options.sensors is None else options.sensors
    links, own = commons().link, {link: each.address for link, each in known.items()}
    hub = SensorHub(
        [*sensors, GridSensor(grid)], tuple(known), estimator_of=lambda link, is_weak: links(link, own[link], is_weak)
    )
    pinned = None if options.target is None else Target.parse(options.target)
    keeps_state = any(engines.keeps_state(each.path) for each in bundle.variants)
    if keeps_state and known:
        _LOG.warning("'%s' keeps state in its file; servers mix all streams, so remotes are not used", bundle.name)
        known = {}
    routes = routes_of(bundle, known, account, hub, pinned, options.backends, options.splits)
    remote: dict[str, list[Route]] = {}
    for route in routes:
        if route.target.is_remote:
            remote.setdefault(route.target.link, []).append(route)

    def look(after_s: float | None = None) -> Moment:
        """Now; or ahead, for a query so many seconds from now, for which no sensor is kept awake."""
        grids = grid.read()
        circuits = {link: any(each.is_open for each in there) for link, there in remote.items()}
        seen = hub.now(circuits, keeps_awake=after_s is None)
        intensities = grids.observation.intensity_g_per_kwh
        if seen.intensity_g_per_kwh is not intensities:  # the sensors saw an older snapshot
            seen = replace(seen, intensity_g_per_kwh=intensities)
        return Moment(seen, grids, account.rest_s(after_s or 0.0) if remote else math.inf)

    streams = Streams(bundle.state, [each.name for each in bundle.outputs], keeps_state)
    pauses = Pauses(account.clock, account.table.tail_s)
    how = options.timeout_s, options.hedge, streams, options.rules, options.prefer, Ahead(look, account.clock), pauses
    world = DeviceWorld(bundle.profile, routes, goal, look, *how)
    return Device(table.profile.name, bundle.name, world, hub, grid, meter, options.log_considered)


def account_of(goal: Goal, options: SessionOptions, network: str = "") -> tuple[DeviceAccount, MeterChoice]:
    """What queries of a network cost this device, and by which meter that is told.

    Raises:
        InvalidGoal, InvalidInput, UnknownName: as ``Session`` says.
    """
    grid = _grid_watch(goal.mode, options)
    table = ModelledMeter(tell_if_foreign(load_device(options.power_table)), options.radio, network=network)
    meter = best_meter(str(options.power_table), options.meters)
    own = table if isinstance(meter.meter, ModelledMeter) else meter.meter
    return DeviceAccount(own, table, grid, commons().radio(table.radio)), meter


def _remote_models(remotes: Mapping[str, str | RemoteModel], mode: InferenceMode) -> dict[str, RemoteModel]:
    if mode is InferenceMode.ONLY_ON_DEVICE:
        return {}
    return {link: RemoteModel(each) if isinstance(each, str) else each for link, each in remotes.items()}


def _grid_watch(mode: InferenceMode, options: SessionOptions) -> GridWatch:
    watch = GridWatch(options.electricity, ChargeLog(charge_file()))
    if watch.is_live and mode is InferenceMode.ONLY_ON_DEVICE:
        raise InvalidGoal(
            f"the intensity source '{options.electricity.source}' asks a server, and ONLY_ON_DEVICE sends "
            "nothing; allowed: yearly averages, a CSV file, a figure"
        )
    return watch
