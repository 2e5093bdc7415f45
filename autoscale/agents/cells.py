"""What targets have in common: the processor they run on, its precision, and how far up its settings they stand."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from autoscale.arrays import Floats, Indices
from autoscale.query.target import Target


class Cells:
    """Targets grouped twice, each group a cell: by processor, and within a processor by precision.

    Cells are sorted, so that the same targets in another order have the same ones.

    Args:
        targets: at least one.
        by_precision: whether what a processor does in one precision says nothing of another: for a world whose forecast
            does not tell the precisions apart either.

    Attributes:
        by_precision: likewise.
        processors: cells of the first kind: place, host, processor and engine, both of a network in two parts on this
            device; the precision too, if ``by_precision``.
        precisions: cells of the second kind: the same and the precision.
        processor: each target's cell of the first kind, shape (targets,).
        precision: each target's cell of the second kind, shape (targets,).
        parent: of each precision its processor, shape (precisions,).
        position: ln of each target's clock or threads, less its processor's mean, shape (targets,).
        first: a target of each processor, shape (processors,).
    """

    def __init__(self, targets: Sequence[Target], *, by_precision: bool = False) -> None:
        self.by_precision = by_precision
        processors = [
            (each.place, each.host, each.processor, _engines(each), *((each.precision,) if by_precision else ()))
            for each in targets
        ]
        precisions = [(*key, each.precision) for key, each in zip(processors, targets, strict=True)]
        self.processors, self.precisions = tuple(sorted({*processors})), tuple(sorted({*precisions}))
        self.processor = _numbers(self.processors.index(key) for key in processors)
        self.precision = _numbers(self.precisions.index(key) for key in precisions)
        self.parent = _numbers(self.processors.index(key[:-1]) for key in self.precisions)
        self.first = _numbers(processors.index(key) for key in self.processors)
        self.position = _positions(targets, self.processor)


def _positions(targets: Sequence[Target], processor: Indices) -> Floats:
    heights = np.array([math.log(each.frequency_hz or each.threads or 1) for each in targets])
    means = np.bincount(processor, heights) / np.bincount(processor)
    return np.asarray(heights - means[processor], dtype=np.float64)


def _engines(target: Target) -> str:
    head = None if target.is_remote else target.head
    return target.engine if head is None else f"{target.engine}+{head.processor}#{head.engine}"


def _numbers(values: Iterable[int]) -> Indices:
    return np.fromiter(values, dtype=np.intp)
