"""A query's feeds as callers give them, checked and made arrays."""

from collections.abc import Collection, Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np

from autoscale.errors import FeedError, check_type
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec


def check_query(output_names: object, feeds: object) -> None:
    """Raise FeedError unless both are of the types that a query has."""
    check_type("feeds", feeds, Mapping, "a mapping of input names to arrays", FeedError)
    kinds = NoneType if isinstance(output_names, str) else (Collection, NoneType)
    check_type("output_names", output_names, kinds, "a list of names, or None for all", FeedError)


def arrays_of(specs: Sequence[TensorSpec], feeds: Feeds) -> Feeds:
    """The feeds with lists made arrays, and values in this machine's order of bytes: engines look at neither."""
    for each in feeds.values():
        if not isinstance(each, np.ndarray) or not each.dtype.isnative:
            break
    else:
        return feeds
    dtypes = {spec.name: spec.dtype for spec in specs}
    try:
        return {name: _array(each, dtypes.get(name)) for name, each in feeds.items()}
    except (ValueError, TypeError, OverflowError) as error:
        raise FeedError(f"an input is no tensor: {error}") from error


def _array(given: object, dtype: np.dtype[Any] | None) -> Array:
    if isinstance(given, np.ndarray):
        return given if given.dtype.isnative else given.astype(given.dtype.newbyteorder("="))
    try:
        array = np.array(given)
    except Exception as error:  # what it is made an array by may be anybody's
        raise ValueError(f"{type(given).__name__} gives no array: {error or type(error).__name__}") from error
    if dtype is None or dtype == array.dtype:
        return array
    if array.dtype.kind in "OSU" and dtype.kind != "O":
        raise ValueError(f"{type(given).__name__} of {array.dtype.type.__name__}; allowed: {dtype}")
    # Of Python's own numbers, since numpy refuses those that the type cannot hold, and wraps an array's.
    return np.array(given, dtype=dtype)
