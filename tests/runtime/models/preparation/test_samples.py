"""Calibration data and labels as files hold them."""

from pathlib import Path

import numpy as np
import pytest

from autoscale.errors import FeedError
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.models.preparation import Samples, read_labels, read_samples


def test_an_array_may_have_the_batch_axis_or_leave_it_to_the_samples(tmp_path: Path) -> None:
    specs = [
        TensorSpec("batched", np.dtype(np.float32), (None, 3)),
        TensorSpec("state", np.dtype(np.float32), (2, 1)),
        TensorSpec("rate", np.dtype(np.int64), ()),
    ]
    stacked = {
        "batched": np.arange(12, dtype=np.float32).reshape(4, 3),
        "state": np.arange(8, dtype=np.float32).reshape(4, 2, 1),
        "rate": np.arange(4),
    }
    np.savez(tmp_path / "data.npz", **stacked)
    feeds = read_samples(tmp_path / "data.npz", specs).feeds
    assert [{name: array.shape for name, array in each.items()} for each in feeds] == [
        {"batched": (1, 3), "state": (2, 1), "rate": ()}
    ] * 4
    assert feeds[2]["batched"].tolist() == [[6, 7, 8]]
    assert int(feeds[2]["rate"]) == 2


def test_arrays_of_different_lengths_are_refused(tmp_path: Path) -> None:
    specs = [TensorSpec(name, np.dtype(np.float32), (1,)) for name in "ab"]
    np.savez(tmp_path / "data.npz", a=np.zeros(3, np.float32), b=np.zeros(4, np.float32))
    with pytest.raises(FeedError, match="differ in their number of samples"):
        read_samples(tmp_path / "data.npz", specs)


@pytest.mark.parametrize("content", [None, b"", b"not numpy", b"PK\x03\x04 truncated"])
def test_unreadable_samples_are_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FeedError, match=r"bad\.npz"):
        read_samples(path, [TensorSpec("x", np.dtype(np.float32), (1,))])


def test_pickled_samples_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(FeedError, match="cannot be read"):
        read_samples(tmp_path / "x.npy", [TensorSpec("x", np.dtype(np.float32), (1,))])


@pytest.mark.parametrize(
    ("text", "message"),
    [("0,1", "has 2 classes; allowed: 3"), ("0\n1\ncat", "cannot be read as integers"), ("0 1 -1", "integers from 0")],
)
def test_labels_that_do_not_fit_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(FeedError, match=message):
        read_labels(tmp_path / "labels.txt", 3)


def test_labels_may_be_a_numpy_file(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.array([[2], [0]]))
    assert read_labels(tmp_path / "labels.npy", 2) == [2, 0]
    np.save(tmp_path / "floats.npy", np.array([2.0, 0.0]))
    with pytest.raises(FeedError, match="float64"):
        read_labels(tmp_path / "floats.npy", 2)


@pytest.mark.parametrize(("count", "calibrating"), [(2, 1), (3, 1), (9, 4), (256, 128), (1000, 128)])
def test_no_sample_both_calibrates_and_evaluates(count: int, calibrating: int) -> None:
    one, other = Samples("data", [{"x": np.array(i)} for i in range(count)], list(range(count))).split()
    assert (len(one.feeds), len(other.feeds)) == (calibrating, count - calibrating)
    assert sorted([*(one.labels or []), *(other.labels or [])]) == list(range(count))
    assert [int(each["x"]) for each in other.feeds] == other.labels
