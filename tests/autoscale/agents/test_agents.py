"""Every registered agent conforms, and the conformance checks catch what they are for."""

from collections.abc import Sequence

import numpy as np
import pytest

from autoscale.agents.base import Agent, Arrays, Choice, make_agent
from autoscale.agents.q_learning import QLearning, QLearningOptions
from autoscale.checks import check_agent, check_world
from autoscale.errors import InvalidInput, InvalidTarget, PolicyError, UnknownName
from autoscale.loop import Performance
from autoscale.query.context import Context
from autoscale.query.forecast import Forecast
from autoscale.query.goal import Goal
from autoscale.query.model_profile import ModelProfile
from autoscale.query.observation import Observation
from autoscale.query.outcome import Outcome, Split
from autoscale.query.record import Attempt
from autoscale.query.target import Target
from tests.agent_names import every_agent
from tests.autoscale.agents.toy_parts import FEW, MANY, NETWORKS, ToyWorld


@pytest.mark.parametrize("name", every_agent())
def test_registered_agents_conform(name: str) -> None:
    check_agent(lambda targets, seed: make_agent(name, targets, seed))


@pytest.mark.parametrize(
    "options", [QLearningOptions(initial="forecast"), QLearningOptions(epsilon=0.0), QLearningOptions(epsilon=1.0)]
)
def test_q_learning_conforms_with_other_options(options: QLearningOptions) -> None:
    check_agent(lambda targets, seed: QLearning(targets, options, seed=seed))


class Uniform(Agent):
    name = "uniform"

    def select(self, context: Context) -> Choice:
        return Choice(int(self.rng.choice(context.admitted)), 1.0 / len(context.admitted))


def test_an_unregistered_agent_can_be_checked() -> None:
    check_agent(Uniform)


class Anywhere(Uniform):
    def select(self, context: Context) -> Choice:
        return Choice(int(self.rng.integers(len(self.targets))), 1.0)


class Boastful(Uniform):
    def select(self, context: Context) -> Choice:
        return Choice(super().select(context).index, 1.0)


class Unseeded(Uniform):
    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets)
        self.rng = np.random.default_rng()


class Meddling(Uniform):
    def select(self, context: Context) -> Choice:
        choice = super().select(context)
        context.admitted[:] = context.admitted[::-1].copy()
        return choice


class Hopeful(Uniform):
    def select(self, context: Context) -> Choice:
        forecast = context.forecast
        if forecast is None:
            raise InvalidInput("no")
        return super().select(context)


