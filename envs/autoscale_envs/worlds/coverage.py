"""Which network can be played on which target: where its file says what it costs.

A network that is counted can, wherever the speed of a processor is known. Of one that measured rows alone name, these
are all that is known: it is played on their targets, and nothing is made up of the others or of remote machines.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from autoscale.arrays import Flags
from autoscale.errors import listing
from autoscale.physics.compute import compute, is_known
from autoscale.profiles import DeviceProfile
from autoscale.profiles.networks import network_of
from autoscale.profiles.remotes import Remote
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target

TOLD: Final = 8
"""Targets that a line names."""

NO_CUTS: Final = (
    "no network is played in two parts: no file tells of a cut that two of these targets could take; "
    "'autoscale split --network' writes one that tells of cuts"
)
"""What ``--splits`` comes to where there are none."""


def own_targets(device: DeviceProfile, settings: str) -> list[Target]:
    """Of a device itself: as its settings have it, and where networks were measured of which nothing else is known."""
    measured = [row.target for row in device.measured if not network_of(device, row.network).is_counted]
    return [*dict.fromkeys([*device.targets(settings), *measured])]


def check_playable(device: DeviceProfile, networks: Sequence[ModelProfile], targets: Sequence[Target]) -> None:
    """Whether each of the networks can be played on one of the device's own targets.

    Raises:
        ProfileError: one cannot, for want of a speed.
    """
    for model in networks:
        if not any(is_known(device, model, target) for target in targets):
            compute(device, model, targets[0])  # which says what is missing


def coverage(
    device: DeviceProfile, remotes: Sequence[Remote], networks: Sequence[ModelProfile], targets: Sequence[Target]
) -> Flags:
    """Of each network, whether it can be played on each target, shape (networks, targets)."""
    machines = {"": device, **{each.name: each.machine for each in remotes}}
    return np.array([[is_known(machines[each.link], model, each) for each in targets] for model in networks])


def reference_of(targets: Sequence[Target], admitted: Flags) -> int:
    """``device:cpu/fp32`` at its highest setting; where that is not admitted, the own target most like it."""

    def rank(index: int) -> tuple[bool, bool, int, int]:
        each = targets[index]
        is_cpu = each.processor == "cpu"
        return is_cpu and each.precision == "fp32", is_cpu, each.frequency_hz or 0, each.threads or 0

    return max((index for index in np.flatnonzero(admitted).tolist() if not targets[index].is_remote), key=rank)


def notes(networks: Sequence[ModelProfile], targets: Sequence[Target], covered: Flags) -> Iterator[str]:
    """What people are to know: where each network is played that cannot be everywhere."""
    for model, flags in zip(networks, covered, strict=True):
        if not flags.all():
            own = [str(target) for target, is_played in zip(targets, flags, strict=True) if is_played]
            known = "by its measured rows alone" if not model.is_counted else "where a speed or a row is"
            named = listing(own[:TOLD]) + ", ..." * (len(own) > TOLD)
            yield f"'{model.name}' is known {known}: played on {len(own)} of {len(flags)} targets, {named}"


def cut_notes(networks: Sequence[ModelProfile], targets: Sequence[Target], covered: Flags) -> Iterator[str]:
    """What people are to know: which networks have targets in two parts, and which."""
    for model, flags in zip(networks, covered, strict=True):
        own = [str(target) for target, is_played in zip(targets, flags, strict=True) if is_played]
        yield f"'{model.name}' in two parts: {listing(own) if own else 'nowhere; its file tells of no cut'}"
