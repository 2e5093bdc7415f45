"""Policies of plain arrays: they compute what they should, keep the agent's promises, and refuse what does not fit."""

from collections.abc import Sequence

import numpy as np
import pytest

from autoscale.agents.base import Agent, make_agent
from autoscale.agents.features import FEATURES, Encoder
from autoscale.agents.frozen import Frozen, FrozenOptions
from autoscale.checks import check_agent
from autoscale.errors import InvalidInput, PolicyError
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import Accuracy, ModelProfile
from autoscale.query.observation import Observation
from tests.autoscale.agents.frozen_parts import WIDTH, arrays_of, trained
from tests.autoscale.agents.toy_parts import FEW, NETWORKS, ToyWorld

POLICIES = ("frozen", "lr", "svr", "svm", "bo", "knn")


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_keeps_the_agents_promises(name: str) -> None:
    check_agent(trained(name))


def a_context(
    goal: Goal | None = None, model: ModelProfile = NETWORKS[0], admitted: Sequence[int] = range(5)
) -> Context:
    return Context(model, Observation(cpu_load=0.3), goal or Goal(), np.array(admitted))


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_perceptron_computes_what_its_layers_say(activation: str) -> None:
    arrays, context = arrays_of("frozen", len(FEW)), a_context()
    agent = Frozen(FEW, FrozenOptions(activation))
    agent.restore(arrays)
    values = Encoder()(context).astype(np.float64)
    for layer in range(2):
        values = values @ arrays[f"weights{layer}"] + arrays[f"bias{layer}"]
        values = np.tanh(values) if activation == "tanh" else np.maximum(values, 0.0)
    scores = values @ arrays["head"][:, 0] + arrays["head_bias"][0]
    assert np.allclose(agent.evaluate(Encoder()(context)), scores, rtol=1e-4, atol=1e-4)
    assert agent.select(context).index == scores.argmax()
    assert agent.select(a_context(admitted=np.argsort(scores)[:3].tolist())).index == np.argsort(scores)[2]


@pytest.mark.parametrize("name", ["svr", "svm", "bo"])
def test_a_kernel_sums_bumps(name: str) -> None:
    arrays, features = arrays_of(name, len(FEW)), Encoder()(a_context())
    arrays["sharpness"] *= 0.1
    agent = make_agent(name, FEW)
    agent.restore(arrays)
    nearness = np.exp(-np.square(arrays["sharpness"] * (features - arrays["points"])).sum(axis=1))
    expected = np.einsum("n,nkt->kt", nearness, arrays["dual"]) + arrays["bias"]
    assert np.allclose(agent.evaluate(features), expected, rtol=1e-4, atol=1e-4)  # type: ignore[attr-defined] # a kernel


def test_the_nearest_vote() -> None:
    arrays, context = arrays_of("knn", len(FEW)), a_context()
    agent = make_agent("knn", FEW)
    agent.restore(arrays)
    distances = np.square(arrays["weights"] * (Encoder()(context) - arrays["points"])).sum(axis=1)
    order = distances.argsort()[:5]
    votes = (1.0 / distances[order]) @ arrays["votes"][order]
    assert agent.select(context).index == votes.argmax()


def test_all_vote_where_the_nearest_chose_nothing_admitted() -> None:
    points = np.zeros((20, WIDTH))
    points[:5], votes = Encoder()(a_context()), np.eye(5)[[2] * 5 + [3] * 5 + [1] * 10]
    agent = make_agent("knn", FEW)
    agent.restore({"features": np.array(FEATURES), "points": points, "weights": np.ones(WIDTH), "votes": votes})
    chosen = [agent.select(a_context(admitted=admitted)).index for admitted in (range(5), (0, 1, 3, 4), (0, 3, 4))]
    assert chosen == [2, 1, 3]


def constant_costs(latency_s: Sequence[float], cost: Sequence[float]) -> Agent:
    """A policy that predicts the same whatever it sees."""
    agent = make_agent("lr", FEW)
    head_bias = np.log([latency_s, cost])
    head = np.zeros((WIDTH, 2, len(FEW)))
    agent.restore({"features": np.array(FEATURES), "head": head, "head_bias": head_bias})
    return agent


