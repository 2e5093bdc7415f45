"""Targets in two parts of a simulated world: of each network the best cut between every two places, and what it takes.

Each part is a network of its own on a whole target: what that costs, heats and hides is the target's. So a target in
two parts is two rows of costs, and the two add up; what the parts cost and where a cut is best is said by
``autoscale.splitting``, which commands and pages show, for a query that nothing disturbs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscale.arrays import Flags, Floats, Indices
from autoscale.physics.handover import tail_here
from autoscale.profiles import DeviceProfile
from autoscale.profiles.remotes import Remote
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.target import Target
from autoscale.splitting import SplitForecast, advise


@dataclass(frozen=True)
class Parts:
    """What each network on each target, whole or cut, is made of; arrays flat over networks and targets.

    Of what is whole the tail is all of it, and there is no head.

    Attributes:
        tail_row: whose costs the tail has: a network's, or a part's.
        tail: on which whole target.
        head_row: likewise the head.
        head: likewise.
        is_cut: 1.0 where there is a head, else 0.0.
        sent: what is sent, as a share of what the whole network sends.
        received: likewise.
    """

    tail_row: Indices
    tail: Indices
    head_row: Indices
    head: Indices
    is_cut: Floats
    sent: Floats
    received: Floats


@dataclass(frozen=True)
class Splits:
    """The cuts of a world.

    Attributes:
        targets: those in two parts, of any network.
        parts: as networks, heads and tails.
        owners: of each row of costs, networks first and then parts, the network.
        places: of each part the whole target that it runs on.
        covered: which network has which of the targets, shape (networks, targets).
        found: network, target and the rows of head and tail of each.
    """

    targets: tuple[Target, ...]
    parts: tuple[ModelProfile, ...]
    owners: tuple[int, ...]
    places: tuple[int, ...]
    covered: Flags
    found: tuple[tuple[int, int, int, int], ...]

    def made_of(self, networks: Sequence[ModelProfile], whole: int, references: Indices) -> Parts:
        """What everything is made of, where nothing is known of a pair the network's reference.

        Args:
            networks: of the world.
            whole: how many targets are in one piece.
            references: of each network the target that answers where nothing is known.
        """
        shape = len(networks), whole + len(self.targets)
        row, at = np.indices(shape)
        tail = np.where(at < whole, at, references[:, None])
        parts = Parts(row, tail, row.copy(), tail.copy(), *(np.full(shape, value) for value in (0.0, 1.0, 1.0)))
        for network, target, head, last in self.found:
            cell = network, whole + target
            profile, model = self.parts[last - len(networks)], networks[network]
            parts.tail_row[cell], parts.head_row[cell], parts.is_cut[cell] = last, head, 1.0
            parts.tail[cell], parts.head[cell] = (self.places[each - len(networks)] for each in (last, head))
            parts.sent[cell] = profile.input_bytes / max(model.input_bytes, 1)
            parts.received[cell] = profile.output_bytes / max(model.output_bytes, 1)
        return Parts(*(getattr(parts, name).ravel() for name in Parts.__dataclass_fields__))


def find_splits(
    device: DeviceProfile,
    remotes: Sequence[Remote],
    networks: Sequence[ModelProfile],
    goals: Sequence[Goal],
    targets: Sequence[Target],
    settings: str,
) -> Splits:
    """The best cut of each network, in each precision, between every two places.

    Args:
        device: that decides.
        remotes: the machines within reach.
        networks: that ask; of one without cuts there is nothing.
        goals: of each.
        targets: those in one piece.
        settings: what the device's own targets set.
    """
    numbers = {target: number for number, target in enumerate(targets)}
    found: dict[tuple[int, Target], SplitForecast] = {}
    for index, (model, goal) in enumerate(zip(networks, goals, strict=True)):
        for precision in dict.fromkeys(each.precision for each in targets if model.cuts):
            advice = advise(model, precision, device, remotes, goal, settings, within=numbers)
            found |= {(index, each.whole.target): each for each in advice.splits}
    cut = tuple(dict.fromkeys(target for _, target in found))
    covered = np.array([[(index, each) in found for each in cut] for index in range(len(networks))], np.bool_)
    parts: list[ModelProfile] = []
    owners, places, cells = [*range(len(networks))], [], []
    for (index, target), each in found.items():
        first = len(networks) + len(parts)
        tail = each.cut.tail if target.is_remote else tail_here(each.cut, target.precision)
        parts += [each.cut.head, tail]
        owners += [index, index]
        places += [numbers[each.head], numbers[each.tail]]
        cells.append((index, cut.index(target), first, first + 1))
    return Splits(cut, tuple(parts), tuple(owners), tuple(places), covered.reshape(len(networks), -1), tuple(cells))
