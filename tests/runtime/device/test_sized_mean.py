"""What is expected of a query follows its size, whatever sizes came before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.device.sized_mean import FIXED, MOST_SIZES, Size, SizedMean, Sizes

FLOAT = np.dtype("float32")
OPEN = Sizes((TensorSpec("x", FLOAT, (None, 256)), TensorSpec("mask", FLOAT, (4,))))
lengths = st.integers(1, 100_000)


def of(length: int) -> Size:
    return OPEN.of({"x": np.broadcast_to(np.float32(0), (length, 256)), "mask": np.zeros(4, np.float32)})


def line(mean: SizedMean, *seen: int, times: int = 3) -> SizedMean:
    """The mean after queries that take 20 us and 1 us a step."""
    for _ in range(times):
        for length in seen:
            mean.add(20e-6 + 1e-6 * length, of(length))
    return mean


def test_without_open_dimensions_all_are_of_one_size() -> None:
    assert Sizes((TensorSpec("x", FLOAT, (1, 256)),)).of({"x": np.zeros((1, 256))}) == FIXED


def test_bytes_are_of_the_inputs_that_are_open() -> None:
    assert of(3).nbytes == 3 * 256 * 4


@given(lengths)
def test_near_lengths_are_of_one_size_and_double_ones_of_another(length: int) -> None:
    assert of(length).steps != of(2 * length + 1).steps
    assert abs(of(length).steps[0] - of(length + max(length // 10, 1)).steps[0]) <= 2


@pytest.mark.parametrize("feeds", [{}, {"x": np.zeros(3)}, {"y": np.zeros((2, 2))}, {"x": "text"}, {"x": None}])
def test_feeds_that_will_be_refused_have_a_size_too(feeds: dict[str, object]) -> None:
    assert len(OPEN.of(feeds).steps) == 1  # type: ignore[arg-type]  # wrong ones on purpose


def test_before_the_first_figure_the_guess_stands() -> None:
    assert SizedMean(3.0, 0.1).at(of(7)) == 3.0


@given(lengths, lengths)
def test_two_sizes_in_turn_keep_a_figure_each(short: int, long: int) -> None:
    mean = line(SizedMean(1.0, 0.1), short, long, times=20)
    for length in (short, long):
        assert mean.at(of(length)) == pytest.approx(20e-6 + 1e-6 * length, rel=0.5)


@given(st.integers(2, 30_000))
def test_between_and_beyond_known_sizes_the_bytes_tell(length: int) -> None:
    mean = line(SizedMean(1.0, 0.1), 1, 30, 1000, 30_000)
    assert 1 / 2 < mean.at(of(length)) / (20e-6 + 1e-6 * length) < 2
    assert mean.at(of(300_000)) == pytest.approx(0.3, rel=0.1)
    assert mean.at(Size((-1,), 1)) < mean.at(of(1))


def test_a_ratio_does_not_grow_with_the_query() -> None:
    mean = SizedMean(1.0, 0.1, grows=False)
    mean.add(1.5, of(10))
    assert mean.at(of(1)) == mean.at(of(100_000)) == 1.5


@pytest.mark.parametrize("at", range(10))
def test_one_outlier_at_any_place_is_gone_two_queries_later(at: int) -> None:
    mean = SizedMean(1.0, 0.1)
    for index in range(at + 3):
        mean.add(1000.0 if index == at else 1.0, of(8))
    assert mean.at(of(8)) < 1.5


def test_memory_is_bounded_and_what_is_in_use_is_kept() -> None:
    mean = SizedMean(1.0, 0.1)
    for index in range(20 * MOST_SIZES):
        mean.add(5.0, Size((-1,), 1))
        mean.add(float(index), Size((index,), 1000 + index))
    assert len(mean._seen) == MOST_SIZES
    assert mean.at(Size((-1,), 1)) == 5.0


@given(st.lists(st.tuples(lengths, st.floats(0.0, 1e6)), max_size=30), lengths)
def test_no_history_gives_nonsense(history: list[tuple[int, float]], length: int) -> None:
    mean = SizedMean(1.0, 0.1)
    for size, figure in history:
        mean.add(figure, of(size))
    assert 0.0 <= mean.at(of(length)) < 1e13
