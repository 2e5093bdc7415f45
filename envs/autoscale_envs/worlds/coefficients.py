"""What a query costs by its network and target alone, before anything varies: one column for each pair of them."""

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import add, mul
from typing import NamedTuple

import numpy as np

from autoscale.arrays import Flags, Floats, Indices, Numbers
from autoscale.physics.compute import CostTable, cost_table
from autoscale.physics.contention import exposed, share_of_cores
from autoscale.physics.measured import accuracy
from autoscale.profiles import DeviceProfile, Radio
from autoscale.profiles.remotes import Remote
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale_envs.variance import thermal
from autoscale_envs.worlds.query import PerLink
from autoscale_envs.worlds.rates import machine_g_per_s


class CostCoefficients(NamedTuple):
    """What depends on network and target, the rows of ``WorldParameters.coefficients``.

    ``latency_s`` is of computing, undisturbed, on ``cores`` of a CPU or none; ``busy_w`` and ``core_w`` (see
    ``autoscale.physics.power``) are those of whichever machine computes; ``moved_bytes`` go over the network between.
    The rest says what the radio draws in its tail (``tail_w`` for ``tail_s``) and at rest, what a second of the remote
    machine costs, and of each link whether (1.0 or 0.0) the target is on it.
    """

    latency_s: Numbers
    cores: Numbers
    busy_w: Numbers
    core_w: Numbers
    cpu_bound: Numbers
    memory_bound: Numbers
    moved_bytes: Numbers
    accuracy: Numbers
    tail_w: Numbers
    tail_s: Numbers
    rest_w: Numbers
    promotion_s: Numbers
    remote_idle_w: Numbers
    remote_embodied_g_per_s: Numbers
    on: PerLink

    @classmethod
    def of(cls, rows: PerLink) -> "CostCoefficients":
        """The coefficients that rows of ``WorldParameters.coefficients`` hold."""
        alone = len(cls._fields) - 1
        return cls._make([*rows[:alone], [*rows[alone:]]])

    def rows(self) -> list[Numbers]:
        """The inverse of ``of``."""
        return [*self[:-1], *self.on]

    def of_link(self, values: Iterable[Numbers]) -> Numbers:
        """Of a value for each link, that of the target's; 0 for a local one."""
        return total([*map(mul, self.on, values)])


class NominalCosts(NamedTuple):
    """What a world's queries cost, undisturbed.

    Attributes:
        device: that decides.
        remotes: the machines within reach.
        radios: the device's, one for each remote's link.
        networks: that ask.
        targets: local ones first, then each remote's.
        runs: the targets, and what else they become while the device is hot.
        covered: which network's costs are known on which target, shape (networks, targets).
        references: of each network the target that answers for those where they are not, shape (networks,).
        owners: of each network, or part of one, the network whose accuracy is its.
    """

    device: DeviceProfile
    remotes: Sequence[Remote]
    radios: Sequence[Radio]
    networks: Sequence[ModelProfile]
    targets: Sequence[Target]
    runs: Sequence[thermal.Run]
    covered: Flags
    references: Indices
    owners: Sequence[ModelProfile]

    def computing(self) -> CostTable:
        """Costs of computing, each array of shape (networks, runs); NaN where they are not known."""
        local = sum(not target.is_remote for target in self.targets)
        runs = [self.runs[:local], self.runs[len(self.targets) :]]
        own, throttled = (
            cost_table(
                self.device,
                self.networks,
                [self.targets[run.target] for run in some],
                [run.frequency_hz for run in some],
                self._known(some),
            )
            for some in runs
        )
        parts, first = [own], local
        for each in self.remotes:
            known = self.covered[:, first : first + len(each.targets)]
            parts.append(cost_table(each.machine, self.networks, each.targets, known=known))
            first += len(each.targets)
        parts += [throttled] if runs[1] else []
        names = CostTable.__dataclass_fields__
        return CostTable(**{name: np.hstack([getattr(part, name) for part in parts]) for name in names})

    def coefficients(self, costs: CostTable) -> Floats:
        """The rows of ``CostCoefficients``, shape (fields, networks * runs); ``costs`` as ``computing`` gives them.

        Where a network's costs are not known, nobody may run it; what answers in its stead stands there. Where they are
        not known of a hot device, for want of a speed, they are those of a cool one.
        """
        target = np.array([run.target for run in self.runs], dtype=np.intp)
        shape = (len(self.networks), len(self.runs))
        local = np.array([not each.is_remote for each in self.targets]).take(target)
        share = np.array([self._share_of_cores(each) for each in self.targets]).take(target)
        rows = [
            costs.latency_s,
            costs.cores,
            costs.busy_w,
            costs.core_w,
            np.where(local, costs.cpu_bound * share, 0.0),
            np.where(local, exposed(costs.memory_bound), 0.0),
            self._moved_bytes().take(target, axis=1),
            self._accuracy().take(target, axis=1),
            *(np.broadcast_to(column.take(target), shape) for column in self._constants()),
        ]
        cooler = np.where(self.covered.take(target, axis=1), target, self.references[:, None])
        own = np.where(np.isnan(costs.latency_s), cooler, np.arange(len(self.runs)))
        return np.stack([np.take_along_axis(each, own, axis=1).ravel() for each in rows])

    def _known(self, runs: Sequence[thermal.Run]) -> Flags:
        """Which network's costs are, of the device's own runs: to another clock it takes a speed to scale a row."""
        scaled = [run.frequency_hz is None or self._has_speed(self.targets[run.target]) for run in runs]
        return self.covered[:, [run.target for run in runs]] & np.array(scaled, np.bool_)

    def _has_speed(self, target: Target) -> bool:
        speed = self.device.processors[target.processor].speed
        return speed is not None and target.precision in speed.mac_per_s

    def _share_of_cores(self, target: Target) -> float:
        return 1.0 if target.is_remote else share_of_cores(self.device.processors[target.processor], target.threads)

    def _accuracy(self) -> Floats:
        """Of each network's variant, a fraction; NaN where nobody measured it. Shape (networks, targets)."""
        machines = {"": self.device, **{each.name: each.machine for each in self.remotes}}
        runs = [(machines[target.link], target) for target in self.targets]
        measured = [[accuracy(machine, model, target) for machine, target in runs] for model in self.owners]
        return np.array([[np.nan if each is None else each for each in row] for row in measured])

    def _moved_bytes(self) -> Floats:
        """What the network between the machines carries of a query and its answer, shape (networks, targets).

        Nothing lies between the device and the edge.
        """
        is_carried = np.array([target.place == "cloud" for target in self.targets], dtype=np.float64)
        sizes = np.array([model.input_bytes + model.output_bytes for model in self.networks], dtype=np.float64)
        return np.outer(sizes, is_carried)

    def _constants(self) -> list[Floats]:
        """What depends on the target alone: its link's radio, the remote machine, and which link it is on."""
        count = len(self.remotes)
        constants = {"": (0.0,) * (6 + count)}
        for number, (remote, radio) in enumerate(zip(self.remotes, self.radios, strict=True)):
            radio_w = radio.tail_w, radio.tail_s, radio.idle_w, remote.link.promotion_s
            rates = remote.machine.idle_w, machine_g_per_s(remote.machine)
            constants[remote.name] = (*radio_w, *rates, *(float(number == each) for each in range(count)))
        return list(np.array([constants[target.link] for target in self.targets]).T)


def total(values: Sequence[Numbers]) -> Numbers:
    """Their sum, 0 of none; without the 0 that ``sum`` adds to the first, which of arrays takes as long as any."""
    return reduce(add, values) if values else 0.0
