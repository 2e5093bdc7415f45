"""The one loop closes: what was learned in the simulator is what a session on a device goes on with.

Trained for the session's own targets, an agent chooses in a session as it does in the simulator, query by query.
Trained for others, each of the session's targets is worth what the one it was started from was worth.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autoscale.agents.base import Agent
from autoscale.agents.policies import load_policy, save_policy
from autoscale.agents.q_learning import QLearning, QLearningOptions
from autoscale.agents.reward import MISS_PENALTY, reward
from autoscale.errors import PolicyError
from autoscale.profiles import DeviceProfile, load_device
from autoscale.profiles.model_profile_codec import network_text
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.record import Record
from autoscale_envs import SimWorld, Training, WorldOptions, train
from autoscale_runtime import Session
from autoscale_runtime.backends.cpu import usable_cores
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.server.server import Server, serve
from tests.runtime.session_parts import QUIET, network, repository, rows, written

X = {"x": rows(3)}
GOAL = Goal(objective="energy", latency_s=0.05)
QUERIES = 400
HERE = tuple(
    f"device:cpu/fp32@{count}t"
    for count in sorted({1 << i for i in range(9) if 1 << i <= usable_cores()} | {usable_cores()})
)
TARGETS = (*HERE, "cloud:cpu/fp32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(repository(tmp_path_factory.mktemp("served"))) as running:
        yield running


@pytest.fixture(scope="module")
def simulated(model: Path, tmp_path_factory: pytest.TempPathFactory) -> WorldOptions:
    """This machine as a simulated one, asked for the network of the file, with a server in the cloud."""
    file = tmp_path_factory.mktemp("network") / "net.toml"
    file.write_text(network_text(Bundle.read(model).profile, "the file itself"))
    return WorldOptions(
        device=this_machine(),
        scenario="D4",
        networks=(str(file), "mobilenet-v2", "resnet-50"),
        latency_s=GOAL.latency_s,
        settings="threads",
        remotes={"cloud:cpu/fp32": "gpu-server"},
    )


def this_machine() -> DeviceProfile:
    """A laptop with as many cores as this process may use, and no other processor; the session's model is fp32."""
    laptop = load_device("laptop")
    return replace(
        laptop,
        processors={"cpu": replace(laptop.processors["cpu"], cores=usable_cores(), precisions=("fp32",))},
    )


def policy(name: str, options: WorldOptions, path: Path) -> Path:
    agent = train(Training(name, options), QUERIES)
    assert agent is not None
    save_policy(agent, path)
    return path


def names(agent: Agent) -> tuple[str, ...]:
    return tuple(str(target) for target in agent.targets)


@pytest.mark.parametrize("name", ["q-learning", "corrector", "knn"])
def test_with_the_same_targets_it_chooses_the_same(
    name: str, model: Path, server: Server, simulated: WorldOptions, tmp_path: Path
) -> None:
    if name == "knn":
        pytest.importorskip("sklearn")
    file = policy(name, simulated, tmp_path / "policy.npz")
    twin = load_policy(file)
    with Session(model, GOAL, remotes={"cloud": server.address}, agent=file, options=QUIET) as session:
        assert session.policy_transfer is None
        assert names(twin) == names(session.agent) == TARGETS
        world, chosen = SimWorld(simulated, seed=1), set()
        for _ in range(200):
            context = world.observe()
            expected = twin.select(context)
            assert session.agent.select(context) == expected
            chosen.add(expected.index)
            outcome = world.perform(None, context, expected).outcome
            for agent in (twin, session.agent):
                agent.learn(context, expected.index, outcome, -1.0)
        assert len(chosen) > 1


def test_a_session_decides_as_the_policy_would_and_learns_on(
    model: Path, server: Server, simulated: WorldOptions, tmp_path: Path
) -> None:
    """A real model, a real server: what each record saw, the simulator's agent is shown, and must choose the same."""
    file = policy("q-learning", simulated, tmp_path / "policy.npz")
    twin, records = load_policy(file), list[Record]()
    options = replace(QUIET, on_record=records.append)
    with Session(model, GOAL, remotes={"cloud": server.address}, agent=file, options=options) as session:
        session.warm_up(X)
        for _ in range(60):
            session.run(None, X)
        profile, learned = session.bundle.profile, session.agent.state()
        lessons = session.calibration.lessons
    actions = np.arange(len(twin.targets))
    for index, outcome in lessons:  # what the session tried before its first query
        context = Context(profile, records[0].observation, GOAL, actions)
        twin.learn(context, index, outcome, reward(outcome, GOAL, reference_of(records[0])))
    for record in records:
        decision = record.decision
        context = Context(profile, record.observation, record.goal, actions)
        choice = twin.select(context)
        assert (twin.targets[choice.index], choice.probability) == (decision.chosen, decision.probability)
        assert not decision.did_fallback
        twin.learn(context, choice.index, decision.outcome, decision.reward)
    assert all(np.array_equal(twin.state()[each], learned[each]) for each in learned)


def reference_of(record: Record) -> float:
    """The unit of the session's rewards."""
    outcome, earned = record.decision.outcome, record.decision.reward
    return -outcome.objective_value(record.goal) / (earned + MISS_PENALTY * outcome.is_late(record.goal))


@pytest.mark.parametrize("device", ["mi8pro", "laptop"])
def test_with_other_targets_each_starts_from_the_one_most_like_it(
    device: str, model: Path, server: Server, simulated: WorldOptions, tmp_path: Path
) -> None:
    """Trained by DVFS steps beside the paper's tablet and server: values go with the targets they belong to."""
    elsewhere = replace(simulated, device=device, settings="dvfs", remotes=None)
    file = policy("q-learning", elsewhere, tmp_path / "policy.npz")
    learned = load_policy(file)
    with Session(model, GOAL, remotes={"cloud": server.address}, agent=file, options=QUIET) as session:
        origins = session.policy_transfer
        assert origins is not None and tuple(str(each) for each in origins) == TARGETS
        assert [*map(str, origins.values())] == [*steps_of(learned), "cloud:cpu/fp32"]
        indices = np.array([learned.targets.index(each) for each in origins.values() if each is not None])
        old, new = greedy(learned), greedy(session.agent)
        world, seen = SimWorld(simulated, seed=1), set()
        for _ in range(300):
            context = world.observe()
            there = Context(context.model, context.observation, context.goal, np.unique(indices))
            choice = new.select(context)
            assert origins[new.targets[choice.index]] == old.targets[old.select(there).index]
            seen.add(choice.index)
            world.perform(None, context, choice)
        session.run(None, X)
    with pytest.raises(PolicyError, match="was made for"):
        Session(model, GOAL, remotes={"cloud": server.address}, agent=file, options=replace(QUIET, policy="exact"))


def steps_of(learned: Agent) -> list[str]:
    """Of the CPU's clock steps in fp32, those at the same share of the way up as this machine's thread counts."""
    steps = sorted(
        (target for target in learned.targets if str(target).startswith("device:cpu/fp32")),
        key=lambda target: target.frequency_hz or 0,
    )
    shares = np.linspace(0.0, 1.0, len(HERE)) if len(HERE) > 1 else [1.0]
    return [str(min(steps, key=lambda each: abs(steps.index(each) / (len(steps) - 1) - share))) for share in shares]


def greedy(agent: Agent) -> QLearning:
    """The same table without exploring."""
    heir = QLearning(agent.targets, QLearningOptions(epsilon=0.0))
    heir.restore(agent.state())
    return heir
