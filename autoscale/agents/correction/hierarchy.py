"""What is known of one network: residuals on a tree of processor, precision and target, each level shrunk to the next.

The tree is Gaussian: a target's residual is its precision's plus something of its own, that the processor's plus
something, that what all networks share on the processor (``shared``) plus something. Passing sums upwards and means
downwards (Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 7.2; the scheme of Chou, Willsky and
Benveniste, IEEE Trans. Automatic Control 39:464, 1994) is then exact, and costs as much as the tree is deep.

A node is two numbers a quantity: ``left``, the share of its parent's mean that its own data leave, 1 where there are
none, and ``pull``, what they add. Its mean is ``pull + left * parent``; its variance ``left * (own + left * parent)``.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from autoscale.agents.cells import Cells
from autoscale.arrays import Floats, Indices

QUANTITIES: Final = 3
"""Energy, latency, carbon, in this order everywhere: the objective and the latency are always neighbours."""
ENERGY, LATENCY, CARBON = range(QUANTITIES)
ROW: Final = {"energy": ENERGY, "latency": LATENCY, "carbon": CARBON}
"""An objective to its place among them."""

TINY: Final = 1e-12
"""Joules, seconds or grams below this are nothing, of which there is no logarithm."""

OWN: Final = (0.08**2, 0.14**2, 0.18**2)
"""Variance of ln(actual / forecast) that a target, a precision and a processor have of their own, in one network."""

_OWN: Final = [np.array(each) for each in OWN]  # numpy reads these in half the time of plain numbers

UNINFORMED: Final = 36.0
"""How many times that where the forecast says the same of all targets, and so nothing."""

Triple = Sequence[float]
"""One number a quantity."""


class Told(NamedTuple):
    """What reaches the processor's node of all networks from one more observation: changes of its two sums."""

    weight: list[float]
    weighted: list[float]


_NODE: Final = 2 * QUANTITIES
"""How many numbers of a path are a node's: the lefts, then the pulls."""
_LEVELS: Final = tuple(zip(OWN, range(0, len(OWN) * _NODE, _NODE), strict=True))
"""Of each level, upwards, ``OWN`` and where its numbers begin in a path."""
_DOWNWARDS: Final = _LEVELS[::-1]


