"""A session takes any policy file: as it is for its own targets, by transfer for others, and it says what it did."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.agents.base import Agent, Arrays, make_agent
from autoscale.agents.frozen import FrozenPolicy
from autoscale.agents.policies import save_policy
from autoscale.agents.q_learning import QLearning
from autoscale.agents.transfer import counterparts
from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale.query.target import Target
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.backends.cpu import cpu_targets
from tests.agent_names import every_agent
from tests.autoscale.agents.frozen_parts import arrays_of
from tests.autoscale.agents.toy_parts import Run, ToyWorld
from tests.runtime.session_parts import QUIET, network, rows, written

X = {"x": rows(3)}
CLOUD = Target.parse("cloud:cpu/fp32")
PHONE = (*load_device("mi8pro").targets(), Target.parse("edge:tab-s6:npu/int8"), CLOUD)
"""As the simulator has them: by DVFS step."""
NOBODY = {"cloud": "127.0.0.1:9", "edge:tab": "127.0.0.1:9"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


def learned(name: str, targets: tuple[Target, ...]) -> Agent:
    agent = make_agent(name, targets)
    if isinstance(agent, FrozenPolicy):
        agent.restore(arrays_of(name, len(targets)))
    else:
        Run(ToyWorld(targets), agent, 200)
    return agent


def saved(agent: Agent, folder: Path) -> Path:
    save_policy(agent, folder / "policy.npz")
    return folder / "policy.npz"


@pytest.mark.parametrize("name", every_agent())
def test_every_kind_of_policy_trained_for_a_phone_runs_here(path: Path, tmp_path: Path, name: str) -> None:
    policy = saved(learned(name, PHONE), tmp_path)
    options = replace(QUIET, timeout_s=0.2)
    with Session(path, remotes=NOBODY, agent=policy, options=options) as session:
        assert session.agent.name == name
        assert session.policy_transfer is not None
        assert tuple(session.policy_transfer) == session.agent.targets == session.targets
        for _ in range(5):
            session.run(None, X)


@pytest.mark.parametrize("name", every_agent())
def test_every_kind_of_policy_for_these_targets_is_taken_as_it_is(path: Path, tmp_path: Path, name: str) -> None:
    with Session(path, remotes=NOBODY, options=QUIET) as session:
        targets = session.targets
    agent = learned(name, targets)
    for policy in ("transfer", "exact"):
        options = replace(QUIET, policy=policy)
        with Session(path, remotes=NOBODY, agent=saved(agent, tmp_path), options=options) as session:
            assert session.policy_transfer is None
            _same(session.agent.state(), agent.state())


def _same(one: Arrays, other: Arrays) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name])


def test_what_was_learned_starts_what_is_alike_and_that_is_reported(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agent = learned("q-learning", PHONE)
    assert isinstance(agent, QLearning)
    with (
        caplog.at_level(logging.WARNING, "autoscale.session"),
        Session(path, remotes=NOBODY, agent=saved(agent, tmp_path), options=QUIET) as session,
    ):
        origins, heir = session.policy_transfer, session.agent
        assert isinstance(heir, QLearning) and heir.again is not None
        assert origins is not None
        assert (origins[CLOUD], origins[Target.parse("edge:tab:cpu/fp32")]) == (CLOUD, None)
        source, _ = counterparts(PHONE, session.targets)
        for column, (target, origin) in enumerate(origins.items()):
            if origin is not None:
                assert origin == PHONE[source[column]]
                kept, own = agent.table[:, PHONE.index(origin)], heir.table[:, column]
                np.testing.assert_array_equal(own[~heir.again[:, column]], kept[~heir.again[:, column]])
                kinds = [(each.place, each.processor, each.precision) for each in (target, origin)]
                assert kinds[0] == kinds[1]
        highest = max(cpu_targets("fp32"), key=lambda each: each.threads or 0)
        assert origins[highest] == max(
            (each for each in PHONE if (each.processor, each.precision) == ("cpu", "fp32") and not each.is_remote),
            key=lambda each: each.frequency_hz or 0,
        )
    [message] = [record.message for record in caplog.records]
    assert f"{CLOUD} from {CLOUD}" in message
    assert "afresh: edge:tab:cpu/fp32" in message


@pytest.mark.parametrize("policy", ["transfer", "exact"])
@pytest.mark.parametrize("name", every_agent())
def test_the_same_targets_in_another_order_are_no_others(path: Path, tmp_path: Path, name: str, policy: str) -> None:
    """A session has its remotes as they were named, the simulator those on the edge first."""
    with Session(path, remotes=NOBODY, options=QUIET) as session:
        backwards = session.targets[::-1]
    agent, options = learned(name, backwards), replace(QUIET, policy=policy)
    with Session(path, remotes=NOBODY, agent=saved(agent, tmp_path), options=options) as session:
        assert session.policy_transfer is None
        state = session.agent.state()
    for each, array in agent.state().items() if not agent.is_fixed else ():  # a rule has learned nothing
        np.testing.assert_array_equal(state[each], array[..., ::-1] if each in agent.per_target else array)


def test_a_transferred_policy_is_saved_as_this_sessions_own(path: Path, tmp_path: Path) -> None:
    with Session(path, agent=saved(learned("corrector", PHONE), tmp_path), options=QUIET) as session:
        session.run(None, X)
        session.settle()
        session.save_policy(tmp_path / "own.npz")
        state = session.agent.state()
    with Session(path, agent=tmp_path / "own.npz", options=replace(QUIET, policy="exact")) as session:
        _same(session.agent.state(), state)


def test_a_pinned_session_needs_no_policy(path: Path, tmp_path: Path) -> None:
    options = replace(QUIET, target="device:cpu/fp32@1t")
    with Session(path, agent=saved(learned("q-learning", PHONE), tmp_path), options=options) as session:
        assert session.policy_transfer is None
        session.run(None, X)


def test_what_to_do_with_others_policies_is_one_of_two_things() -> None:
    with pytest.raises(InvalidInput, match=r"unknown policy 'exactly' \(did you mean 'exact'\?\)"):
        SessionOptions(policy="exactly")
