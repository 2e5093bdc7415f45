"""Inputs that a network can be timed with: what it takes, filled with values that no operator minds."""

from collections.abc import Mapping, Sequence

import numpy as np

from autoscale.errors import FeedError
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec
from autoscale_runtime.models.inspection.inputs import OpenInput, Shape, resolve

SEED = 0


def example_feeds(inputs: Sequence[TensorSpec], shapes: Mapping[str, Shape]) -> Feeds:
    """One query: floats around 0, whole numbers of 1 (an index, a length, a mask), texts of a letter.

    Args:
        inputs: of the network.
        shapes: input name to shape, where its dimensions are open; a leading one that is the only one open is 1.

    Raises:
        FeedError: a shape is missing, or does not fit the network.
    """
    declared = [OpenInput(each.name, tuple(each.shape)) for each in inputs]
    known, _ = resolve(declared, {name: shape for name, shape in shapes.items() if name in _names(inputs)}, None)
    rng = np.random.default_rng(SEED)
    return {each.name: _filled(each, known[each.name], rng) for each in inputs}


def check_shapes(shapes: Mapping[str, Shape], inputs: Sequence[Sequence[TensorSpec]]) -> None:
    """Refuse a shape for an input that none of the networks has.

    Raises:
        FeedError: naming it.
    """
    known = {name for each in inputs for name in _names(each)}
    for name in shapes:
        if name not in known:
            raise FeedError(
                f"--shape names '{name}', which no model takes; inputs: {', '.join(sorted(known)) or 'none'}"
            )


def _names(inputs: Sequence[TensorSpec]) -> set[str]:
    return {each.name for each in inputs}


def _filled(spec: TensorSpec, shape: Shape, rng: np.random.Generator) -> Array:
    if spec.dtype.kind == "f":
        return rng.standard_normal(shape).astype(spec.dtype)
    if spec.dtype == object:
        return np.full(shape, "a", dtype=object)
    return np.ones(shape, dtype=spec.dtype)
