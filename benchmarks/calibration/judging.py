"""Predicted beside measured: a device's physics, asked for what its sources measured, without the rows in question."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from autoscale.interval import Interval
from autoscale.physics.compute import compute
from autoscale.physics.fitting import Problem, fit, speed_of
from autoscale.profiles import DeviceProfile, load_device
from autoscale.profiles.measured import MeasuredRow
from autoscale.profiles.networks import known_network
from benchmarks.calibration.samples import networks
from benchmarks.calibration.sources import is_fit, measured
from benchmarks.calibration.studies import STUDIES, Study, prior_of

FIT: Final = "fit"
CHECK: Final = "check"


@dataclass(frozen=True, slots=True)
class Judged:
    """One measured row and what the physics says of it; energies are of the whole device, None where nobody metered.

    Attributes:
        part: ``fit`` where the figures have seen the row, ``check`` where they have seen nothing of its network.
    """

    device: str
    part: str
    row: MeasuredRow
    latency_s: Interval
    energy_j: Interval

    @property
    def latency_off(self) -> float:
        """Predicted over measured less one."""
        return self.latency_s.mid / self.row.latency_s.mid - 1.0

    @property
    def energy_off(self) -> float | None:
        """Likewise of the joules."""
        return None if self.row.energy_j is None else self.energy_j.mid / self.row.energy_j.mid - 1.0


def judged(device: str) -> list[Judged]:
    """Every row of a device's source whose network is known: fit rows by the model without the row itself."""
    rows = [row for row in measured(device) if known_network(row.network, {}) is not None]
    shipped, found = load_device(device), []
    is_split = any(not is_fit(rows, row.network) for row in rows)
    for network in dict.fromkeys(row.network for row in rows):
        own = [row for row in rows if row.network == network]
        others = tuple(row for row in shipped.measured if row.network != network)
        bare = replace(shipped, measured=others)
        if is_split:
            part = FIT if is_fit(rows, network) else CHECK
            found += [_judge(bare, part, row) for row in own]
        else:
            unseen = _unseen(bare, [each for each in STUDIES if each.device == device and not each.label], network)
            found += [_judge(unseen, CHECK, row) for row in own]
    return found


def _judge(device: DeviceProfile, part: str, row: MeasuredRow) -> Judged:
    model = known_network(row.network, {})
    assert model is not None, "rows of unknown networks are left out before"
    cost = compute(device, model, row.target)
    latency_s = Interval(cost.low_s, cost.latency_s, cost.high_s)
    return Judged(device.name, part, row, latency_s, cost.whole_j)


def _unseen(device: DeviceProfile, studies: Sequence[Study], network: str) -> DeviceProfile:
    """The device with speeds that were fitted to the other networks alone."""
    processors = dict(device.processors)
    for study in studies:
        speed = speed_of(_fitted(study, network), _precisions(study))
        processors[study.processor] = replace(processors[study.processor], speed=speed)
    return replace(device, processors=processors)


@cache
def _fitted(study: Study, network: str) -> dict[str, float]:
    device, samples = load_device(study.device), [each for each in study.read() if each.network != network]
    near = [each for each in STUDIES if each.name == study.near]
    prior = prior_of(study, device, samples, networks(), _fitted(near[0], network) if near else None)
    return fit(Problem(device.processors[study.processor], samples, networks(), _precisions(study), prior))


def _precisions(study: Study) -> list[str]:
    return list(dict.fromkeys(sample.target.precision for sample in study.read()))
