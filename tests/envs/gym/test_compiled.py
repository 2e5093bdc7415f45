import copy
import pickle
import sys
from typing import Any

import numpy as np
import pytest

from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.variance.scenarios import SCENARIOS
from autoscale_envs.worlds import loops, world
from tests.envs.gym.env_parts import check_all_the_same

pytest.importorskip("llvmlite")

COUNT = 9
USUAL = {"device": "moto-x-force", "queries": 300, "min_accuracy": 0.7}


@pytest.fixture(autouse=True)
def compiles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "ENOUGH_QUERIES", 1)


def both(**settings: Any) -> tuple[EdgeInferenceVectorEnv, EdgeInferenceVectorEnv]:
    """An environment whose second step is compiled, and one of the same seeds that computes with arrays."""
    one, other = (EdgeInferenceVectorEnv(COUNT, **(USUAL | settings)) for _ in range(2))
    other._world._may_compile = False
    assert (one.reset(seed=3)[0] == other.reset(seed=3)[0]).all()
    return one, other


@pytest.mark.parametrize(
    "settings",
    [
        *({"scenario": each} for each in SCENARIOS),
        {"scenario": "S6", "settings": "threads"},
        {"scenario": "D8", "splits": True, "device": "mi8pro"},
        {"scenario": "D4", "objective": "carbon", "min_accuracy": None},
        {"scenario": "D4", "objective": "latency", "device": "s10e"},
        {"scenario": "D4", "remotes": {}},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_a_compiled_step_is_that_of_arrays_to_the_last_bit(settings: dict[str, Any]) -> None:
    """Episodes end, and some are begun anew alone, so that environments ask out of step."""
    one, other = both(**settings)
    again = {"seed": [None, 8, *[None] * 7], "options": {"reset_mask": np.arange(COUNT) % 3 == 1}}
    check_all_the_same(one, other, 130)
    assert one._world._compiled is not None and other._world._compiled is None
    assert (one.reset(**again)[0] == other.reset(**again)[0]).all()
    check_all_the_same(one, other, 270)


def test_tables_that_no_cache_holds_are_read_by_loops_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "CACHED_BYTES", 0)
    one, other = both(scenario="D7", splits=True, device="mi8pro")
    check_all_the_same(one, other, 100)
    assert one._world._compiled is not None


def test_where_targets_have_to_be_opened_arrays_compute() -> None:
    one, other = both(cold_start=True, scenario="D4")
    check_all_the_same(one, other, 20)
    assert one._world._compiled is None


def test_a_copy_goes_on_alike_and_is_compiled_itself() -> None:
    one, other = both(scenario="D7")
    check_all_the_same(one, other, 100)
    for copied in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        alike = copy.deepcopy(other)
        check_all_the_same(copied, alike, 100)
        assert copied._world._compiled is not None and alike._world._compiled is None
    check_all_the_same(one, other, 100)


def test_a_copy_is_compiled_once_it_has_answered_enough_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks ahead in a copy of a few steps need not wait for that."""
    one, _ = both(scenario="D4")
    actions = np.zeros(COUNT, np.intp)
    one.step(actions)
    assert one._world._compiled is not None
    monkeypatch.setattr(world, "ENOUGH_QUERIES", 2 * COUNT)
    copied = copy.deepcopy(one)
    copied.step(actions)
    assert copied._world._compiled is None
    copied.step(actions)
    assert copied._world._compiled is not None


def test_without_llvmlite_arrays_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    one, other = both(scenario="D4")
    check_all_the_same(one, other, 20)
    assert one._world._compiled is None


def test_integers_of_any_width_and_stride_are_actions() -> None:
    one, other = both(scenario="D4")
    actions = np.random.default_rng(0).integers(0, len(one.targets), (20, 2 * COUNT))
    for row in actions:
        assert (one.step(row[::2].astype(np.int16))[1] == other.step(row[::2])[1]).all()
        assert (one.step(row[::2])[1] == other.step(row[::2])[1]).all()
