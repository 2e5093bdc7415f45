"""What it costs to open a target: to load and compile a network for one of the device's processors, once an episode.

A network is opened in each precision, and with each number of threads, by itself, as a session opens it; at another
clock step it is open already. Whose machine is another's has it open. What it takes is what ``autoscale forecast
--cold`` tells (``autoscale.physics.power.initialising``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscale.arrays import Floats, Indices, Numbers
from autoscale.physics.power import initialising, together
from autoscale.profiles import DeviceProfile
from autoscale.query.target import Target


@dataclass(frozen=True)
class Openings:
    """What there is to open.

    Attributes:
        count: how many of each network, those of other machines together one that costs nothing.
        kind: which of them each target is, shape (targets,).
        seconds: that it takes, shape (targets,).
        joules: that the device draws meanwhile above idle, shape (targets,).
        queries: over how many the oracle spreads both: those of a network in an episode, 1.0 or more.
    """

    count: int
    kind: Indices
    seconds: Floats
    joules: Floats
    queries: float

    def pair(self, network: Numbers, target: Numbers) -> Numbers:
        """What of ``State.opened`` a network on a target is."""
        return network * self.count + self.kind.take(target)


def openings(device: DeviceProfile, targets: Sequence[Target], queries: float) -> Openings:
    """Of the device's own targets, and of those in two parts."""
    parts = [_own_parts(each) for each in targets]
    names = [
        (
            None if each.is_remote and not own else each.cut,
            *((one.processor, one.precision, one.threads) for one in own),
        )
        for own, each in zip(parts, targets, strict=True)
    ]
    kinds = [*dict.fromkeys(names)]
    inits = [together([initialising(device, each.processor) for each in own]) for own in parts]
    return Openings(
        len(kinds),
        np.array([kinds.index(each) for each in names], dtype=np.intp),
        np.array([0.0 if each is None else each.latency_s.mid for each in inits]),
        np.array([0.0 if each is None else each.energy_j.mid - device.idle_w * each.latency_s.mid for each in inits]),
        max(queries, 1.0),
    )


def _own_parts(target: Target) -> list[Target]:
    """What of a target this device has to open: both parts of a cut one, or the head of one whose tail is away."""
    head = [target.head or Target("device", "cpu", target.precision)] if target.cut else []
    return head if target.is_remote else [*head, target.whole]


def unopened(opened: Floats, pair: Numbers) -> Numbers:
    """How much of each is yet to be paid, 0 to 1.

    Args:
        opened: how much of each pair has been, shape (..., pairs).
        pair: which is asked for, of a shape that broadcasts with the axes before.
    """
    if opened.ndim == 1 and np.ndim(pair) == 0:
        return 1.0 - float(opened[pair])
    asked = np.asarray(pair)[..., None]
    known = opened.reshape((1,) * (asked.ndim - opened.ndim) + opened.shape)
    return 1.0 - np.take_along_axis(known, asked, axis=-1)[..., 0]


def with_opened(opened: Floats, pair: Numbers) -> Floats:
    """The same once these have been, one of each environment: shape (pairs,), or (n, pairs)."""
    after = opened.copy()
    np.put_along_axis(after, np.asarray(pair)[..., None], 1.0, axis=-1)
    return after