class Forgetful(Uniform):
    count = 0

    def select(self, context: Context) -> Choice:
        self.count += 1
        return Choice(int(context.admitted[self.count // 30 % len(context.admitted)]), 1.0)


class Numpyish(Uniform):
    def select(self, context: Context) -> Choice:
        return Choice(context.admitted[0], 1.0)


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        (Anywhere, "admitted"),
        (Boastful, "probability|chance"),
        (Unseeded, "one seed"),
        (Meddling, "changed its context"),
        (Hopeful, "does not say so"),
        (Forgetful, "stated chance"),
        (Numpyish, "no int"),
    ],
)
def test_checks_catch_a_bad_agent(kind: type[Agent], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_agent(lambda targets, seed: kind(targets, seed))


class Amnesiac(Uniform):
    """Learns, but does not say what."""

    def __init__(self, targets: Sequence[Target], seed: int = 0) -> None:
        super().__init__(targets, seed)
        self.liked = 0

    def select(self, context: Context) -> Choice:
        return Choice(int(context.admitted[self.liked % len(context.admitted)]), 1.0)

    def learn(
        self, context: Context, index: int, outcome: Outcome, reward: float, next_context: Context | None = None
    ) -> None:
        self.liked = int(outcome.latency_s * 1e4)


def test_checks_catch_lost_knowledge() -> None:
    with pytest.raises(AssertionError, match="saved and loaded"):
        check_agent(Amnesiac)


def test_toy_worlds_conform() -> None:
    check_world(ToyWorld(FEW, error=0.3, noise=0.1), NETWORKS * 20)
    check_world(ToyWorld(MANY, failures=0.5), NETWORKS * 40)


class Broken(ToyWorld):
    def __init__(self, flaw: str) -> None:
        super().__init__(FEW)
        self.flaw = flaw

    def observe(self, query: ModelProfile) -> Context:
        context = super().observe(query)
        forecast = context.forecast
        assert forecast is not None
        if self.flaw == "outside":
            context.admitted = np.array([len(FEW)])
        elif self.flaw == "empty":
            context.admitted = np.array([], dtype=np.intp)
        elif self.flaw == "nan":
            forecast.latency_s[2] = np.nan
        elif self.flaw == "reference":
            context.reference = 0.0
        return context

    def perform(self, query: ModelProfile, context: Context, choice: Choice) -> Performance:
        performance = super().perform(query, context, choice)
        if self.flaw == "unanswered":
            return Performance(performance.outcome, (Attempt(FEW[0], 0.1, "TIMEOUT", "DeadlineExceeded"),))
        return performance


@pytest.mark.parametrize(
    ("flaw", "complaint"),
    [
        ("outside", "there are 5 targets"),
        ("empty", "at least one"),
        ("nan", r"forecast\.latency_s"),
        ("reference", "reference is 0"),
        ("unanswered", "did not answer"),
    ],
)
def test_checks_catch_a_bad_world(flaw: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_world(Broken(flaw), NETWORKS)


def test_an_unknown_agent_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"'q-lerning'.*did you mean 'q-learning'"):
        make_agent("q-lerning", FEW)


@pytest.mark.parametrize("targets", [(), (FEW[0], FEW[0])])
def test_an_agent_needs_different_targets(targets: tuple[Target, ...]) -> None:
    with pytest.raises(InvalidTarget, match="one or more different"):
        make_agent("q-learning", targets)


@pytest.mark.parametrize("name", ["learning_rate", "discount", "epsilon"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_q_learning_refuses_odd_options(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        QLearningOptions(**{name: value})  # type: ignore[arg-type]  # the names are parametrised


def test_q_learning_follows_its_equation() -> None:
    agent = QLearning(FEW, QLearningOptions(learning_rate=0.5, discount=0.2, epsilon=0.0))
    context = ToyWorld(FEW).observe(NETWORKS[0])
    agent.table[:] = 0.0
    agent.learn(context, 1, Outcome(0.01), -4.0)
    assert agent.table.min() == -2.0
    agent.table[:] = 1.0
    agent.learn(context, 1, Outcome(0.01), -4.0)
    assert agent.table.min() == np.float16(1.0 + 0.5 * (-4.0 + 0.2 * 1.0 - 1.0))
    assert agent.select(context).index != 1


def test_q_learning_bootstraps_from_the_next_context_where_it_is_known() -> None:
    agent = QLearning(FEW, QLearningOptions(learning_rate=1.0, discount=0.5))
    world = ToyWorld(FEW)
    context, following = world.observe(NETWORKS[0]), world.observe(NETWORKS[1])
    agent.table[:] = 0.0
    agent.learn(following, 0, Outcome(0.01), 8.0)
    agent.learn(context, 2, Outcome(0.01), 1.0, following)
    assert np.count_nonzero(agent.table == 5.0) == 1


def test_q_learning_starts_from_the_forecast_in_the_units_of_the_reward() -> None:
    agent = QLearning(FEW, QLearningOptions(initial="forecast", epsilon=0.0))
    world = ToyWorld(FEW)
    for network in NETWORKS * 8:
        context = world.observe(network)
        assert agent.select(context).index == world.best(context)


def test_the_table_is_the_papers_0_4_mb() -> None:
    assert QLearning(MANY).table.nbytes == 3072 * 66 * 2


@pytest.mark.parametrize(("name", "missing"), [("q-learning", "table"), ("corrector", "tree")])
def test_restore_refuses_what_is_not_its_own(name: str, missing: str) -> None:
    agent = make_agent(name, FEW)
    with pytest.raises(PolicyError, match=missing):
        agent.restore({key: value for key, value in agent.state().items() if key != missing})
    with pytest.raises(PolicyError, match=r"needs \("):
        agent.restore(make_agent(name, MANY).state())


def test_restore_refuses_arrays_nobody_asked_for() -> None:
    state: Arrays = {"table": np.zeros(1)}
    with pytest.raises(PolicyError, match="keeps no state"):
        Uniform(FEW).restore(state)
    with pytest.raises(PolicyError, match="needs its choices"):
        make_agent("cloud", FEW).restore(state)
    with pytest.raises(PolicyError, match="needs its choices"):
        make_agent("cloud", FEW).restore({"networks": np.array(["light"]), "chosen": np.array([0])})


STEPS = tuple(
    Target.parse(text)
    for text in ("device:cpu/fp32@800MHz", "device:cpu/fp32@2780MHz", "device:cpu/int8@2780MHz", "cloud:gpu/fp32")
)


def steps_context(admitted: Sequence[int], energy_j: Sequence[float] = (1.0, 4.0, 2.0, 3.0)) -> Context:
    forecast = Forecast(np.full(4, 0.01), np.array(energy_j), np.ones(4), np.full(4, np.nan))
    return Context(NETWORKS[0], Observation(), Goal(), np.array(admitted), lambda: forecast)


def test_device_cpu_fp32_takes_the_highest_setting_whatever_the_forecast() -> None:
    agent = make_agent("device-cpu-fp32", STEPS)
    assert agent.select(steps_context([0, 1, 2, 3])) == Choice(1, 1.0)
    assert agent.select(steps_context([0, 2, 3])).index == 0


@pytest.mark.parametrize("name", ["device-cpu-fp32", "device-best"])
def test_a_fixed_agent_takes_the_best_admitted_where_its_kind_is_not(name: str) -> None:
    targets = (*STEPS, Target.parse("edge:cpu/fp32"))
    forecast = Forecast(np.full(5, 0.01), np.array([1.0, 4.0, 2.0, 3.0, 0.5]), np.ones(5), np.full(5, np.nan))
    context = Context(NETWORKS[0], Observation(), Goal(), np.array([3, 4]), lambda: forecast)
    assert make_agent(name, targets).select(context).index == 4


def test_cloud_falls_to_the_best_admitted_while_its_link_is_masked_and_returns() -> None:
    agent = make_agent("cloud", STEPS)
    assert agent.select(steps_context([0, 1, 2, 3])).index == 3
    assert agent.select(steps_context([0, 1, 2])).index == 0
    assert agent.select(steps_context([0, 1, 2, 3])).index == 3


def test_device_best_stays_with_its_first_choice() -> None:
    agent = make_agent("device-best", STEPS)
    assert agent.select(steps_context([0, 1, 2, 3])).index == 0
    assert agent.select(steps_context([0, 1, 2, 3], energy_j=(9.0, 4.0, 2.0, 3.0))).index == 0


def test_a_baseline_without_its_kind_of_target_says_so() -> None:
    with pytest.raises(InvalidTarget, match="'connected-edge' needs an edge target"):
        make_agent("connected-edge", STEPS)


def test_corrector_survives_a_forecast_of_nothing() -> None:
    forecast = Forecast(np.full(5, 0.01), np.zeros(5), np.zeros(5), np.full(5, np.nan))
    context = Context(NETWORKS[0], Observation(), Goal("carbon"), np.arange(5), lambda: forecast)
    agent = make_agent("corrector", FEW)
    for _ in range(20):
        agent.learn(context, agent.select(context).index, Outcome(0.01, Split(device=0.0)), 0.0)
    assert 0.0 < agent.select(context).probability <= 1.0
