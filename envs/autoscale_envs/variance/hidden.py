"""What the profile does not know: factors, drawn once an episode, between the profile and the very device.

An agent that trusts the profile blindly loses by them. Each is lognormal with median 1; their spread is the option
``hidden_sigma``, 0.15 by default, about what separates two published measurements of one phone.

What a query's computing takes and draws strays in a hierarchy, as measurements do: a chip may be good or bad in all it
does, better at one network than at another, and better at that in one precision. Of the variance of the logarithm
(``hidden_sigma`` squared) each level has its share, the option ``hidden_shares``: 40 % are of the processor, 30 % of
network and processor, 20 % of network, processor and precision, 10 % of the processor's clock step (or thread count).
Where all of it is of the processor, what an agent learns of one network holds for every other.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale_envs.variance.unrest import Unrest, calm

LEVELS: Final = ("processor", "network", "precision", "clock")
USUAL_SHARES: Final[Mapping[str, float]] = MappingProxyType(
    {"processor": 0.4, "network": 0.3, "precision": 0.2, "clock": 0.1}
)
BY_PROCESSOR: Final[Mapping[str, float]] = MappingProxyType({"processor": 1.0})


@dataclass(frozen=True)
class Hierarchy:
    """How factors of several levels make up that of each *cell*, what shares all of them.

    Attributes:
        cell: of each pair of a network and a run, shape (networks * runs,).
        members: of each level with a share, which of its factors a cell has, shape (cells,).
        weights: of each level, the square root of its share.
    """

    cell: Indices
    members: tuple[Indices, ...]
    weights: tuple[float, ...]

    @property
    def cells(self) -> int:
        """How many there are."""
        return len(self.members[0])

    @property
    def factors(self) -> int:
        """How many factors all levels have."""
        return sum(int(member.max()) + 1 for member in self.members)

    def logs(self, normals: Floats) -> Floats:
        """Each cell's standard normal, shape (n, cells), of those of all factors, shape (n, ``factors``)."""
        ends = np.cumsum([int(member.max()) + 1 for member in self.members])
        levels = np.split(normals, ends[:-1], axis=1)
        parts = zip(self.weights, levels, self.members, strict=True)
        return np.asarray(sum(weight * level.take(member, axis=1) for weight, level, member in parts))


def hierarchy(keys: Mapping[str, Sequence[Hashable]], shares: Mapping[str, float]) -> Hierarchy:
    """The hierarchy of some pairs of networks and runs.

    Args:
        keys: level to what tells its factors apart, one for each pair.
        shares: level to its share of the variance; levels without one are left out.

    >>> made = hierarchy({"processor": ["cpu", "cpu", "gpu"], "clock": [1, 2, 1]}, {"processor": 1.0})
    >>> made.cells, made.cell.tolist()
    (2, [0, 0, 1])
    """
    levels = [level for level in LEVELS if shares.get(level, 0.0) > 0.0]
    cell, firsts = _numbered(list(zip(*(keys[level] for level in levels), strict=True)))
    members = tuple(_numbered([keys[level][first] for first in firsts])[0] for level in levels)
    return Hierarchy(cell, members, tuple(float(np.sqrt(shares[level])) for level in levels))


def _numbered(keys: Sequence[Hashable]) -> tuple[Indices, list[int]]:
    """Each key's number, in the order they are met, and where each number is met first."""
    numbers: dict[Hashable, int] = {}
    found = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)
    return found, np.unique(found, return_index=True)[1].tolist()


class Counts(NamedTuple):
    """Of what there can be factors.

    Attributes:
        computing: see ``Hierarchy.factors``.
        links: to the machines within reach.
        servers: those of them that others use too.
    """

    computing: int
    links: int
    servers: int

    @property
    def factors(self) -> int:
        """How many there are."""
        return 2 * self.computing + 2 + self.servers + 3 * self.links

    @property
    def processes(self) -> int:
        """How many wander: each link's signal and rate, each server's load, the co-runner's activity."""
        return 2 * self.links + self.servers + 1


class Hidden(NamedTuple):
    """Factors of ``n`` environments.

    Attributes:
        computing: of each cell's latency, and of its energy at the same latency, side by side, so that memory gives
            both at once; shape (n, cells, 2).
        cpu_strain: of what a CPU-heavy co-runner does to a query, shape (n,).
        memory_strain: of what a memory-heavy one does, shape (n,).
        server_load: of the odds that each server is busy, shape (n, servers).
        rate: of each link's rates, shape (n, links).
        round_trip: of each link's round trips, shape (n, links).
        radio: of the radio's power on each link, shape (n, links).
        moment_s: see ``Unrest``, as are the rest.
        change: likewise.
        swing: likewise.
        phase: likewise.
    """

    computing: Floats
    cpu_strain: Floats
    memory_strain: Floats
    server_load: Floats
    rate: Floats
    round_trip: Floats
    radio: Floats
    moment_s: Floats
    change: Floats
    swing: Floats
    phase: Floats

    @property
    def unrest(self) -> Unrest:
        """What will change in the midst of the episode."""
        return Unrest(*self[-4:])


def hidden_factors(
    normals: Floats, sigma: float, counts: Counts, computing: Hierarchy, changes: Unrest | None = None
) -> Hidden:
    """The factors that some standard normals stand for.

    Args:
        normals: shape (n, ``counts.factors``).
        sigma: standard deviation of their logarithms; 0 makes the profile true.
        counts: of what there are factors.
        computing: how those of computing are made up.
        changes: what will change; None for nothing.
    """
    changes = calm(len(normals)) if changes is None else changes
    many, links = counts.computing, counts.links
    widths = [many, many, 1, 1, counts.servers, links, links]
    latency, power, *others = np.split(normals, np.cumsum(widths), axis=1)
    of_cells = np.stack([np.exp(sigma * computing.logs(each)) for each in (latency, power)], axis=-1)
    # Each on its own: of a view that skips what lies between, ``take`` makes a copy first.
    cpu, memory, *rest = (np.ascontiguousarray(np.exp(sigma * part)) for part in others)
    return Hidden._make([of_cells, cpu[:, 0], memory[:, 0], *rest, *changes])


def nominal(n: int, counts: Counts, computing: Hierarchy, changes: Unrest | None = None) -> Hidden:
    """The factors of ``n`` environments of which the profile is true."""
    return hidden_factors(np.zeros((n, counts.factors)), 0.0, counts, computing, changes)
