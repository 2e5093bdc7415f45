"""A network with state, asked as it is used: one query after the other, each with the state that the last one left."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.tensors import Array, Feeds
from autoscale_runtime.models.state import State


def streamed(runner: Runner, feeds: Sequence[Feeds], state: State, steps: int) -> Iterator[tuple[Feeds, list[Array]]]:
    """What is asked and answered at every step: the feeds over and over, the state from zero on.

    Raises:
        FeedError, TargetError: what comes out does not go in again.
    """
    kept: Mapping[str, Array] = {into: np.zeros_like(feeds[0][into]) for into in state.values()}
    names = [each.name for each in runner.outputs]
    for step in range(steps):
        asked = {**feeds[step % len(feeds)], **kept}
        outputs = runner.run(None, asked).outputs
        answered = dict(zip(names, outputs, strict=True))
        yield asked, outputs
        kept = {into: answered[out] for out, into in state.items()}
