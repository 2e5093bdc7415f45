"""A large model is held once, whatever settings it is offered at, and a small one at each."""

from collections.abc import Sequence

import numpy as np
import pytest

from autoscale.errors import ModelError, TargetError, TargetUnavailable
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale_runtime.backends.base import Answer, Runner
from autoscale_runtime.backends.tensors import Feeds
from autoscale_runtime.device.copies import MOST_SPARE_BYTES, Copies, LazyRunner
from autoscale_runtime.device.resident import Resident
from tests.waiting import until

LARGE = 200 << 20
X: Feeds = {"x": np.ones(3)}


class Echo(Runner):
    """Answers with its input, until it is closed."""

    inputs = outputs = ()

    def __init__(self) -> None:
        self.is_closed = False

    def run(self, output_names: Sequence[str] | None, feeds: Feeds, timeout_s: float | None = None) -> Answer:
        if self.is_closed:
            raise TargetUnavailable("it is closed")
        return Answer([*feeds.values()])

    def close(self) -> None:
        self.is_closed = True


class Shelf:
    """Settings of one model, and what was opened of them."""

    def __init__(self, count: int, nbytes: int) -> None:
        self.opened: list[Echo] = []
        copies = Copies(nbytes)
        self.runners = [LazyRunner(copies, ((), ()), self.open) for _ in range(count)]

    def open(self) -> Runner:
        self.opened.append(Echo())
        return self.opened[-1]

    @property
    def held(self) -> int:
        return sum(not each.is_closed for each in self.opened)

    @property
    def ready(self) -> list[bool]:
        return [each.is_ready for each in self.runners]


def test_nothing_is_loaded_before_it_is_wanted_and_then_once() -> None:
    shelf = Shelf(2, LARGE)
    assert (shelf.opened, shelf.ready) == ([], [True, True])
    for _ in range(3):
        shelf.runners[0].run(None, X)
    assert (len(shelf.opened), shelf.ready) == (1, [True, False])


@pytest.mark.parametrize(("nbytes", "most"), [(LARGE, 1), (MOST_SPARE_BYTES, 2), (MOST_SPARE_BYTES // 3, 4), (1000, 4)])
def test_what_copies_beyond_the_first_take_is_bounded(nbytes: int, most: int) -> None:
    shelf, held = Shelf(4, nbytes), []
    for _ in range(2):
        for runner in shelf.runners:
            runner.run(None, X)
            held.append(shelf.held)
    assert max(held) == most


def test_a_query_that_meets_a_copy_let_go_loads_it_again() -> None:
    shelf = Shelf(2, LARGE)
    one, other = shelf.runners
    before = one.load()
    other.run(None, X)
    assert isinstance(before, Echo) and before.is_closed
    assert one.run(None, X).outputs[0] is X["x"]
    assert shelf.held == 1


def test_what_was_closed_stays_closed() -> None:
    shelf = Shelf(2, LARGE)
    for runner in shelf.runners:
        runner.run(None, X)
        runner.close()
        runner.close()
        with pytest.raises(TargetUnavailable, match="was closed"):
            runner.run(None, X)
    assert shelf.held == 0


def test_one_that_cannot_be_loaded_is_a_target_that_fails() -> None:
    def broken() -> Runner:
        raise ModelError("no licence")

    copies = Copies(LARGE)
    wrong, right = LazyRunner(copies, ((), ()), broken), LazyRunner(copies, ((), ()), Echo)
    with pytest.raises(TargetError, match="cannot be loaded: no licence"):
        wrong.run(None, X)
    assert right.is_ready
    right.run(None, X)


def forecast(*energy_j: float) -> Forecast:
    figures = np.array(energy_j)
    return Forecast(np.full(figures.size, 0.01), figures, figures, np.full(figures.size, np.nan))


def test_another_setting_is_loaded_once_what_it_would_have_saved_has_paid_for_it() -> None:
    shelf = Shelf(2, LARGE)
    shelf.runners[0].load()
    resident = Resident(dict(enumerate(shelf.runners)), lambda _, __: 10.0, lambda _: True)
    for _ in range(10):
        resident.weigh(forecast(2.0, 1.0), Goal())
        assert shelf.ready == [True, False]
    resident.weigh(forecast(2.0, 1.0), Goal())
    until(lambda: shelf.ready == [False, True])
    for _ in range(50):
        resident.weigh(forecast(2.0, 1.0), Goal())
    assert (len(shelf.opened), shelf.held) == (2, 1)


def test_a_gain_that_comes_and_goes_pays_for_nothing() -> None:
    shelf = Shelf(2, LARGE)
    shelf.runners[0].load()
    resident = Resident(dict(enumerate(shelf.runners)), lambda _, __: 3.0, lambda _: True)
    for _ in range(100):
        resident.weigh(forecast(1.0, 1.0), Goal())
    assert len(shelf.opened) == 1


def test_a_setting_that_answers_wrong_is_not_kept() -> None:
    shelf = Shelf(2, LARGE)
    shelf.runners[0].load()
    resident = Resident(dict(enumerate(shelf.runners)), lambda _, __: 0.0, lambda _: False)
    resident.weigh(forecast(2.0, 1.0), Goal())
    until(lambda: len(shelf.opened) == 3 and shelf.ready == [True, False])
    for _ in range(10):
        resident.weigh(forecast(2.0, 1.0), Goal())
    assert (len(shelf.opened), shelf.held) == (3, 1)
