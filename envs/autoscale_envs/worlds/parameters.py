"""Everything about a world that never changes, as arrays: made once, shared by all its environments."""

import pathlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from autoscale.carbon import embodied_g
from autoscale.physics import CostTable, table
from autoscale.profiles import DeviceProfile, LinkProfile, Radio, Thermal, load_device, load_link
from autoscale.profiles.link_trace import LinkTrace
from autoscale.profiles.link_trace_files import read_trace
from autoscale.profiles.networks import load_network, network_names
from autoscale.query.forecast import Floats, Indices
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import PROCESSORS, Target
from autoscale.units import J_PER_KWH
from autoscale_envs.variance import battery, intensity, thermal
from autoscale_envs.variance.interference import exposed
from autoscale_envs.variance.network import Path, make_path, network_j_per_byte
from autoscale_envs.variance.processes import Flags
from autoscale_envs.variance.scenarios import Scenario, load_scenario
from autoscale_envs.variance.server import USUAL_LOAD, mean_wait_s
from autoscale_envs.worlds.options import LINKS, WorldOptions

EDGE: Final = "tab-s6"
CLOUD: Final = "xeon-p100"
EDGE_TARGETS: Final = tuple(Target.parse(f"edge:{EDGE}:{each}") for each in ("cpu/fp32", "gpu/fp16", "npu/int8"))
CLOUD_TARGETS: Final = tuple(Target.parse(f"cloud:{each}") for each in ("cpu/fp32", "gpu/fp32"))
TEXT_LATENCY_S: Final = 0.1
VISION_LATENCY_S: Final = 0.05


@dataclass(frozen=True)
class WorldParameters:
    """A world as arrays over networks and targets.

    Attributes:
        options: what was asked for.
        device: that decides.
        links: to the edge device and to the cloud.
        targets: local ones first.
        networks: that ask.
        goals: one for each network.
        scenario: who runs beside, how strong the signals are.
        trace: of the link to the cloud, or None.
    """

    options: WorldOptions
    device: DeviceProfile
    links: tuple[LinkProfile, LinkProfile]
    targets: tuple[Target, ...]
    networks: tuple[ModelProfile, ...]
    goals: tuple[Goal, ...]
    scenario: Scenario
    trace: LinkTrace | None

    @cached_property
    def costs(self) -> CostTable:
        """Nominal costs of computing, each array of shape (networks, targets)."""
        machines = {"device": self.device, "edge": load_device(EDGE), "cloud": load_device(CLOUD)}
        parts = [
            table(machine, self.networks, [target for target in self.targets if target.place == place])
            for place, machine in machines.items()
        ]
        names = CostTable.__dataclass_fields__
        return CostTable(**{name: np.hstack([getattr(part, name) for part in parts]) for name in names})

    @cached_property
    def pairs(self) -> Floats:
        """What depends on network and target, a field a row (see ``dynamics.Pair``), shape (15, networks * targets)."""
        local = np.array([not target.is_remote for target in self.targets])
        costs, shape = self.costs, (len(self.networks), len(self.targets))
        per_pair = [
            costs.latency_s,
            np.where(local, costs.energy_j, 0.0),
            np.where(local, costs.cpu_bound, 0.0),
            np.where(local, exposed(costs.memory_bound), 0.0),
            np.where(local, 0.0, costs.energy_j),
            self.moved_j,
            self.accuracy,
            *(np.broadcast_to(column, shape) for column in _per_target(self)),
        ]
        return np.stack([np.ravel(each) for each in per_pair])

    @cached_property
    def accuracy(self) -> Floats:
        """Of each network's variant, a fraction; NaN where nobody measured it. Shape (networks, targets)."""
        known = [[model.accuracy(target.precision) for target in self.targets] for model in self.networks]
        return np.array([[np.nan if each is None else each for each in line] for line in known])

    @cached_property
    def moved_j(self) -> Floats:
        """Energy of the network's own machines for a query and its answer, shape (networks, targets)."""
        cloud = network_j_per_byte(self.links[1])
        per_byte = np.array([cloud if target.place == "cloud" else 0.0 for target in self.targets])
        bytes_moved = np.array([model.input_bytes + model.output_bytes for model in self.networks], dtype=np.float64)
        return np.outer(bytes_moved, per_byte)

    @cached_property
    def paths(self) -> tuple[Path, Path]:
        """The links to the edge device and to the cloud, with the device's radio on them."""
        edge, cloud = (make_path(*each, self.networks) for each in zip(self.links, self.radios, strict=True))
        return edge, cloud

    @cached_property
    def processors(self) -> Indices:
        """Which of the eight processors each target is, shape (targets,): an index of the hidden factors."""
        first = {"device": 0, "edge": 3, "cloud": 6}
        return np.array([first[each.place] + PROCESSORS.index(each.processor) for each in self.targets], dtype=np.intp)

    @cached_property
    def capped(self) -> Indices:
        """What each target becomes under each cap on the clocks, flat, shape (caps * targets,)."""
        return thermal.capped_targets(self.targets).ravel()

    @cached_property
    def cap_temperatures_c(self) -> Floats:
        """From which temperature on each cap below 1 holds, shape (caps - 1,)."""
        return thermal.cap_temperatures_c(self.thermal)

    @cached_property
    def thermal(self) -> Thermal:
        """The device's heat."""
        return self.device.thermal or thermal.COOL

    @cached_property
    def capacity_j(self) -> float:
        """Joules of a full battery; infinite on mains."""
        return battery.capacity_j(self.device.battery_wh)

    @cached_property
    def radios(self) -> tuple[Radio, Radio]:
        """The device's own radio for each link; the link's typical one where it was not measured."""
        edge, cloud = (self.device.radios.get(link.radio_name, link.radio) for link in self.links)
        return edge, cloud

    @cached_property
    def shares_radio(self) -> bool:
        """Whether both links use one radio, so that either keeps it awake for the other."""
        return self.links[0].radio_name == self.links[1].radio_name

    @cached_property
    def reference_target(self) -> int:
        """``device:cpu/fp32`` at its highest setting: the unit of the reward."""
        kind = ("device", "cpu", "fp32")
        own = [i for i, each in enumerate(self.targets) if (each.place, each.processor, each.precision) == kind]
        return max(own, key=lambda i: (self.targets[i].frequency_hz or 0, self.targets[i].threads or 0))

    @cached_property
    def references(self) -> Floats:
        """The objective of each network on the reference target, undisturbed, at the year's mean intensity."""
        at = self.reference_target
        latency_s = self.costs.latency_s[:, at]
        energy_j = self.costs.energy_j[:, at] + self.device.idle_w * latency_s
        if self.options.objective == "energy":
            return energy_j
        if self.options.objective == "latency":
            return latency_s
        per_j = intensity.DEVICE_G_PER_KWH.mean() / J_PER_KWH
        return np.asarray(energy_j * per_j + self.embodied_g_per_s * latency_s)

    @cached_property
    def embodied_g_per_s(self) -> float:
        """Grams that a second of the device's life carries."""
        return _embodied_g_per_s(self.device)

    @cached_property
    def usual_queue_s(self) -> float:
        """The wait at a server of the usual load: all that a device can know of the queue."""
        return float(mean_wait_s(USUAL_LOAD))

    @property
    def may_lose_links(self) -> bool:
        """Whether there can be outages."""
        return self.trace is not None

    def admitted(self, links_up: Flags) -> Flags:
        """Which targets can be reached where links to the cloud are up, shape (n, targets); the edge always is."""
        return np.asarray(links_up[:, None] | self._is_near)

    @cached_property
    def _is_near(self) -> Flags:
        return np.array([target.place != "cloud" for target in self.targets])

    @cached_property
    def limits_s(self) -> Floats:
        """The latest useful answer, shape (networks,)."""
        return np.array([goal.latency_s for goal in self.goals])


