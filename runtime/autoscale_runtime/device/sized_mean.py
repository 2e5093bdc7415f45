"""A figure that depends on how large a query is, followed size by size."""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from autoscale_runtime.backends.tensors import Array, TensorSpec
from autoscale_runtime.device.running_mean import RunningMean

STEPS_PER_OCTAVE: Final = 2
"""How finely lengths are distinguished: those within a factor of the square root of 2 are of one size."""

MOST_SIZES: Final = 64
"""How many sizes are remembered; of more, that which was met longest ago is forgotten."""


class Size(NamedTuple):
    """How large a query is, by the inputs that the network leaves open.

    Attributes:
        steps: of every open dimension, its length in steps of a factor.
        nbytes: of the inputs that have one.
    """

    steps: tuple[int, ...] = ()
    nbytes: int = 0


FIXED: Final = Size()
"""Of every query, where the network leaves nothing open."""


class Sizes:
    """Tells the size of queries to one network.

    Args:
        inputs: of the network.
    """

    def __init__(self, inputs: Sequence[TensorSpec]) -> None:
        spans = {spec.name: [axis for axis, extent in enumerate(spec.shape) if extent is None] for spec in inputs}
        self._open = {name: axes for name, axes in spans.items() if axes}

    def of(self, feeds: Mapping[str, Array]) -> Size:
        """The size of a query; what does not fit the network counts as nothing, since it will be refused."""
        if not self._open:
            return FIXED
        steps, nbytes = [], 0
        for name, axes in self._open.items():
            shape = getattr(feeds.get(name), "shape", ())
            nbytes += getattr(feeds.get(name), "nbytes", 0)
            steps += [_step(shape[axis]) if axis < len(shape) else 0 for axis in axes]
        return Size(tuple(steps), nbytes)


class _MeanOfSize(RunningMean):
    """What was seen of one size: of queries of so many bytes."""

    nbytes = 0


class SizedMean:
    """A running mean for each size of query. What is not known of a size is taken from the nearest that are.

    Between two known sizes a power law goes through both. Beyond them a figure that grows with the query grows as its
    bytes do, another stays as it is. Of the first two figures of a size, the first of which may be a cold start, the
    smaller is believed.

    Args:
        guess: stands until the first figure.
        weight: share of a new figure in the mean of its size.
        grows: whether the figure grows with the query, as a time does and a ratio does not.
    """

    def __init__(self, guess: float, weight: float, grows: bool = True) -> None:
        self._guess = guess
        self._weight = weight
        self._grows = grows
        self._seen: dict[tuple[int, ...], _MeanOfSize] = {}

    @property
    def is_known(self) -> bool:
        """Whether a figure of any size was seen."""
        return bool(self._seen)

    def count(self, size: Size = FIXED) -> int:
        """How many figures of a size were seen."""
        same = self._seen.get(size.steps)
        return 0 if same is None else same.count

    def at(self, size: Size = FIXED) -> float:
        """The figure expected at a size."""
        same = self._seen.get(size.steps)
        if same is not None:
            return same.value
        seen = [*self._seen.values()]
        if not seen:
            return self._guess
        below = max((each for each in seen if each.nbytes <= size.nbytes), key=_nbytes, default=None)
        above = min((each for each in seen if each.nbytes > size.nbytes), key=_nbytes, default=None)
        if below is not None and above is not None:
            return _between(size.nbytes, below, above)
        nearest = below or above or seen[0]
        return nearest.value * (_ratio(size.nbytes, nearest.nbytes) if self._grows else 1.0)

    def add(self, figure: float, size: Size = FIXED) -> None:
        """Take in a figure, 0 or more, of a query of a size."""
        mean = self._seen.get(size.steps)
        if mean is None:
            mean = _MeanOfSize(figure, self._weight)
        mean.add(min(figure, mean.value) if mean.count == 1 else figure)
        mean.nbytes = size.nbytes
        if size is not FIXED:
            self._seen.pop(size.steps, None)
        self._seen[size.steps] = mean
        if len(self._seen) > MOST_SIZES:
            self._seen.pop(next(iter(self._seen)), None)


def _step(length: int) -> int:
    return round(STEPS_PER_OCTAVE * math.log2(length + 1))


def _nbytes(seen: _MeanOfSize) -> int:
    return seen.nbytes


def _ratio(one: float, other: float) -> float:
    return max(one, 1.0) / max(other, 1.0)


def _between(nbytes: int, below: _MeanOfSize, above: _MeanOfSize) -> float:
    low, high = below.value, above.value
    whole = math.log(_ratio(above.nbytes, below.nbytes))
    if low <= 0.0 or high <= 0.0 or whole <= 0.0:
        return max(low, high)
    share = math.log(_ratio(nbytes, below.nbytes)) / whole
    return math.exp((1.0 - share) * math.log(low) + share * math.log(high))