class Hierarchy:
    """The tree's shape, and passing messages on it; what is known of a network is an array the caller keeps.

    Args:
        cells: of the targets.
    """

    def __init__(self, cells: Cells) -> None:
        targets, precisions, processors = cells.processor.size, cells.parent.size, len(cells.processors)
        self._cells, self.nodes = cells, targets + precisions + processors
        self._precisions = slice(targets, targets + precisions)
        self._processors = slice(targets + precisions, self.nodes)
        self._targets = slice(0, targets)
        paths = np.stack([np.arange(targets), targets + cells.precision, targets + precisions + cells.processor], 1)
        rows = self.nodes * np.arange(_NODE)
        self._paths = list((paths[:, :, None] + rows).reshape(targets, -1))
        first = [paths[:, 1].tolist().index(targets + each) for each in range(precisions)]
        every = (rows[:, None, None] + paths.T).reshape(2, QUANTITIES, len(OWN), targets)  # where each number stands
        self._gather = {
            quantities: (
                np.ascontiguousarray(every[:, :quantities, 0]),
                np.ascontiguousarray(np.moveaxis(every[:, :quantities, 1:, first], 2, 0)),
            )
            for quantities in (QUANTITIES - 1, QUANTITIES)
        }

    def nothing(self) -> Floats:
        """What is known of a network before its first query, shape (2, quantities, nodes)."""
        known = np.zeros((2, QUANTITIES, self.nodes))
        known[0] = 1.0
        return known

    def predict(self, known: Floats, scale: float, moments: Floats) -> Floats:
        """Mean and variance of every target's residual, shape (2, quantities, targets), of the first quantities.

        Args:
            known: of the network.
            scale: of ``OWN``.
            moments: mean and variance of what networks share, shape (2, quantities, processors).
        """
        quantities = moments.shape[1]
        below, above = self._gather[quantities]
        nodes = known.take(above)
        moments = moments.take(self._cells.parent, 2)
        own = _OWN if scale == 1.0 else [np.array(each * scale) for each in OWN]
        _descend(moments, nodes[1], own[2])
        _descend(moments, nodes[0], own[1])
        moments = moments.take(self._cells.precision, 2)
        _descend(moments, known.take(below), own[0])
        return moments

    def path(self, known: Floats, index: int) -> list[float]:
        """What is known of a target and of the two nodes above it, read once for the three that follow."""
        path: list[float] = known.take(self._paths[index]).tolist()
        return path

    def is_untried(self, path: Sequence[float], quantity: int) -> bool:
        """Whether nothing is known of the processor that a path ends at."""
        return path[_NODE * (len(OWN) - 1) + quantity] == 1.0

    def has_tried(self, path: Sequence[float]) -> bool:
        """Whether the network was answered by the precision that a path leads through."""
        return path[_NODE + LATENCY] < 1.0

    def predict_one(
        self, path: Sequence[float], scale: float, mean: Triple, variance: Triple
    ) -> tuple[list[float], list[float]]:
        """The same for one target, of what networks share on its processor."""
        means, variances = [], []
        for q in range(QUANTITIES):
            middle, doubt = mean[q], variance[q]
            for own, first in _DOWNWARDS:
                left = path[first + q]
                middle = path[first + QUANTITIES + q] + left * middle
                doubt = left * (own * scale + left * doubt)
            means.append(middle)
            variances.append(doubt)
        return means, variances

    def learn(self, path: list[float], scale: float, residual: Triple, precision: Triple, most: Triple) -> Told:
        """Take in what one target did.

        Args:
            path: of the target, changed in place; ``put`` keeps it.
            scale: of ``OWN``.
            residual: observed, less what other effects explain.
            precision: one over its variance; 0 where nothing was observed.
            most: what all that was seen of the target before may weigh; the rest is forgotten.
        """
        told = Told([0.0] * QUANTITIES, [0.0] * QUANTITIES)
        for q in range(QUANTITIES):
            weight, weighted = precision[q], precision[q] * residual[q]
            if weight == 0.0:
                continue
            for own, first in _LEVELS:
                own, at = own * scale, first + q
                left, pull = path[at], path[at + QUANTITIES]
                total, total_weighted = (1.0 / left - 1.0) / own, pull / (left * own)
                if first == 0 and total > most[q]:
                    total, total_weighted = most[q], total_weighted * (most[q] / total)
                total += weight
                if total < 0.0:
                    total = 0.0
                path[at] = now = 1.0 / (1.0 + own * total)
                path[at + QUANTITIES] = now_pull = now * own * (total_weighted + weighted)
                weight, weighted = (left - now) / own, (now_pull - pull) / own
            told.weight[q], told.weighted[q] = weight, weighted
        return told

    def put(self, known: Floats, index: int, path: list[float]) -> None:
        """Keep what became of a path."""
        known.put(self._paths[index], path)

    def rebuild(self, known: Floats, scale: float) -> Floats:
        """Work out the nodes above the targets from those, in place.

        Returns:
            What the network says of the processors' offsets: weights and weighted sums, (2, quantities, processors).
        """
        levels = (
            (self._targets, self._cells.precision, self._precisions),
            (self._precisions, self._cells.parent, self._processors),
        )
        for (below, cell, above), own, own_above in zip(levels, OWN, OWN[1:], strict=False):
            weight, weighted = _sums(known[:, :, below], own * scale, cell, above.stop - above.start)
            left = 1.0 / (1.0 + own_above * scale * weight)
            known[0, :, above], known[1, :, above] = left, left * own_above * scale * weighted
        return self._offsets(known, scale)

    def rescale(self, known: Floats, scale: float, new: float) -> Floats:
        """Take what a network showed for that of one whose targets lie ``new`` apart, not ``scale``, in place.

        Returns:
            By how much that changes what it says of the processors' offsets, as ``rebuild`` gives it.
        """
        before, leaves = self._offsets(known, scale), known[:, :, self._targets]
        left, pull = leaves
        total, weighted = (1.0 / left - 1.0) / scale, pull / (left * scale)
        left[...] = 1.0 / (1.0 + new * total)
        pull[...] = left * new * weighted
        return self.rebuild(known, new) - before

    def _offsets(self, known: Floats, scale: float) -> Floats:
        alone = np.arange(len(self._cells.processors))
        return _sums(known[:, :, self._processors], OWN[-1] * scale, alone, alone.size)


def _descend(moments: Floats, nodes: Floats, own: Floats) -> None:
    """From the moments of each node's parent to its own, in place; all of it in one piece, which is what is fast."""
    mean, variance, left = moments[0], moments[1], nodes[0]  # to unpack an array takes longer than any of this
    mean *= left
    mean += nodes[1]
    variance *= left
    variance += own
    variance *= left


def _sums(nodes: Floats, own: float, cell: Indices, cells: int) -> Floats:
    """What nodes say of their parents, by parent."""
    messages = np.stack([(1.0 - nodes[0]) / own, nodes[1] / own])
    sums = np.zeros((2, QUANTITIES, cells))
    for child, parent in enumerate(cell.tolist()):
        sums[:, :, parent] += messages[:, :, child]
    return sums
