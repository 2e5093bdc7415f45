"""Whether queries of a model may run together: two rows at once must be answered as each is by itself.

That a first dimension is open does not make it the batch: along a sequence, or under a mean over it, one query's rows
change another's answer, and nobody would see that.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from autoscale_runtime.backends.base import Runner
from autoscale_runtime.backends.cancellation import CURRENT, Cancellation
from autoscale_runtime.backends.comparison import repeats
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec
from autoscale_runtime.models.example_feeds import example_feeds
from autoscale_runtime.server.execution.served_model import LoadedModel

PATIENCE_S: Final = 10.0
"""Of all of the check, where the engine can be interrupted."""

_TOLERANCE: Final = {"fp32": 1e-3, "fp16": 1e-2, "int8": 5e-2}
"""Of an output's largest value: other sizes are summed in another order, and dynamic quantisation looks at all rows."""

_SIZES: Final = 32, 224
"""Of open dimensions behind the first: a text's length, an image's side."""

_MOST_VALUES: Final = 1 << 22
"""Of inputs whose sizes are chosen here: four open sides of 224 would take 20 GB."""


def tried_in_rows(model: LoadedModel, precision: str) -> LoadedModel:
    """A model whose first dimension is said to be its batch, with what two rows at once tell of that.

    Args:
        model: as it was loaded; a repository tells no precision, so that its target is of ``fp32``.
        precision: of its file.
    """
    tolerance = max(_TOLERANCE[precision], _TOLERANCE[model.served.target.precision])
    is_apart, remark = _tried(model.runner, tolerance)
    return replace(model, served=replace(model.served, is_apart=is_apart, remark=remark))


def _tried(runner: Runner, tolerance: float) -> tuple[bool, str]:
    if runner.is_random():
        return False, "it draws at random, so whether queries may run together is not known but as declared"
    if any(not each.shape or each.shape[0] is not None for each in runner.inputs):
        return False, ""  # which is refused as it is held to what its configuration says
    unknown, why = "whether queries may run together is not known but as declared", ""
    with _patience() as cancellation:
        for feeds in _trials(runner.inputs):
            try:
                alone = [_outputs(runner, _row(feeds, row)) for row in range(2)]
            except Exception as error:  # an engine may raise anything
                if cancellation.is_called_off:
                    return False, _late()
                why = why or str(error)
                continue
            return _compared(runner, feeds, alone, tolerance, cancellation)
    return False, f"{unknown}: {why or 'too many dimensions are open'}"


def _compared(
    runner: Runner, feeds: Feeds, alone: list[list[Array]], tolerance: float, cancellation: Cancellation
) -> tuple[bool, str]:
    apart = "its queries run one by one, although max_batch_size says otherwise: of two rows at once"
    try:
        together = _outputs(runner, feeds)
    except Exception as error:
        if cancellation.is_called_off:
            return False, _late()
        return True, f"{apart}, {error}"
    for spec, both, *one_by_one in zip(runner.outputs, together, *alone, strict=True):
        rows = [both[row : row + 1] for row in range(2)] if both.ndim and both.shape[0] == 2 else []
        if not rows or not repeats(one_by_one, rows, tolerance):
            return True, f"{apart}, output '{spec.name}' is not that of each by itself"
    return False, ""


def _late() -> str:
    return f"whether queries may run together was not known within {PATIENCE_S:g} s"


def _outputs(runner: Runner, feeds: Feeds) -> list[Array]:
    runner.reset()
    return runner.run(None, feeds).outputs


def _row(feeds: Feeds, row: int) -> Feeds:
    return {name: each[row : row + 1] for name, each in feeds.items()}


def _trials(inputs: tuple[TensorSpec, ...]) -> Iterator[Feeds]:
    """Two rows that differ; then, for networks that mind a 2, in what is no whole number alone."""
    is_open = any(None in each.shape[1:] for each in inputs)
    for size in _SIZES if is_open else _SIZES[:1]:
        shapes = {each.name: (2, *(size if have is None else have for have in each.shape[1:])) for each in inputs}
        if is_open and sum(map(math.prod, shapes.values())) > _MOST_VALUES:
            return
        feeds = example_feeds(inputs, shapes)
        others = {name: _differing(each) for name, each in feeds.items()}
        yield others
        if any(others[name] is not each for name, each in feeds.items()):
            yield feeds


def _differing(array: Array) -> Array:
    """Whole numbers and texts whose second row is another one; floats are drawn."""
    if array.dtype.kind not in "iuO":
        return array
    changed = array.copy()
    changed[1:] = "b" if array.dtype == object else 2
    return changed


@contextmanager
def _patience() -> Iterator[Cancellation]:
    """What runs in here is called off when its time is up."""
    cancellation = Cancellation()
    timer = threading.Timer(PATIENCE_S, cancellation.call_off)
    timer.daemon = True
    token = CURRENT.set(cancellation)
    timer.start()
    try:
        yield cancellation
    finally:
        timer.cancel()
        CURRENT.reset(token)