def test_costs_mean_the_cheapest_in_time() -> None:
    agent = constant_costs([0.01, 0.02, 0.2, 0.04, 0.3], [5.0, 4.0, 1.0, 3.0, 2.0])
    assert agent.select(a_context(Goal(latency_s=0.05))).index == 3
    assert agent.select(a_context(Goal(latency_s=np.inf))).index == 2
    assert agent.select(a_context(Goal(latency_s=0.001))).index == 2
    assert agent.select(a_context(Goal(latency_s=0.05), admitted=[0, 1])).index == 1


def test_a_known_accuracy_below_the_floor_is_left_out() -> None:
    """FEW are fp32, int8, fp16, int8, fp32; int8 is known to be worse, fp16 is not known."""
    accuracies = {"fp32": Accuracy(0.7, "a test"), "int8": Accuracy(0.6, "a test")}
    model = ModelProfile("measured", accuracies=accuracies)
    agent = constant_costs([0.01] * 5, [5.0, 1.0, 3.0, 2.0, 4.0])
    assert agent.select(a_context(Goal(min_accuracy=0.5), model)).index == 1
    assert agent.select(a_context(Goal(min_accuracy=0.65), model)).index == 2
    assert agent.select(a_context(Goal(min_accuracy=0.9), model, [0, 1, 3])).index == 0


@pytest.mark.parametrize("name", POLICIES)
def test_untrained_it_follows_the_forecast(name: str) -> None:
    world, agent = ToyWorld(FEW), make_agent(name, FEW)
    context = world.observe(NETWORKS[0])
    assert agent.select(context).index == world.best(context)
    assert agent.state() == {}
    with pytest.raises(InvalidInput, match=rf"'{name}' was not trained, and this world has no forecast"):
        agent.select(a_context())


@pytest.mark.parametrize("name", POLICIES)
def test_arrays_that_do_not_fit_are_refused(name: str) -> None:
    good = arrays_of(name, len(FEW))
    for key in good.keys() - {"features"}:
        for bad in ({**good, key: good[key][:-1]}, {each: good[each] for each in good if each != key}):
            agent = make_agent(name, FEW)
            if name == "knn" and key == "points" and len(bad) == len(good):
                bad["points"] = bad["points"][:, :-1]
            with pytest.raises(PolicyError):
                agent.restore(bad)
            assert agent.state() == {}


@pytest.mark.parametrize("bad", [np.full((2, 5), np.inf), np.full((2, 5), "a"), np.array(0.0)])
def test_what_is_no_number_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(PolicyError, match="its arrays do not make a 'lr' of 5 targets: 'head_bias'"):
        make_agent("lr", FEW).restore({**arrays_of("lr", len(FEW)), "head_bias": bad})


def test_other_features_are_refused() -> None:
    arrays = {**arrays_of("lr", len(FEW)), "features": np.array(FEATURES[::-1])}
    with pytest.raises(PolicyError, match="trained on other features"):
        make_agent("lr", FEW).restore(arrays)


def test_unknown_meanings_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"unknown activation 'tan' \(did you mean 'tanh'\?\)"):
        FrozenOptions(activation="tan")
    with pytest.raises(InvalidInput, match=r"unknown outputs 'cost'"):
        FrozenOptions(outputs="cost")


def test_nothing_in_it_learns() -> None:
    agent, forecast = trained("frozen")(FEW, 0), Forecast(*np.full((4, 5), 0.5))
    context = Context(NETWORKS[0], Observation(), Goal(), np.arange(5), lambda: forecast)
    before = {name: array.copy() for name, array in agent.state().items()}
    for index in range(5):
        agent.learn(context, index, None, -1.0)  # type: ignore[arg-type] # it must not even look
    assert all(np.array_equal(array, agent.state()[name]) for name, array in before.items())
