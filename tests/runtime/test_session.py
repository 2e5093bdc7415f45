"""The session on this device: a drop-in for ONNX Runtime's, with goals, policies and records."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
import onnxruntime as ort
import psutil
import pytest

from autoscale.agents.base import Agent, Choice, make_agent
from autoscale.carbon import YearlyAverages
from autoscale.errors import (
    FeedError,
    InvalidGoal,
    InvalidInput,
    InvalidTarget,
    ModelError,
    PolicyError,
    ProfileError,
    TargetUnavailable,
    UnknownName,
)
from autoscale.query.context import Context
from autoscale.query.goal import Goal
from autoscale.query.outcome import Method, Outcome
from autoscale.query.record import Record
from autoscale.query.target import Target
from autoscale_runtime import Session
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.models.bundle import Bundle
from tests.runtime.session_parts import OUTPUTS, QUIET, bundle, network, rows, written
from tests.waiting import until

X = rows(3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def reference(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session(path) as session:
        yield session


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """In fp32, right in 90 of 100 cases, and in int8, right in 60."""
    return bundle(tmp_path_factory.mktemp("two"), accuracies=(0.9, 0.6))


def same(one: list[Array], other: list[Array]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", [None, [], ["hidden"], ["hidden", "logits"], ["logits"]])
def test_it_answers_as_onnx_runtime_does(
    session: Session, reference: ort.InferenceSession, names: list[str] | None
) -> None:
    for seed in range(5):
        feeds = {"x": rows(seed + 1, seed)}
        same(session.run(names, feeds), reference.run(names, feeds))


def test_it_takes_the_lists_that_onnx_runtime_takes(session: Session, reference: ort.InferenceSession) -> None:
    feeds = {"x": X.tolist()}
    same(session.run(None, feeds), reference.run(None, feeds))
    with pytest.raises(FeedError, match="no tensor"):
        session.run(None, {"x": [[1.0], [2.0, 3.0]]})  # type: ignore[dict-item]  # a wrong value on purpose


@pytest.mark.parametrize("agent", ["corrector", "device-cpu-fp32"])
def test_values_are_taken_in_any_order_of_their_bytes(path: Path, reference: ort.InferenceSession, agent: str) -> None:
    with Session(path, agent=agent, options=QUIET) as session:
        for _ in range(3):
            same(session.run(None, {"x": X.astype(">f4")}), reference.run(None, {"x": X}))


@pytest.mark.parametrize("wrong", [[[None] * 16], [["1.0"] * 16], [[10**400] * 16], {"a": 1}, {1, 2}])
def test_what_is_no_tensor_is_told(session: Session, wrong: object) -> None:
    with pytest.raises(FeedError, match=r"no tensor|allowed"):
        session.run(None, {"x": wrong})  # type: ignore[dict-item]  # a wrong value on purpose
    with pytest.raises(FeedError, match="no input is named '3'"):
        session.run(None, {3: X})  # type: ignore[dict-item]  # a wrong name on purpose


def test_it_describes_the_model_as_onnx_runtime_does(session: Session, reference: ort.InferenceSession) -> None:
    assert [each.name for each in session.get_inputs()] == [each.name for each in reference.get_inputs()]
    assert [each.name for each in session.get_outputs()] == [each.name for each in reference.get_outputs()]
    assert session.get_inputs()[0].shape == (None, 16)
    assert session.get_outputs()[0].dtype == np.float32


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize(
    ("names", "feeds", "message"),
    [
        (None, {}, r"'x': float32\[\?x16\] is missing"),
        (None, {"y": X}, r"no input is named 'y'.*'x'"),
        (None, {"x": X, "z": X}, "no input is named 'z'"),
        (None, {"x": X.astype(np.float64)}, r"float64\[3x16\]; allowed"),
        (None, {"x": X[:, :4]}, r"float32\[3x4\]; allowed"),
        (["logit"], {"x": X}, r"unknown output 'logit' \(did you mean 'logits'\?\)"),
    ],
)
def test_wrong_feeds_are_reported_and_the_session_goes_on(
    session: Session,
    reference: ort.InferenceSession,
    is_warm: bool,
    names: list[str] | None,
    feeds: dict[str, Array],
    message: str,
) -> None:
    if is_warm:
        session.run(None, {"x": X})
    before = session.last
    with pytest.raises(FeedError, match=message):
        session.run(names, feeds)
    assert session.last is before
    same(session.run(None, {"x": X}), reference.run(None, {"x": X}))


def test_last_says_what_was_decided(session: Session) -> None:
    assert session.last is None
    for _ in range(20):
        session.run(None, {"x": X})
        assert session.last is not None
        last = session.last
        assert last.requested == "AUTO"
        assert last.selected == last.chosen == last.attempts[-1].target
        assert last.selected in session.targets
        assert not last.did_fallback
        assert last.inference_source == "on_device"
        assert last.predicted_latency_s is not None
        assert last.predicted_latency_s > 0.0
        assert last.outcome.latency_s == last.attempts[0].latency_s > 0.0


class Foreseeing(Agent):
    """Chooses the first target, and keeps what was expected of it before it ran."""

    name = "foreseeing"

    def select(self, context: Context) -> Choice:
        assert context.forecast is not None
        self.expected_s = float(context.forecast.latency_s[0])
        return Choice(0, 1.0)


def test_a_prediction_is_made_before_the_query(path: Path) -> None:
    """One that knew the outcome of its own query would be right the first time a network gets slower."""
    with Session(path, options=replace(QUIET, target="device:cpu/fp32@1t")) as session:
        session.agent = agent = Foreseeing(session.targets)
        for count in (3, 3, 20_000):
            session.run(None, {"x": rows(count)})
            assert session.last is not None
            assert session.last.predicted_latency_s == agent.expected_s != session.last.outcome.latency_s


@pytest.mark.parametrize("objective", ["energy", "carbon", "latency"])
def test_every_objective_works(two: Bundle, objective: str) -> None:
    goal = Goal(objective, latency_s=1.0)
    with Session(two, goal, agent="corrector", options=QUIET) as session:
        session.run(None, {"x": X})
        assert session.last is not None
        value = session.last.outcome.objective_value(goal)
        assert value > 0.0
        assert session.last.reward <= -value / 1e6


def test_the_accuracy_floor_rules_int8_out(two: Bundle) -> None:
    with Session(two, Goal(min_accuracy=0.8), options=QUIET) as session:
        ran = {str(_selected(session).precision) for _ in range(60)}
    assert ran == {"fp32"}
    with Session(two, Goal(min_accuracy=0.5), options=QUIET) as session:
        ran = {str(_selected(session).precision) for _ in range(60)}
    assert ran == {"fp32", "int8"}


def _selected(session: Session) -> Target:
    session.run(None, {"x": X})
    assert session.last is not None
    return session.last.selected


def test_a_floor_that_nothing_meets_is_an_error_that_lists_what_there_is(two: Bundle) -> None:
    with pytest.raises(InvalidGoal, match=r"min_accuracy 0\.95.*device:cpu/fp32@1t \(0\.900\).*int8@1t \(0\.600\)"):
        Session(two, Goal(min_accuracy=0.95), options=QUIET)


@pytest.mark.parametrize(
    ("goal", "message"),
    [
        ({"latency_s": float("nan")}, "latency_s is nan"),
        ({"min_accuracy": float("nan")}, "min_accuracy is nan"),
        ({"objective": "energie"}, "did you mean 'energy'"),
    ],
)
def test_a_goal_that_is_none_is_refused(goal: dict[str, float], message: str) -> None:
    with pytest.raises(InvalidGoal, match=message):
        Goal(**goal)  # type: ignore[arg-type]  # wrong values on purpose


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"mode": "ONLY_ON_DEVISE"}, InvalidGoal, "did you mean 'ONLY_ON_DEVICE'"),
        ({"mode": "ONLY_IN_CLOUD"}, InvalidGoal, "no target meets mode ONLY_IN_CLOUD"),
        ({"agent": "q-lerning"}, UnknownName, "did you mean 'q-learning'"),
        ({"agent": "cloud"}, InvalidTarget, "needs a cloud target"),
        ({"agent": "nowhere.npz"}, PolicyError, "nowhere.npz does not exist"),
        ({"remotes": {"clod": "127.0.0.1:1"}}, InvalidTarget, "clod"),
        ({"remotes": {"device": "127.0.0.1:1"}}, InvalidTarget, "no remote target; allowed: 'cloud'"),
        ({"remotes": {"cloud": "here"}}, InvalidInput, "'here' is not an address"),
        ({"options": replace(QUIET, target="device:cpu/fp32@1")}, InvalidTarget, "not a setting|not a target"),
        (
            {"options": replace(QUIET, target="device:cpu/fp32@1001t")},
            InvalidTarget,
            "did you mean 'device:cpu/fp32@",
        ),
        ({"options": replace(QUIET, target="cloud:cpu/fp32")}, InvalidTarget, "unknown target 'cloud:cpu/fp32'"),
        ({"options": replace(QUIET, power_table="mi8")}, UnknownName, "did you mean 'mi8pro'"),
        ({"options": replace(QUIET, power_table=Path("mi8.toml"))}, ProfileError, "mi8.toml cannot be read"),
        ({"options": replace(QUIET, meters=["rappl"])}, UnknownName, "did you mean 'rapl'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left_running(
    path: Path, arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    before = set(threading.enumerate())
    with pytest.raises(error, match=message):
        Session(path, **arguments)  # type: ignore[arg-type]  # wrong values on purpose
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("options", [{"timeout_s": float("nan")}, {"timeout_s": 0.0}, {"seed": -1}, {"hedge": 1}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    [name] = options
    with pytest.raises(InvalidInput, match=f"{name} is .*; allowed"):
        SessionOptions(**options)  # type: ignore[arg-type]  # all of them floats


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "poem.onnx").write_text("roses are red")
    with pytest.raises(ModelError, match=r"poem\.onnx"):
        Session(tmp_path / "poem.onnx")
    with pytest.raises(ModelError, match="does not exist"):
        Session(tmp_path / "none.onnx")


def test_a_pinned_target_gets_every_query(two: Bundle) -> None:
    with Session(two, options=replace(QUIET, target="device:cpu/int8@1t")) as session:
        assert session.targets == (Target.parse("device:cpu/int8@1t"),)
        assert {_selected(session) for _ in range(20)} == set(session.targets)
        assert session.last is not None
        assert session.last.requested == "device:cpu/int8@1t"
        assert session.last.probability == 1.0


def test_a_target_that_disagrees_is_left_out_with_the_reason(tmp_path: Path) -> None:
    with Session(bundle(tmp_path, int8_seed=7), options=QUIET) as session:
        assert {_selected(session).precision for _ in range(60)} == {"fp32"}
        left_out = session.calibration.distrusted
        assert {target.precision for target in left_out} == {"int8"}
        for reason in left_out.values():
            assert "cosine" in reason
            assert "allowed: 0.9 or more" in reason


def test_a_file_that_cannot_be_trusted_answers_nothing_even_where_nothing_else_is_left(tmp_path: Path) -> None:
    model = bundle(tmp_path, int8_seed=7, accuracies=(0.5, 0.9))
    with (
        Session(model, Goal(min_accuracy=0.8), options=QUIET) as session,
        pytest.raises(InvalidGoal, match="no target"),
    ):
        session.run(None, {"x": X})


@pytest.mark.parametrize("agent", ["q-learning", "corrector", "device-best"])
def test_a_policy_goes_on_where_it_was_saved(two: Bundle, tmp_path: Path, agent: str) -> None:
    with Session(two, agent=agent, options=QUIET) as session:
        for _ in range(20):
            session.run(None, {"x": X})
        session.save_policy(tmp_path / "learned.npz")
        learned = session.agent.state()
    with Session(two, agent=tmp_path / "learned.npz", options=QUIET) as again:
        assert again.agent.name == agent
        for name, array in again.agent.state().items():
            np.testing.assert_array_equal(array, learned[name])
        again.run(None, {"x": X})
    with Session(two, agent=str(tmp_path / "learned.npz"), options=QUIET) as by_name:
        by_name.run(None, {"x": X})


def test_a_policy_for_other_targets_where_it_must_be_exact_or_a_damaged_one_is_refused(
    two: Bundle, path: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "learned.npz"
    with Session(two, options=QUIET) as session:
        session.save_policy(policy)
    with pytest.raises(PolicyError, match=r"was made for .*int8.*; this device has"):
        Session(path, agent=policy, options=replace(QUIET, policy="exact"))
    with Session(two, agent=policy, options=replace(QUIET, policy="exact")) as session:
        assert session.policy_transfer is None
    policy.write_bytes(policy.read_bytes()[:-200])
    with pytest.raises(PolicyError, match="damaged"):
        Session(two, agent=policy, options=QUIET)


def test_an_agent_of_ones_own_must_be_for_these_targets(two: Bundle, path: Path) -> None:
    with Session(two, options=QUIET) as session:
        mine = make_agent("device-best", session.targets)
    with Session(two, agent=mine, options=QUIET) as session:
        session.run(None, {"x": X})
        assert session.agent is mine
    with pytest.raises(InvalidInput, match="the agent chooses among"):
        Session(path, agent=mine, options=QUIET)


def test_records_tell_everything_but_what_was_asked(two: Bundle) -> None:
    kept: list[Record] = []
    options = SessionOptions(on_record=kept.append, power_table="mi8pro")
    goal = Goal("carbon", latency_s=0.5)
    with Session(two, goal, options=options) as session:
        for _ in range(30):
            session.run(None, {"x": X})
            last = session.last
            assert kept[-1].decision is last
    assert len(kept) == 30
    times_s = [record.time_s for record in kept]
    assert times_s == sorted(times_s)
    assert times_s[0] > 1.7e9
    for record in kept:
        assert (record.device, record.model, record.goal) == ("mi8pro", "net", goal)
        assert record.observation.memory_load is not None
        assert 0.0 < record.decision.probability <= 1.0
        outcome = record.decision.outcome
        assert outcome.accuracy == (0.9 if record.decision.selected.precision == "fp32" else 0.6)
        assert outcome.carbon_operational_g.device == pytest.approx(
            outcome.energy_j.device * YearlyAverages().at("World", 0.0).g_per_j.mid
        )
        assert outcome.carbon_embodied_g.device > 0.0
        assert _figures(outcome) == set(outcome.methods)
        assert set(outcome.methods.values()) <= set(Method)
        assert outcome.methods["latency_s"] is Method.MEASURED
        assert "array(" not in repr(record)


def _figures(outcome: Outcome) -> set[str]:
    """Names of the figures that are not nothing."""
    splits = ("energy_j", "carbon_operational_g", "carbon_embodied_g")
    names = [f"{split}.{spender}" for split in splits for spender in ("device", "network", "remote")]
    spent = {name for name in names if attrgetter(name)(outcome)}
    return spent | {"latency_s"} | ({"accuracy"} if outcome.accuracy is not None else set())


class Counting(Agent):
    """Chooses the first target and counts, as unsafely as it can, what it learns."""

    name = "counting"
    learned = 0

    def select(self, context: object) -> Choice:
        return Choice(0, 1.0)

    def learn(self, *_: object) -> None:
        seen = self.learned
        threading.Event().wait(0.0)
        self.learned = seen + 1


def test_threads_may_share_one(two: Bundle, reference: ort.InferenceSession) -> None:
    kept: list[Record] = []
    with Session(two, options=replace(QUIET, target="device:cpu/fp32@1t", on_record=kept.append)) as session:
        session.agent = counting = Counting(session.targets)
        feeds = [{"x": rows(1 + seed % 7, seed)} for seed in range(200)]
        right = [reference.run(None, each) for each in feeds]
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(lambda: [session.run(None, each) for each in feeds]) for _ in range(4)]
            for future in futures:
                for answer, wanted in zip(future.result(60), right, strict=True):
                    same(answer, wanted)
        session.settle()
        assert len(kept) == 800
        assert counting.learned == 800 + len(session.calibration.lessons)


def test_closing_gives_everything_back(path: Path) -> None:
    process = psutil.Process()
    threads, files = set(threading.enumerate()), process.num_fds()
    for _ in range(3):
        session = Session(path)
        session.run(None, {"x": X})
        session.close()
        session.close()
        with pytest.raises(TargetUnavailable, match="closed"):
            session.run(None, {"x": X})
    until(lambda: set(threading.enumerate()) <= threads)
    assert process.num_fds() <= files


def test_outputs_are_named(two: Bundle) -> None:
    with Session(two, options=QUIET) as session:
        assert {spec.name: spec.shape[1] for spec in session.get_outputs()} == OUTPUTS
