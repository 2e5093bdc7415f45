"""Training: what stops goes on, what goes on is of the same configuration, what is learned starts another device."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autoscale.agents.array_file import write_array_file
from autoscale.agents.base import Agent, make_agent
from autoscale.agents.transfer import transfer
from autoscale.errors import InvalidInput, PolicyError, UnknownName
from autoscale.loop import run_query
from autoscale.profiles import load_device
from autoscale.profiles.link_trace import LinkTrace
from autoscale_envs.training.checkpoint import FORMAT, read_checkpoint, write_checkpoint
from autoscale_envs.training.train import Training, train, trainable
from autoscale_envs.worlds.options import WorldOptions
from autoscale_envs.worlds.parameters import make_parameters
from autoscale_envs.worlds.sim_world import SimWorld

OPTIONS = WorldOptions(scenario="D3", networks=("mobilenet-v2", "resnet-50"), queries=200)


class Stop:
    """A report that ends the training once so many queries are done."""

    def __init__(self, queries: int) -> None:
        self.queries = queries
        self.seen: list[int] = []

    def __call__(self, done: int, reward: float) -> bool:
        self.seen.append(done)
        return done < self.queries


def same(one: Agent | None, other: Agent | None) -> bool:
    assert one is not None
    assert other is not None
    mine, theirs = one.state(), other.state()
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize(
    ("name", "queries", "stop"), [("q-learning", 900, 400), ("corrector", 900, 400), ("knn", 90, 50)]
)
def test_what_stops_goes_on_as_if_it_never_had(name: str, queries: int, stop: int, tmp_path: Path) -> None:
    """At the end of an episode, the 400th query, that is exact; a predictor's samples are exact anywhere."""
    training, path = Training(name, OPTIONS, seed=3), tmp_path / "checkpoint.npz"
    whole = train(training, queries)
    assert train(training, queries, checkpoint=path, report=Stop(stop)) is None
    assert same(train(training, queries, resume=path), whole)


def test_what_stops_within_an_episode_loses_nothing(tmp_path: Path) -> None:
    training, path, stop = Training("q-learning", OPTIONS), tmp_path / "checkpoint.npz", Stop(300)
    train(training, 1000, checkpoint=path, report=stop)
    seen = Stop(10**9)
    resumed = train(training, 1000, resume=path, report=seen)
    assert (stop.seen[-1], seen.seen[0], seen.seen[-1]) == (300, 300, 1000)
    assert resumed is not None


def test_same_seed_same_agent_other_seed_another() -> None:
    first, again, other = (train(Training("q-learning", OPTIONS, seed=seed), 300) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)


