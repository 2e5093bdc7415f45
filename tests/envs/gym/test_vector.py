import copy
import gc
import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

from autoscale.errors import InvalidInput, InvalidTarget
from autoscale_envs.gym.env import EdgeInferenceEnv
from autoscale_envs.gym.vector import EdgeInferenceVectorEnv
from autoscale_envs.variance.draws import QUERIES_OF_FEW
from autoscale_envs.worlds import ahead, world
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld
from tests.envs.gym.env_parts import check_all_the_same
from tests.waiting import until

INFOS = ("energy_j", "latency_s", "carbon_g", "qos_violation", "accuracy_violation", "did_fallback", "oracle_action")


@pytest.mark.parametrize(
    ("scenario", "is_cold"),
    [("D3", False), ("D4", False), ("D7", False), ("D8", False), ("S6", False), ("S1", True), ("D8", True)],
)
def test_sub_environments_are_the_scalar_ones_to_the_last_bit(scenario: str, is_cold: bool) -> None:
    count, queries = 3, 70
    settings = {"device": "moto-x-force", "scenario": scenario, "queries": queries, "oracle": True, "min_accuracy": 0.7}
    settings["cold_start"] = is_cold
    vector = EdgeInferenceVectorEnv(count, **settings)
    scalars = [EdgeInferenceEnv(**settings) for _ in range(count)]
    observations, _ = vector.reset(seed=7)
    assert (observations == [env.reset(seed=7 + i)[0] for i, env in enumerate(scalars)]).all()
    is_over, rng = [False] * count, np.random.default_rng(0)
    for _ in range(3 * queries):
        actions = rng.integers(0, len(vector.targets), count)
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        for i, env in enumerate(scalars):
            if is_over[i]:
                expected, earned, over = env.reset()[0], 0.0, False
                assert not infos["_energy_j"][i]
            else:
                expected, earned, _, over, info = env.step(actions[i])
                assert [info[name] for name in INFOS] == [infos[name][i] for name in INFOS]
                assert (info["action_mask"] == infos["action_mask"][i]).all()
            assert (observations[i] == expected).all()
            assert (rewards[i], truncated[i], terminated[i]) == (earned, over, False)
            is_over[i] = over


def test_environments_out_of_step_are_the_scalar_ones_too() -> None:
    vector, scalar = EdgeInferenceVectorEnv(2, scenario="D4"), EdgeInferenceEnv(scenario="D4")
    vector.reset(seed=0)
    for _ in range(10):
        vector.step(np.array([60, 60]))
    vector.reset(seed=[None, 9], options={"reset_mask": np.array([False, True])})
    scalar.reset(seed=9)
    for _ in range(130):
        observations, rewards, *_ = vector.step(np.array([60, 3]))
        observation, reward, *_ = scalar.step(3)
        assert (observations[1] == observation).all() and rewards[1] == reward


def test_same_seed_same_episode_other_seed_another() -> None:
    def play(seed: int) -> list[float]:
        env = EdgeInferenceEnv(scenario="D4")
        env.reset(seed=seed)
        return [env.step(action)[1] for action in range(66)]

    assert play(1) == play(1) != play(2)


def test_another_world_of_that_seed_is_the_same() -> None:
    parameters = make_parameters(WorldOptions(scenario="D2"))
    first, second = SimWorld(parameters, seed=3), SimWorld(parameters, seed=3)
    assert repr(first.observe().observation) == repr(second.observe().observation)
    assert first.truth().energy_j.tolist() == second.truth().energy_j.tolist()


@pytest.mark.parametrize("actions", [[0, 66], [-1, 0], [0], [0.5, 1.0]])
def test_bad_actions_are_refused(actions) -> None:
    env = EdgeInferenceVectorEnv(2)
    env.reset(seed=0)
    with pytest.raises(InvalidTarget, match="allowed"):
        env.step(np.array(actions))


