"""Everything about a world that never changes, as arrays: made once, shared by all its environments."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from autoscale.arrays import Floats, Indices, Numbers, looked_up
from autoscale.carbon import data_centre_pue
from autoscale.carbon.intensity.base import Kind
from autoscale.physics.carbon import g_per_j
from autoscale.physics.compute import CostTable
from autoscale.physics.power import Watts, energy_j
from autoscale.physics.queueing import USUAL_LOAD, mean_wait_s
from autoscale.profiles import DeviceProfile, LinkProfile, Radio, Thermal
from autoscale.profiles.link_trace import LinkTrace
from autoscale.profiles.link_trace_files import read_trace
from autoscale.profiles.networks import network_names, network_of
from autoscale.profiles.remotes import Remote, device_profile_of, make_remotes
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import PROCESSORS, Target
from autoscale_envs.variance import battery, intensity, thermal
from autoscale_envs.variance.draws import UNIFORMS
from autoscale_envs.variance.hidden import Counts, Hidden, Hierarchy, hierarchy, nominal
from autoscale_envs.variance.interference import STRAY_MEMORY_S, full_load_w
from autoscale_envs.variance.network import RATE_MEMORY_S, LinkPath, make_path
from autoscale_envs.variance.processes import Flags, correlation
from autoscale_envs.variance.scenario_file import load_scenario
from autoscale_envs.variance.scenarios import Scenario
from autoscale_envs.variance.server import LOAD_MEMORY_S
from autoscale_envs.variance.unrest import calm
from autoscale_envs.worlds.coefficients import NominalCosts
from autoscale_envs.worlds.coverage import (
    NO_CUTS,
    check_playable,
    coverage,
    cut_notes,
    notes,
    own_targets,
    reference_of,
)
from autoscale_envs.worlds.opening import Openings, openings
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.rates import machine_g_per_s, network_rates
from autoscale_envs.worlds.splits import Parts, Splits, find_splits

TEXT_LATENCY_S: Final = 0.1
VISION_LATENCY_S: Final = 0.05
PATIENCE_S: Final = 1.0
"""How long a device waits for a link that is down, where no answer is too late."""


@dataclass(frozen=True)
class WorldParameters:
    """A world as arrays over networks and targets.

    Attributes:
        options: what was asked for.
        device: that decides.
        remotes: the machines within reach, those on the edge first.
        targets: local ones first, then each remote's, then those in two parts.
        networks: that ask.
        goals: one for each network.
        scenario: who runs beside, how strong the signals are.
        trace: of the links to the cloud, or None.
        splits: the cuts of its networks; None where all are in one piece.
    """

    options: WorldOptions
    device: DeviceProfile
    remotes: tuple[Remote, ...]
    targets: tuple[Target, ...]
    networks: tuple[ModelProfile, ...]
    goals: tuple[Goal, ...]
    scenario: Scenario
    trace: LinkTrace | None
    splits: Splits | None = None

    @cached_property
    def whole(self) -> tuple[Target, ...]:
        """The targets in one piece, the first of all."""
        return self.targets if self.splits is None else self.targets[: -len(self.splits.targets)]

    @cached_property
    def parts(self) -> Parts | None:
        """What networks on targets are made of; None where all are in one piece."""
        if self.splits is None:
            return None
        return self.splits.made_of(self.networks, len(self.whole), self.reference_targets)

    @cached_property
    def cut(self) -> frozenset[int]:
        """Indices of the targets in two parts."""
        return frozenset(range(len(self.whole), len(self.targets)))

    @cached_property
    def links(self) -> tuple[LinkProfile, ...]:
        """To each remote."""
        return tuple(remote.link for remote in self.remotes)

    @cached_property
    def counts(self) -> Counts:
        """Of what this world has hidden factors and wandering processes."""
        return Counts(self.hierarchy.factors, len(self.remotes), len(self.servers))

    @cached_property
    def hierarchy(self) -> Hierarchy:
        """How hidden factors of computing are made up; its pairs are the columns of ``coefficients``."""
        runs = [(self.whole[run.target], self.processors[run.target], run.frequency_hz) for run in self.runs]
        owners = range(len(self.networks)) if self.splits is None else self.splits.owners
        pairs = [(network, *run) for network in owners for run in runs]
        keys = {
            "processor": [processor for _, _, processor, _ in pairs],
            "network": [(network, processor) for network, _, processor, _ in pairs],
            "precision": [(network, processor, target.precision) for network, target, processor, _ in pairs],
            "clock": [(processor, clock_hz, target.threads) for _, target, processor, clock_hz in pairs],
        }
        return hierarchy(keys, self.options.hidden_shares)

    @cached_property
    def nominal_factors(self) -> Hidden:
        """Those of an environment of which the profile is true."""
        return self.nominal_of(1)

    def nominal_of(self, n: int) -> Hidden:
        """Those of ``n``, each with arrays of its own."""
        changes = calm(n, self.processor_count if self.scenario.is_restless else 0)
        return nominal(n, self.counts, self.hierarchy, changes)

    @property
    def uniforms(self) -> int:
        """How many a query needs."""
        return UNIFORMS + (self.scenario.outages is not None)

    @cached_property
    def servers(self) -> tuple[int, ...]:
        """Which remotes others use too, so that a query may have to queue: those in the cloud."""
        return tuple(number for number, remote in enumerate(self.remotes) if remote.place == "cloud")

    @cached_property
    def in_cloud(self) -> tuple[bool, ...]:
        """Of each link, whether it leads there."""
        return tuple(number in self.servers for number in range(len(self.remotes)))

    @cached_property
    def firsts(self) -> dict[str, int]:
        """The number of the first remote at each place that has some: those that observations as rows tell of."""
        return {remote.place: number for number, remote in reversed([*enumerate(self.remotes)])}

    @cached_property
    def correlations(self) -> Floats:
        """Of neighbours in each wandering process, in the order of ``blocks.ProcessState``, shape (processes,)."""
        signals_s = [self.scenario.signal(remote.place).memory_s for remote in self.remotes]
        others_s = [RATE_MEMORY_S] * len(self.remotes) + [LOAD_MEMORY_S] * len(self.servers) + [STRAY_MEMORY_S]
        return np.array([correlation(self.options.gap_s, memory_s) for memory_s in signals_s + others_s])

    @cached_property
    def full_load_w(self) -> float:
        """What a co-runner on all of the device's cores draws."""
        return full_load_w(self.device)

    @cached_property
    def costs(self) -> CostTable:
        """Nominal costs of computing, each array of shape (networks, runs); run ``i`` below targets is target ``i``.

        Where networks are cut, their parts' rows come after the networks'.
        """
        return self._nominal.computing()

    @cached_property
    def coefficients(self) -> Floats:
        """What depends on network and run, a field a row (``CostCoefficients``), shape (fields, networks * runs)."""
        return self._nominal.coefficients(self.costs)

    @property
    def _nominal(self) -> NominalCosts:
        networks, covered, references = self.networks, self._covered, self.reference_targets
        owners = networks
        if self.splits is not None:
            places = np.array(self.splits.places, dtype=np.intp)
            owners = tuple(networks[each] for each in self.splits.owners)
            networks = (*networks, *self.splits.parts)
            covered = np.vstack([covered, places[:, None] == np.arange(len(self.whole))])
            references = np.concatenate([references, places])
        about = self.device, self.remotes, self.radios, networks, self.whole, self.runs
        return NominalCosts(*about, covered, references, owners)

    @cached_property
    def covered(self) -> Flags:
        """Which network can be played on which target, shape (networks, targets)."""
        return self._covered if self.splits is None else np.hstack([self._covered, self.splits.covered])

    @cached_property
    def _covered(self) -> Flags:
        return coverage(self.device, self.remotes, self.networks, self.whole)

    @cached_property
    def covers_all(self) -> bool:
        """Whether every network can be played on every target."""
        return bool(self.covered.all())

    @cached_property
    def network_rates(self) -> dict[Kind, tuple[list[float], list[float]]]:
        """See ``rates.network_rates``."""
        return network_rates(self.links)

    @cached_property
    def curves(self) -> tuple[intensity.DailyCurve, intensity.DailyCurve]:
        """The grid's day at the device and in the cloud."""
        return intensity.daily_curve(intensity.DEVICE_PLACE), intensity.daily_curve(intensity.CLOUD_PLACE)

    @cached_property
    def pue(self) -> float:
        """Power usage effectiveness of the cloud's building."""
        return data_centre_pue()

    @cached_property
    def paths(self) -> tuple[LinkPath, ...]:
        """The links to the remotes, with the device's radio on them."""
        return tuple(make_path(*each, self.networks) for each in zip(self.links, self.radios, strict=True))

    @cached_property
    def _processors(self) -> list[tuple[str, str]]:
        """Link and kind of every processor there is; of the device's always three, so that devices are drawn alike."""
        own = [("", kind) for kind in PROCESSORS]
        return own + [
            (each.name, kind) for each in self.remotes for kind in PROCESSORS if kind in each.machine.processors
        ]

    @property
    def processor_count(self) -> int:
        """How many processors there are, the remotes' too."""
        return len(self._processors)

    @cached_property
    def processors(self) -> Indices:
        """Which of all the processors each target in one piece is, an index of all."""
        return np.array([self._processors.index((each.link, each.processor)) for each in self.whole], dtype=np.intp)

    @cached_property
    def _governed(self) -> tuple[list[thermal.Run], Indices]:
        return thermal.governed(self.whole, self.device.processors)

    @cached_property
    def runs(self) -> list[thermal.Run]:
        """The targets in one piece, and what else they become while the device is hot."""
        return self._governed[0]

    @cached_property
    def capped(self) -> Indices:
        """Which run each target becomes under each cap on the clocks, flat, shape (caps * targets,)."""
        return self._governed[1].ravel()

    @cached_property
    def cap_temperatures_c(self) -> list[float]:
        """From which temperature on each cap below 1 holds, rising."""
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
    def radios(self) -> tuple[Radio, ...]:
        """The device's own radio for each link; the link's typical one where it was not measured."""
        return tuple(self.device.radios.get(link.radio_name, link.radio) for link in self.links)

    @cached_property
    def radio_links(self) -> tuple[tuple[int, ...], ...]:
        """The links of each radio: one that is used stays awake for all of them."""
        names = [link.radio_name for link in self.links]
        return tuple(tuple(i for i, each in enumerate(names) if each == name) for name in dict.fromkeys(names))

    @cached_property
    def reference_target(self) -> int:
        """``device:cpu/fp32`` at its highest setting: the unit of the reward."""
        return reference_of(self.whole, np.ones(len(self.whole), np.bool_))

    @cached_property
    def reference_targets(self) -> Indices:
        """The same for each network, of the targets where it can be played, shape (networks,)."""
        return np.array([reference_of(self.whole, covered) for covered in self._covered], dtype=np.intp)

    @cached_property
    def references(self) -> Floats:
        """The objective of each network on the reference target, undisturbed, at the year's mean intensity."""
        at = np.arange(len(self.networks)), self.reference_targets
        latency_s, cores = self.costs.latency_s[at], self.costs.cores[at]
        if self.options.objective == "latency":
            return latency_s
        watts = Watts(self.device.idle_w, self.costs.busy_w[at], self.costs.core_w[at])
        device_j = np.asarray(energy_j(watts, latency_s, cores * latency_s))
        if self.options.objective == "energy":
            return device_j
        per_j = g_per_j(self.curves[0].g_per_kwh.mean())
        return np.asarray(device_j * per_j + self.embodied_g_per_s * latency_s)

    @cached_property
    def embodied_g_per_s(self) -> float:
        """Grams that a second of the device's life carries."""
        return machine_g_per_s(self.device)

    @cached_property
    def usual_queue_s(self) -> float:
        """The wait at a server of the usual load: all that a device can know of the queue."""
        return float(mean_wait_s(USUAL_LOAD))

    @cached_property
    def openings(self) -> Openings:
        """What there is to open, in a world of ``cold_start``."""
        return openings(self.device, self.targets, self.options.queries / len(self.networks))

    @property
    def may_lose_links(self) -> bool:
        """Whether there can be outages."""
        return self.trace is not None or self.scenario.outages is not None

    def notes(self) -> list[str]:
        """What people are to know of networks that cannot be played everywhere, a line each."""
        whole = notes(self.networks, self.whole, self._covered)
        if self.splits is None:
            return [*whole, *([NO_CUTS] if self.options.splits else [])]
        return [*whole, *cut_notes(self.networks, self.splits.targets, self.splits.covered)]

    @cached_property
    def may_refuse(self) -> bool:
        """Whether a choice can be refused: its link may be down, or the network not be known there."""
        return self.may_lose_links or not self.covers_all

    def admitted(self, links_up: Flags, network: Indices) -> Flags:
        """Which targets can be chosen where links to the cloud are up, shape (n, targets); the edge always is."""
        reached = np.asarray(links_up[:, None] | self._is_near)
        return reached if self.covers_all else reached & self.covered.take(network, axis=0)

    def refuses(self, is_up: Numbers, network: Numbers, target: Numbers) -> Numbers:
        """Whether a choice is, by whether the links to the cloud are up: numbers, or arrays of one shape."""
        admitted = is_up | looked_up(self._is_near, target)
        if not self.covers_all:
            admitted = admitted & looked_up(self.covered.ravel(), network * len(self.targets) + target)
        return np.logical_not(admitted)

    @cached_property
    def _is_near(self) -> Flags:
        return np.array([target.place != "cloud" for target in self.targets])

    @cached_property
    def patience_s(self) -> Floats:
        """How long the device waits for a link that is down, shape (networks,)."""
        return np.where(np.isfinite(self.limits_s), self.limits_s, PATIENCE_S)

    @cached_property
    def trying_w(self) -> Floats:
        """What the radio draws meanwhile, shape (targets,); 0 for a local target."""
        radios = {remote.name: radio.tail_w for remote, radio in zip(self.remotes, self.radios, strict=True)}
        return np.array([radios.get(target.link, 0.0) for target in self.targets])

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
    device, trace = device_profile_of(options.device), options.trace
    networks = tuple(network_of(device, name) for name in options.networks or network_names())
    remotes = make_remotes(options.remotes, options.links)
    own = own_targets(device, options.settings)
    check_playable(device, networks, own)
    targets = (*own, *(target for remote in remotes for target in remote.targets))
    goals = tuple(_goal(options, model) for model in networks)
    splits = None
    if options.splits:
        found = find_splits(device, remotes, networks, goals, targets, options.settings)
        splits = found if found.targets else None
    return WorldParameters(
        options,
        device,
        remotes,
        (*targets, *(() if splits is None else splits.targets)),
        networks,
        goals,
        load_scenario(options.scenario),
        trace if trace is None or isinstance(trace, LinkTrace) else read_trace(trace),
        splits,
    )


make_tables = make_parameters
"""Its name when it stood in ``autoscale_envs.tables``."""


def _goal(options: WorldOptions, model: ModelProfile) -> Goal:
    usual_s = VISION_LATENCY_S if model.conv else TEXT_LATENCY_S
    limit_s = usual_s if options.latency_s is None else options.latency_s  # 0 is refused, and not the usual one
    return Goal(options.objective, limit_s, options.min_accuracy)
