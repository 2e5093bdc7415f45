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

from autoscale.agents.correction.cells import Cells
from autoscale.arrays import Floats, Indices

QUANTITIES: Final = 3
"""Energy, latency, carbon, in this order everywhere: the objective and the latency are always neighbours."""
ENERGY, LATENCY, CARBON = range(QUANTITIES)

OWN: Final = (0.08**2, 0.14**2, 0.18**2)
"""Variance of ln(actual / forecast) that a target, a precision and a processor have of their own, in one network."""

UNINFORMED: Final = 36.0
"""How many times that where the forecast says the same of all targets, and so nothing."""

Triple = Sequence[float]
"""One number a quantity."""


class Told(NamedTuple):
    """What reaches the processor's node of all networks from one more observation: changes of its two sums."""

    weight: list[float]
    weighted: list[float]


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
        self._own = np.repeat(OWN, (targets, precisions, processors))
        self._paths = [
            (target, targets + precision, targets + precisions + processor)
            for target, (precision, processor) in enumerate(zip(cells.precision, cells.processor, strict=True))
        ]

    def nothing(self) -> Floats:
        """What is known of a network before its first query, shape (2, quantities, nodes)."""
        known = np.zeros((2, QUANTITIES, self.nodes))
        known[0] = 1.0
        return known

    def predict(self, known: Floats, scale: float, mean: Floats, variance: Floats) -> Floats:
        """Mean and variance of every target's residual, shape (2, quantities, targets).

        Args:
            known: of the network.
            scale: of ``OWN``.
            mean: of what networks share, shape (quantities, processors).
            variance: of that, likewise.
        """
        left, own = known[0], self._own * scale
        factor, addend = _pair(left, left * left), _pair(known[1], left * own)
        moments = _pair(mean, variance)
        moments = factor[:, :, self._processors] * moments + addend[:, :, self._processors]
        moments = factor[:, :, self._precisions] * moments.take(self._cells.parent, 2) + addend[:, :, self._precisions]
        below: Floats = (
            factor[:, :, self._targets] * moments.take(self._cells.precision, 2) + addend[:, :, self._targets]
        )
        return below

    def predict_one(
        self, known: Floats, scale: float, index: int, mean: Triple, variance: Triple
    ) -> tuple[list[float], list[float]]:
        """The same for one target, of what networks share on its processor."""
        path = self._paths[index]
        lefts, pulls = zip(*(known[:, :, node].tolist() for node in path), strict=True)
        means, variances = list(mean), list(variance)
        for own, left, pull in zip(reversed(OWN), reversed(lefts), reversed(pulls), strict=True):
            for q in range(QUANTITIES):
                means[q] = pull[q] + left[q] * means[q]
                variances[q] = left[q] * (own * scale + left[q] * variances[q])
        return means, variances

    def learn(self, known: Floats, scale: float, index: int, residual: Triple, precision: Triple, most: Triple) -> Told:
        """Take in what one target did.

        Args:
            known: of the network, changed in place.
            scale: of ``OWN``.
            index: of the target.
            residual: observed, less what other effects explain.
            precision: one over its variance; 0 where nothing was observed.
            most: what all that was seen of the target before may weigh; the rest is forgotten.
        """
        weight, weighted = [0.0] * QUANTITIES, [0.0] * QUANTITIES
        for level, (own, node) in enumerate(zip(OWN, self._paths[index], strict=True)):
            left, pull = known[:, :, node].tolist()
            own *= scale
            for q in range(QUANTITIES):
                before_left, before_pull = left[q], pull[q]
                total, total_weighted = (1.0 / before_left - 1.0) / own, before_pull / (before_left * own)
                if level == 0 and precision[q]:
                    kept = min(1.0, most[q] / total) if total > 0.0 else 1.0
                    total, total_weighted = (
                        total * kept + precision[q],
                        total_weighted * kept + precision[q] * residual[q],
                    )
                elif level:
                    total, total_weighted = max(total + weight[q], 0.0), total_weighted + weighted[q]
                left[q] = 1.0 / (1.0 + own * total)
                pull[q] = left[q] * own * total_weighted
                weight[q], weighted[q] = (before_left - left[q]) / own, (pull[q] - before_pull) / own
            known[:, :, node] = left, pull
        return Told(weight, weighted)

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
        alone = np.arange(len(self._cells.processors))
        return _sums(known[:, :, self._processors], OWN[-1] * scale, alone, alone.size)


def _pair(first: Floats, second: Floats) -> Floats:
    """Both in one array: ``np.stack``, in a third of the time."""
    pair = np.empty((2, *first.shape))
    pair[0], pair[1] = first, second
    return pair


def _sums(nodes: Floats, own: float, cell: Indices, cells: int) -> Floats:
    """What nodes say of their parents, by parent."""
    messages = np.stack([(1.0 - nodes[0]) / own, nodes[1] / own])
    sums = np.zeros((2, QUANTITIES, cells))
    for child, parent in enumerate(cell.tolist()):
        sums[:, :, parent] += messages[:, :, child]
    return sums