@pytest.mark.parametrize("actions", [[0], [0, 0, 0], [0.5, 1.0]])
def test_bad_actions_are_refused_where_episodes_have_ended_too(actions) -> None:
    env = EdgeInferenceVectorEnv(2, queries=1)
    env.reset(seed=0)
    env.step(np.array([0, 0]))
    with pytest.raises(InvalidTarget, match="allowed"):
        env.step(np.array(actions))


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("scenario", ["D4", "D5", "D8"])
def test_it_is_gymnasiums_own_vector_environment_to_the_last_bit(scenario: str, mode: str) -> None:
    settings = {"scenario": scenario, "queries": 40, "device": "s10e"}
    native = EdgeInferenceVectorEnv(3, autoreset_mode=mode, **settings)
    sync = SyncVectorEnv([lambda: EdgeInferenceEnv(**settings)] * 3, autoreset_mode=mode)
    rng = np.random.default_rng(1)
    mine, theirs = native.reset(seed=5), sync.reset(seed=5)
    again = {"seed": [None, 8, None], "options": {"reset_mask": np.array([False, True, True])}}
    for step in range(100):
        assert (mine[0] == theirs[0]).all()
        check_infos(mine[-1], theirs[-1])
        if step == 25 or (mode == "Disabled" and mine[3:4] and mine[3].any()):
            if step != 25:
                again["options"] = {"reset_mask": mine[3]}
            mine, theirs = native.reset(**copy.deepcopy(again)), sync.reset(**copy.deepcopy(again))
            assert (mine[0] == theirs[0]).all()
        actions = rng.integers(0, len(native.targets), 3)
        mine, theirs = native.step(actions), sync.step(actions)
        assert all((one == other).all() for one, other in zip(mine[1:4], theirs[1:4], strict=True))