def make_parameters(options: WorldOptions) -> WorldParameters:
    """Read the files that the options name.

    Raises:
        ProfileError: a file that does not follow the schema, or a device whose speed was not calibrated.
        TraceError: a trace that cannot be read.
        InvalidGoal: a latency limit or accuracy floor that nothing can meet.
    """
    device = load_device(options.device)
    networks = tuple(load_network(name) for name in options.networks or network_names())
    edge, cloud = (load_link(options.links.get(place, default)) for place, default in LINKS.items())
    trace = options.trace
    return WorldParameters(
        options,
        device,
        (edge, cloud),
        (*device.targets(), *EDGE_TARGETS, *CLOUD_TARGETS),
        networks,
        tuple(_goal(options, model) for model in networks),
        load_scenario(options.scenario),
        read_trace(trace) if isinstance(trace, str | pathlib.Path) else trace,
    )


def _goal(options: WorldOptions, model: ModelProfile) -> Goal:
    usual_s = VISION_LATENCY_S if model.conv else TEXT_LATENCY_S
    return Goal(options.objective, options.latency_s or usual_s, options.min_accuracy)


def _embodied_g_per_s(machine: DeviceProfile) -> float:
    return embodied_g(machine.embodied.total_kg, 1.0, machine.embodied.lifetime_s)


def _per_target(tables: WorldParameters) -> list[Floats]:
    """What depends on the target alone: on which link it is, that link's radio, the machine at the far end."""
    places = ("edge", "cloud")
    machines = {"edge": load_device(EDGE), "cloud": load_device(CLOUD)}
    constants = {"device": (0.0,) * 8}
    for place, link, radio in zip(places, tables.links, tables.radios, strict=True):
        machine = machines[place]
        on = (float(place == "edge"), float(place == "cloud"))
        far = (machine.idle_w, _embodied_g_per_s(machine))
        constants[place] = (*on, radio.tail_w, radio.tail_s, radio.idle_w, link.promotion_s, *far)
    return list(np.array([constants[target.place] for target in tables.targets]).T)
