"""Calibration data and labels as files hold them."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from autoscale.errors import FeedError, listing, nearest
from autoscale_runtime.backends.tensors import Array, Feeds, TensorSpec, check_feeds

CALIBRATE_AT_MOST: Final = 128
"""More samples than that move the ranges of activations hardly at all."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Queries and, where known, the class each shows.

    Attributes:
        source: where they come from, as a report names it.
        feeds: one mapping a query.
        labels: one class a query, or None.
    """

    source: str
    feeds: Sequence[Feeds]
    labels: Sequence[int] | None = None

    def split(self) -> tuple["Samples", "Samples"]:
        """Samples to calibrate with and others to evaluate with, both spread evenly over the data.

        At most half calibrate, and never more than 128.

        Raises:
            FeedError: fewer than two samples.
        """
        count = len(self.feeds)
        if count < 2:
            raise FeedError(
                f"calibration data '{self.source}' has {count} sample; allowed: 2 or more, "
                "some to calibrate with and others to evaluate with"
            )
        spread = np.linspace(0, count - 1, min(CALIBRATE_AT_MOST, count // 2)).round().astype(int)
        chosen = set(spread.tolist())
        return self._take(sorted(chosen)), self._take([i for i in range(count) if i not in chosen])

    def _take(self, indices: Sequence[int]) -> "Samples":
        labels = None if self.labels is None else [self.labels[i] for i in indices]
        return Samples(self.source, [self.feeds[i] for i in indices], labels)


def read_samples(path: Path, inputs: Sequence[TensorSpec], labels: Path | None = None) -> Samples:
    """Read queries for a model with these inputs.

    Args:
        path: a ``.npz`` with one array an input, whose leading axis counts the samples: it comes before the
            input's own axes, or stands for its batch axis where that is open or 1; a ``.npy`` of such an array
            for a model with one input; or a folder of ``.npz`` files, one a sample, for shapes that vary.
        inputs: the model's.
        labels: see ``read_labels``.

    Raises:
        FeedError: missing, unreadable, or not what the inputs take.
    """
    feeds = _folder(path) if path.is_dir() else _stacked(path, inputs)
    for index, each in enumerate(feeds):
        try:
            check_feeds(inputs, each)
        except FeedError as error:
            raise FeedError(f"calibration data '{path}', sample {index}: {error}") from error
    return Samples(path.name, feeds, None if labels is None else read_labels(labels, len(feeds)))


def read_labels(path: Path, count: int) -> list[int]:
    """Read the class of each sample: an integer ``.npy``, or text with integers between commas or lines.

    Raises:
        FeedError: missing, unreadable, not integers, or not ``count`` of them.
    """
    labels = _arrays(path)[path.stem].ravel() if path.suffix == ".npy" else _integers(path)
    if labels.dtype.kind not in "iu" or (labels.size and int(labels.min()) < 0):
        raise FeedError(f"labels '{path}' are {labels.dtype}; allowed: classes, as integers from 0")
    if len(labels) != count:
        raise FeedError(f"labels '{path}' has {len(labels)} classes; allowed: {count}, one a sample")
    return [int(each) for each in labels]


def _integers(path: Path) -> Array:
    try:
        words = [each for each in re.split(r"[\s,;]+", path.read_text(encoding="utf-8")) if each]
        return np.array([int(each) for each in words], dtype=np.int64)
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FeedError(f"labels '{path}' cannot be read as integers: {reason}") from error


def _arrays(path: Path) -> Mapping[str, Array]:
    """The arrays of a ``.npz`` by name, or that of a ``.npy`` by the file's stem."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {path.stem: loaded}
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FeedError(f"'{path}' cannot be read as numpy arrays: {reason}") from error


def _folder(path: Path) -> list[Feeds]:
    files = sorted(path.glob("*.npz"))
    if not files:
        raise FeedError(f"calibration data '{path}' holds no .npz file; allowed: one a sample")
    return [_arrays(each) for each in files]


def _stacked(path: Path, inputs: Sequence[TensorSpec]) -> list[Feeds]:
    arrays = dict(_arrays(path))
    if path.suffix == ".npy" and len(inputs) == 1:
        arrays = {inputs[0].name: arrays[path.stem]}
    names = [spec.name for spec in inputs]
    for name in arrays:
        if name not in names:
            raise FeedError(
                f"calibration data '{path}': no input is named '{name}'{nearest(name, names)}; inputs: {listing(names)}"
            )
    missing = [spec for spec in inputs if spec.name not in arrays]
    if missing:
        raise FeedError(f"calibration data '{path}' has no array for input {missing[0]}")
    if not inputs:
        raise FeedError(f"'{path}': the model has no inputs to calibrate with")
    columns = {spec.name: _rows(path, spec, arrays[spec.name]) for spec in inputs}
    counts = {name: len(rows) for name, rows in columns.items()}
    if len(set(counts.values())) > 1:
        raise FeedError(f"calibration data '{path}': the arrays differ in their number of samples: {counts}")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rows(path: Path, spec: TensorSpec, array: Array) -> list[Array]:
    rank = len(spec.shape)
    if array.ndim == rank + 1:
        return [np.asarray(each) for each in array]
    if array.ndim == rank and rank and spec.shape[0] in (None, 1):
        return [array[index : index + 1] for index in range(len(array))]
    shape = "x".join(map(str, array.shape)) or "scalar"
    raise FeedError(
        f"calibration data '{path}': array '{spec.name}' is {array.dtype}[{shape}]; "
        f"allowed: samples of {spec}, stacked along a leading axis"
    )