def check_infos(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in {*theirs} - {"target", "_target"}:
        if name == "final_info":
            check_infos(mine[name], theirs[name])
        elif not name.startswith("_"):
            asked = np.flatnonzero(theirs[f"_{name}"])
            assert mine[f"_{name}"][asked].all()
            assert all((mine[name][i] == theirs[name][i]).all() for i in asked), name
    told = {name for name, value in mine.items() if name.startswith("_") and value.any()}
    assert told <= {*theirs} and all((mine[name] <= theirs[name]).all() for name in told - {"_action_mask"})


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_what_a_step_gave_stays_as_it_was(mode: str) -> None:
    env = EdgeInferenceVectorEnv(2, queries=3, autoreset_mode=mode)
    env.reset(seed=0)
    given = [env.step(np.array([60, 0])) for _ in range(7)]
    ends = [2, 6] if mode == "NextStep" else [2, 5]
    assert [step for step, each in enumerate(given) if each[3].all()] == ends


def test_ended_episodes_that_nobody_resets_are_refused() -> None:
    env = EdgeInferenceVectorEnv(2, queries=1, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step(np.array([60, 60]))
    with pytest.raises(InvalidInput, match=r"episodes of \[0, 1\] have ended; allowed"):
        env.step(np.array([60, 60]))
    with pytest.raises(InvalidInput, match="unknown autoreset mode 'same'"):
        EdgeInferenceVectorEnv(2, autoreset_mode="same")


def test_many_environments_are_the_scalar_ones_too() -> None:
    """Whose queries are made in larger blocks."""
    vector, scalar = EdgeInferenceVectorEnv(70, scenario="D7"), EdgeInferenceEnv(scenario="D7")
    vector.reset(seed=0)
    scalar.reset(seed=69)
    for step in range(300):
        observations, rewards, *_ = vector.step(np.full(70, step % 66))
        observation, reward, *_ = scalar.step(step % 66)
        assert (observations[69] == observation).all() and rewards[69] == reward


@pytest.fixture
def makes_ahead(monkeypatch: pytest.MonkeyPatch) -> Callable[..., EdgeInferenceVectorEnv]:
    """An environment whose queries another process makes, which is ready, and whose steps are compiled."""
    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no unnamed memory to share")
    monkeypatch.setattr(ahead, "FEWEST", 4)
    monkeypatch.setattr(world, "ENOUGH_QUERIES", QUERIES_OF_FEW)
    monkeypatch.setattr(ahead.os, "sched_getaffinity", lambda process: {0, 1})

    def env(count: int = 4, **settings: Any) -> EdgeInferenceVectorEnv:
        made = EdgeInferenceVectorEnv(count, **settings)
        made.reset(seed=3)
        for _ in range(QUERIES_OF_FEW):
            made.step(np.full(count, 60))
        until(made._world.streams.is_ahead)
        return made

    return env


def one_process(count: int, **settings: Any) -> EdgeInferenceVectorEnv:
    """The same without, as far as that one is."""
    env = EdgeInferenceVectorEnv(count, **settings)
    env._world.streams._has_tried, env._world._may_compile = True, False
    env.reset(seed=3)
    for _ in range(QUERIES_OF_FEW):
        env.step(np.full(count, 60))
    return env


def test_blocks_made_ahead_change_nothing(makes_ahead) -> None:
    """Episodes end within blocks, some environments are begun anew alone, and it is copied in the midst of all."""
    settings = {"scenario": "D8", "queries": 400}
    env, alone = makes_ahead(6, **settings), one_process(6, **settings)
    check_all_the_same(env, alone, 500)
    env = copy.deepcopy(env)
    check_all_the_same(env, alone, 333)
    env = pickle.loads(pickle.dumps(env))
    check_all_the_same(env, alone, 267)
    for steps in (256, 600):
        again = {"seed": [None, 9, None, None, None, None], "options": {"reset_mask": np.arange(6) == 1}}
        assert (env.reset(**again)[0] == alone.reset(**again)[0]).all()
        check_all_the_same(env, alone, steps)


def test_where_the_process_is_killed_nothing_changes(makes_ahead) -> None:
    env, alone = makes_ahead(), one_process(4)
    check_all_the_same(env, alone)
    env._world.streams._maker._process.kill()
    check_all_the_same(env, alone, 600)


def test_where_no_process_starts_nothing_changes(makes_ahead, monkeypatch: pytest.MonkeyPatch) -> None:
    env = EdgeInferenceVectorEnv(4)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    env.reset(seed=3)
    for _ in range(QUERIES_OF_FEW):
        env.step(np.full(4, 60))
    assert env._world.streams._maker is None
    check_all_the_same(env, one_process(4))


def test_the_process_ends_with_its_environment(makes_ahead) -> None:
    def ends(env: EdgeInferenceVectorEnv) -> Callable[[], bool]:
        process = env._world.streams._maker._process
        return lambda: process.poll() is not None

    closed, forgotten = makes_ahead(), makes_ahead()
    are_over = ends(closed), ends(forgotten)
    closed.close()
    closed.step(np.full(4, 60))
    del forgotten
    gc.collect()
    assert all(each() for each in are_over)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_goes_on_by_itself(makes_ahead) -> None:
    env, alone = makes_ahead(), one_process(4)
    check_all_the_same(env, alone, 300)
    child = os.fork()
    try:
        check_all_the_same(env, alone, 600)
    finally:
        if child == 0:
            os._exit(sys.exc_info()[0] is not None)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("options", [{"mask": [True]}, {"reset_mask": [True]}, {"reset_mask": [0, 1]}, 5])
def test_reset_options_it_does_not_know_are_refused(options: Any) -> None:
    with pytest.raises(InvalidInput, match="allowed"):
        EdgeInferenceVectorEnv(2).reset(options=options)


@pytest.mark.parametrize("seed", [[1, 2, 3], -1, 1.5, "ab", [1, -1], [True, 2], {0: 1, 1: 2}])
def test_bad_seeds_are_refused(seed: Any) -> None:
    env = EdgeInferenceVectorEnv(2)
    before = copy.deepcopy(env)
    with pytest.raises(InvalidInput, match=r"seed .*allowed"):
        env.reset(seed=seed)
    assert (env.reset()[0] == before.reset()[0]).all()


@pytest.mark.parametrize("count", [0, 2.0, "2", True, None])
def test_bad_sizes_are_refused(count: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"num_envs is {count!r}.*allowed"):
        EdgeInferenceVectorEnv(count)


def test_a_picture_of_many_is_refused_and_a_reset_of_none_changes_nothing() -> None:
    with pytest.raises(InvalidInput, match="render_mode is 'rgb_array'; allowed: None"):
        EdgeInferenceVectorEnv(2, render_mode="rgb_array")  # type: ignore[arg-type]
    env = EdgeInferenceVectorEnv(2)
    assert (env.reset(seed=0)[0] == env.reset(options={"reset_mask": np.zeros(2, dtype=np.bool_)})[0]).all()