def test_checkpoints_come_as_often_as_asked(tmp_path: Path) -> None:
    path, seen = tmp_path / "checkpoint.npz", []

    def report(done: int, reward: float) -> bool:
        seen.append((done, path.stat().st_mtime_ns if path.exists() else 0))
        return True

    train(Training("q-learning", OPTIONS), 1000, checkpoint=path, every=300, report=report)
    written = [done for (done, now), (_, before) in zip(seen[1:], seen, strict=False) if now != before]
    assert written == [300, 600, 900]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (Training("corrector", OPTIONS), r"its agent is 'q-learning', now 'corrector' was asked for"),
        (Training("q-learning", OPTIONS, seed=5), r"its seed is 0, now 5"),
        (
            Training("q-learning", WorldOptions(scenario="S1")),
            r"its networks is .*its queries is.*its scenario",
        ),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(other: Training, what: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    train(Training("q-learning", OPTIONS), 500, checkpoint=path, report=Stop(200))
    before = path.read_bytes()
    with pytest.raises(PolicyError, match=what):
        train(other, 500, resume=path, checkpoint=path)
    assert path.read_bytes() == before


def test_another_trace_is_another_training() -> None:
    traces = [LinkTrace(np.array([0.0, 1.0]), np.array([2e7, rate])) for rate in (1e7, 1e7, 2e7)]
    first, same_again, other = (Training("lr", WorldOptions(trace=trace)).configuration() for trace in traces)
    assert first == same_again
    assert first != other


def test_a_training_goes_on_with_the_same_targets_alone(tmp_path: Path) -> None:
    board = load_device("rpi5")
    options = replace(
        OPTIONS, device="rpi5", settings="threads", remotes={"edge:pi": board, "cloud:gpu/fp32": "gpu-server"}
    )
    training, path = Training("q-learning", options), tmp_path / "checkpoint.npz"
    whole = train(training, 400)
    assert train(training, 400, checkpoint=path, report=Stop(200)) is None
    assert same(train(training, 400, resume=path), whole)
    slower = replace(board, processors={"cpu": replace(board.processors["cpu"], cores=2)})
    for other, what in (
        (replace(options, settings="dvfs"), "its settings is 'threads', now 'dvfs'"),
        (replace(options, remotes={"cloud:gpu/fp32": "gpu-server"}), "its remotes is"),
        (replace(options, remotes={**options.remotes, "edge:pi": slower}), "its remotes is .*profile rpi5"),
    ):
        with pytest.raises(PolicyError, match=what):
            train(Training("q-learning", other), 400, resume=path)


def test_a_checkpoint_from_before_there_were_settings_and_remotes_goes_on(tmp_path: Path) -> None:
    training, path = Training("q-learning", OPTIONS), tmp_path / "checkpoint.npz"
    older = {name: each for name, each in training.configuration().items() if name not in ("settings", "remotes")}
    train(training, 400, checkpoint=path, report=Stop(200))
    now = read_checkpoint(path, training.configuration(), {})
    write_checkpoint(path, replace(now, configuration=older))
    assert same(train(training, 400, resume=path), train(training, 400))


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(PolicyError, match="does not exist"):
        train(Training("q-learning", OPTIONS), 500, resume=path)
    train(Training("q-learning", OPTIONS), 500, checkpoint=path, report=Stop(200))
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(PolicyError, match="is damaged or no checkpoint"):
            train(Training("q-learning", OPTIONS), 500, resume=path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": FORMAT, "configuration": {}}, "is damaged: its header lacks what a checkpoint has"),
        ({"format": FORMAT, "configuration": {}, "done": "x"}, "is damaged: its header lacks what a checkpoint has"),
        ({"format": "autoscale-policy"}, "is no checkpoint of this release"),
    ],
)
def test_a_header_of_something_else_is_refused(header: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_array_file(tmp_path / "c.npz", header, {}, "checkpoint")
    with pytest.raises(PolicyError, match=message):
        read_checkpoint(tmp_path / "c.npz", {}, {})


def test_a_checkpoint_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"checkpoint .*nowhere.c\.npz cannot be written"):
        train(Training("q-learning", OPTIONS), 500, checkpoint=tmp_path / "nowhere" / "c.npz", report=Stop(200))


@pytest.mark.parametrize("queries", [0, -1, 2.5, None])
def test_a_training_has_queries(queries: Any) -> None:
    with pytest.raises(InvalidInput, match=f"queries is {queries}; allowed: a whole number, 1 or more"):
        train(Training("q-learning", OPTIONS), queries)


def test_only_what_learns_can_be_trained() -> None:
    assert {"q-learning", "corrector", "dqn", "ppo", "lr", "svr", "svm", "knn", "bo"} <= {*trainable()}
    with pytest.raises(UnknownName, match=r"unknown agent to train 'q-lerning' \(did you mean 'q-learning'\?\)"):
        train(Training("q-lerning", OPTIONS), 10)
    with pytest.raises(UnknownName, match="'cloud'"):
        train(Training("cloud", OPTIONS), 10)


def test_who_begins_with_what() -> None:
    parameters = make_parameters(OPTIONS)
    start = make_agent("q-learning", parameters.targets)
    with pytest.raises(InvalidInput, match="'knn' cannot begin with another policy"):
        train(Training("knn", OPTIONS), 10, start=start)
    with pytest.raises(InvalidInput, match="'corrector' cannot begin with a policy of 'q-learning'"):
        train(Training("corrector", OPTIONS), 10, start=start)
    with pytest.raises(InvalidInput, match="not both"):
        train(Training("q-learning", OPTIONS), 10, start=start, resume=Path("checkpoint.npz"))


def test_a_phone_that_starts_from_another_one_spends_less() -> None:
    """The first 300 queries of a Galaxy S10e, with the Mi 8 Pro's table and without, over five seeds."""
    means = []
    teacher = train(Training("q-learning", OPTIONS, seed=1), 6000)
    assert teacher is not None
    parameters = make_parameters(WorldOptions(device="s10e", scenario="D3", networks=OPTIONS.networks))
    for seed in range(5):
        for agent in (make_agent("q-learning", parameters.targets, seed), transfer(teacher, parameters.targets, seed)):
            world = SimWorld(parameters, seed)
            means.append(np.mean([run_query(world, agent, None, "AUTO")[2].reward for _ in range(300)]))
    fresh, started = np.reshape(means, (5, 2)).T
    assert started.mean() > 0.8 * fresh.mean()
