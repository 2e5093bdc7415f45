"""A session with a cloud: whatever becomes of link and server, no query is lost or goes where it may not."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from autoscale.errors import DeadlineExceeded, FeedError, InvalidTarget, TargetUnavailable
from autoscale.query.goal import Goal
from autoscale.query.outcome import Method
from autoscale.query.record import Decision
from autoscale_runtime import Session
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.device.plan import RemoteModel
from autoscale_runtime.link.conditions import LinkConditions
from autoscale_runtime.link.shaped_link import ShapedLink
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.server.server import Server, serve
from tests.runtime.session_parts import (
    OUTPUTS,
    PATIENT,
    QUIET,
    WIDTH,
    Liar,
    answer,
    bundle,
    lying,
    network,
    repository,
    rows,
    serving,
    written,
)
from tests.waiting import LONGEST_WAIT_S, until

Answers = Callable[[dict[str, Array]], list[Array]]

X = {"x": rows(3)}
CLOUD = "cloud:cpu/fp32"
PINNED = replace(QUIET, target=CLOUD)
OUTAGE = LinkConditions(rate_bps=0.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.fixture(scope="module")
def right(path: Path) -> Answers:
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda feeds: list(session.run(None, feeds))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return repository(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def server(models: Path) -> Iterator[Server]:
    with serve(models) as running:
        yield running


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{free.getsockname()[1]}"


def same(one: list[Array], other: list[Array]) -> None:
    assert len(one) == len(other)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def asked(session: Session) -> Decision:
    """What was decided for one more query."""
    session.run(None, X)
    assert session.last is not None
    return session.last


def test_a_file_of_a_servers_repository_is_asked_for_by_the_name_it_has_there(models: Path, right: Answers) -> None:
    with (
        serve(models) as server,
        Session(models / "net/1/model.onnx", PATIENT, remotes={"cloud": server.address}, options=PINNED) as session,
    ):
        np.testing.assert_allclose(session.run(None, X)[0], right(X)[0], rtol=1e-6)
        assert session.bundle.name == session.bundle.profile.name == "net"


def test_the_cloud_answers_and_says_what_it_cost(path: Path, server: Server) -> None:
    with Session(path, PATIENT, remotes={"cloud": server.address}, agent="cloud", options=QUIET) as session:
        last = asked(session)
        assert (str(last.selected), last.inference_source) == (CLOUD, "in_cloud")
        assert (last.did_fallback, len(last.attempts)) == (False, 1)
        for split in (last.outcome.energy_j, last.outcome.carbon_operational_g, last.outcome.carbon_embodied_g):
            assert split.device > 0.0
            assert split.remote > 0.0
        figures = ("energy_j", "carbon_operational_g", "carbon_embodied_g")
        methods = [last.outcome.methods[f"{figure}.remote"] for figure in figures]
        assert methods == [Method.MODELLED, Method.DEFAULT, Method.MODELLED]  # the grid's yearly average is a default
        link = session.observe().link("cloud")
        assert link.is_up
        assert link.round_trip_s is not None


def test_an_edge_of_a_name_and_the_cloud_are_two_targets(path: Path, server: Server) -> None:
    remotes = {"edge:tab": RemoteModel(server.address, "net"), "cloud": RemoteModel(server.address, "net", "gpu")}
    with Session(path, PATIENT, remotes=remotes, agent="connected-edge", options=QUIET) as session:
        last = asked(session)
        assert (str(last.selected), last.inference_source) == ("edge:tab:cpu/fp32", "peer")
        assert {"edge:tab:cpu/fp32", "cloud:gpu/fp32"} <= set(map(str, session.targets))


@pytest.mark.parametrize(
    ("mode", "agent"), [("AUTO", "q-learning"), ("AUTO", "cloud"), ("PREFER_IN_CLOUD", "q-learning")]
)
def test_a_server_killed_amid_1000_queries_costs_none_and_is_found_again(
    path: Path, models: Path, right: Answers, mode: str, agent: str
) -> None:
    feeds = [{"x": rows(4, seed)} for seed in range(1000)]
    decisions: list[Decision] = []
    options = replace(QUIET, on_record=lambda record: decisions.append(record.decision))
    with (
        serving(models) as (first, address),
        Session(path, PATIENT, remotes={"cloud": address}, agent=agent, mode=mode, options=options) as session,
    ):
        for number, each in enumerate(feeds):
            if number == 400:
                threading.Timer(0.003, first.send_signal, (signal.SIGKILL,)).start()
            if number == 700:
                assert first.wait(LONGEST_WAIT_S) == -signal.SIGKILL
            same(session.run(None, each), right(each))
        session.settle()
        assert len(decisions) == 1000
        _check_decisions(decisions)
        if agent == "cloud" or mode == "PREFER_IN_CLOUD":
            assert {decision.inference_source for decision in decisions[:400]} == {"in_cloud"}
            assert {decision.inference_source for decision in decisions[700:]} == {"on_device"}
            assert not session.observe().link("cloud").is_up
        with serving(models, int(address.rpartition(":")[2])):
            until(lambda: asked(session).inference_source == "in_cloud")
            assert session.observe().link("cloud").is_up


def _check_decisions(decisions: list[Decision]) -> None:
    """Queries that fell back did so once each, for a reason; the link's failure cost few of them."""
    fallen = [decision for decision in decisions if decision.did_fallback]
    assert len(fallen) <= 5  # one, and those that a probe or a random choice let through
    for decision in fallen:
        *failed, answered = decision.attempts
        assert [(str(each.target), each.error) for each in failed] == [(CLOUD, "TargetUnavailable")]
        assert "127.0.0.1" in failed[0].reason
        assert (answered.reason, answered.error) == ("answered", None)
        assert (str(decision.chosen), decision.inference_source) == (CLOUD, "on_device")
        assert decision.outcome.latency_s >= sum(each.latency_s for each in decision.attempts)
    for decision in decisions:
        assert decision.inference_source == ("in_cloud" if decision.selected.is_remote else "on_device")


@pytest.mark.parametrize("mode", ["AUTO", "PREFER_IN_CLOUD", "PREFER_ON_DEVICE"])
def test_a_server_that_was_never_there_costs_no_query(path: Path, nobody: str, mode: str) -> None:
    with Session(path, PATIENT, remotes={"cloud": nobody}, mode=mode, options=QUIET) as session:
        for _ in range(50):
            assert asked(session).inference_source == "on_device"


@pytest.mark.parametrize(("mode", "options"), [("ONLY_IN_CLOUD", QUIET), ("AUTO", PINNED), ("PREFER_IN_CLOUD", PINNED)])
def test_where_only_the_cloud_may_answer_its_failure_is_an_error(
    path: Path, models: Path, nobody: str, mode: str, options: SessionOptions
) -> None:
    with Session(path, PATIENT, remotes={"cloud": nobody}, mode=mode, options=options) as session:
        for _ in range(5):
            with pytest.raises(TargetUnavailable, match=rf"{nobody}.*refused"):
                session.run(None, X)
        assert session.last is None
    with (
        serving(models) as (process, address),
        Session(path, PATIENT, remotes={"cloud": address}, mode=mode, options=options) as session,
    ):
        assert asked(session).inference_source == "in_cloud"
        process.kill()
        process.wait()
        before = session.last
        with pytest.raises(TargetUnavailable, match=address):
            session.run(None, X)
        assert session.last is before


def test_where_only_the_cloud_may_answer_it_does_as_soon_as_it_is_back(path: Path, models: Path) -> None:
    with serving(models) as (first, address):
        session = Session(path, PATIENT, remotes={"cloud": address}, mode="ONLY_IN_CLOUD", options=QUIET)
        asked(session)
        first.kill()
    with session, serving(models, int(address.rpartition(":")[2])):
        until(lambda: _is_answered(session))


def _is_answered(session: Session) -> bool:
    try:
        session.run(None, X)
    except TargetUnavailable:
        return False
    return True


def test_where_only_the_cloud_may_answer_a_late_one_is_an_error(path: Path, server: Server) -> None:
    options = replace(PINNED, timeout_s=2.0)
    with (
        ShapedLink(server.address) as link,
        Session(path, PATIENT, remotes={"cloud": link.address}, options=options) as session,
    ):
        asked(session)
        link.conditions = OUTAGE
        with pytest.raises(DeadlineExceeded):
            session.run(None, X)


def test_a_pinned_cloud_that_nobody_named_is_refused(path: Path) -> None:
    with pytest.raises(InvalidTarget, match="unknown target 'cloud:cpu/fp32'"):
        Session(path, options=PINNED)
    with pytest.raises(InvalidTarget, match="did you mean 'cloud:cpu/fp32'"):
        Session(path, PATIENT, remotes={"cloud": "127.0.0.1:1"}, options=replace(QUIET, target="cloud:gpu/fp32"))
    with pytest.raises(InvalidTarget, match="unknown target 'cloud:cpu/fp32'"):
        Session(path, PATIENT, remotes={"cloud": "127.0.0.1:1"}, mode="ONLY_ON_DEVICE", options=PINNED)


SPY = """
import os, sys
from pathlib import Path
events = []
sys.addaudithook(lambda event, _: events.append(event) if event.startswith("socket.") else None)
import numpy as np
from autoscale_runtime import Session
from autoscale_runtime.session import SessionOptions
model, mode, address = sys.argv[1:]
remotes, options = {"cloud": address, "edge:tab": address}, SessionOptions(timeout_s=0.2)
with Session(model, remotes=remotes, mode=mode, options=options) as session:
    session.warm_up({"x": np.ones((1, 16), np.float32)})
    for _ in range(50):
        session.run(None, {"x": np.ones((1, 16), np.float32)})
    links = [os.readlink(each) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
print(len([link for link in links if link.startswith("socket:")]), len(events))
"""


@pytest.mark.parametrize(("mode", "is_silent"), [("ONLY_ON_DEVICE", True), ("AUTO", False)])
def test_only_on_device_opens_no_socket(path: Path, mode: str, is_silent: bool) -> None:
    """In a process of its own: none of Python's, none of gRPC's, and nobody knocks at the remotes' door."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        command = [sys.executable, "-c", SPY, str(path), mode, f"127.0.0.1:{door.getsockname()[1]}"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        door.setblocking(False)
        if is_silent:
            assert ran.stdout.split() == ["0", "0"]
            with pytest.raises(BlockingIOError):
                door.accept()
        else:
            door.accept()[0].close()


@pytest.mark.parametrize("agent", ["cloud", "q-learning"])
def test_a_link_that_stalls_is_given_up_in_time_twice_and_then_left_alone(
    path: Path, server: Server, agent: str
) -> None:
    """That such an answer is not late is arithmetic: ``device/test_world.py``."""
    goal = Goal(latency_s=1.5)
    mode = "AUTO" if agent == "cloud" else "PREFER_IN_CLOUD"
    with (
        ShapedLink(server.address) as link,
        Session(path, goal, remotes={"cloud": link.address}, agent=agent, mode=mode, options=QUIET) as session,
    ):
        session.warm_up(X)
        assert [asked(session).inference_source for _ in range(10)] == ["in_cloud"] * 10
        link.conditions = OUTAGE
        stalled = [asked(session) for _ in range(20)]
        assert [decision.inference_source for decision in stalled] == ["on_device"] * 20
        tried = [decision.attempts[0].error for decision in stalled if decision.did_fallback]
        assert tried == ["DeadlineExceeded"] * 2  # two open the circuit; the others were not spent on it
        link.conditions = LinkConditions()
        until(lambda: asked(session).inference_source == "in_cloud")


def test_without_hedging_a_late_answer_is_waited_for(path: Path, server: Server) -> None:
    goal, options = Goal(latency_s=0.05), replace(QUIET, hedge=False, timeout_s=LONGEST_WAIT_S)
    with (
        ShapedLink(server.address) as link,
        Session(path, goal, remotes={"cloud": link.address}, agent="cloud", options=options) as session,
    ):
        session.warm_up(X)
        asked(session)
        link.conditions = LinkConditions(round_trip_s=0.3)
        last = asked(session)
        assert (last.inference_source, last.outcome.is_late(goal)) == ("in_cloud", True)


NONSENSE = {
    "nothing": (pb.ModelInferResponse(), "lacks output"),
    "one output": (answer(logits=np.zeros((3, 8), np.float32)), "lacks output 'hidden'"),
    "shape": (
        answer(logits=np.zeros((3, 9), np.float32), hidden=np.zeros((3, WIDTH), np.float32)),
        r"'logits' came back as float32\[3x9\]",
    ),
    "dtype": (answer(logits=np.zeros((3, 8)), hidden=np.zeros((3, WIDTH))), "float64"),
    "NaN": (
        answer(logits=np.full((3, 8), np.nan, np.float32), hidden=np.zeros((3, WIDTH), np.float32)),
        "nan where the reference's has",
    ),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_is_answered_elsewhere(path: Path, right: Answers, kind: str) -> None:
    nonsense, reason = NONSENSE[kind]
    truth = answer(**dict(zip(OUTPUTS, right(X), strict=True)))
    liar = Liar(truth)
    with (
        lying(liar) as address,
        Session(path, PATIENT, remotes={"cloud": address}, agent="cloud", options=QUIET) as session,
    ):
        assert asked(session).inference_source == "in_cloud"
        liar.answer = nonsense
        same(session.run(None, X), right(X))
        assert session.last is not None
        assert [each.error for each in session.last.attempts] == ["WrongAnswer", None]
        assert re.search(reason, session.last.attempts[0].reason)
        before = liar.queries
        for _ in range(20):
            same(session.run(None, X), right(X))
        assert liar.queries <= before + 2


def test_a_server_that_lies_from_the_first_is_left_out(path: Path, right: Answers) -> None:
    """What it says is well formed, so only comparing it with this device's own answer can tell."""
    logits, hidden = right(X)
    with (
        lying(Liar(answer(logits=-logits, hidden=hidden))) as address,
        Session(path, PATIENT, remotes={"cloud": address}, agent="cloud", options=QUIET) as session,
    ):
        assert asked(session).inference_source == "on_device"
        assert "cosine of -1.00" in session.calibration.distrusted[session.targets[-1]]


@pytest.mark.parametrize("outputs", [{"logits": 8}, {"hidden": WIDTH, "logits": 8}])
def test_other_outputs_over_there_are_not_mistaken_for_ours(
    path: Path, tmp_path: Path, right: Answers, outputs: dict[str, int]
) -> None:
    """A server may list its outputs in another order; it may not lack one."""
    with (
        serve(repository(tmp_path, network(outputs))) as server,
        Session(path, PATIENT, remotes={"cloud": server.address}, agent="cloud", options=QUIET) as session,
    ):
        same(session.run(None, X), right(X))
        assert session.last is not None
        assert session.last.inference_source == ("in_cloud" if len(outputs) == 2 else "on_device")


def _wider() -> bytes:
    model = network()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "w"
    model.graph.input[0].name = "image"
    model.graph.node[0].input[0] = "image"
    return model.SerializeToString()


def test_another_model_of_the_same_name_is_the_far_sides_fault(path: Path, tmp_path: Path, right: Answers) -> None:
    (tmp_path / "net" / "1").mkdir(parents=True)
    (tmp_path / "net" / "1" / "model.onnx").write_bytes(_wider())
    with (
        serve(tmp_path) as server,
        Session(path, PATIENT, remotes={"cloud": server.address}, agent="cloud", options=QUIET) as session,
    ):
        same(session.run(None, X), right(X))
        with pytest.raises(FeedError, match=r"no input is named 'image'.*'x'"):
            session.run(None, {"image": X["x"]})
        same(session.run(None, X), right(X))
    with serve(tmp_path) as server, Session(path, PATIENT, remotes={"cloud": server.address}, options=PINNED) as pinned:
        with pytest.raises(TargetUnavailable, match=r"another model there: .*'image'"):
            pinned.run(None, X)
        with pytest.raises(FeedError, match="no input is named 'image'"):
            pinned.run(None, {"image": X["x"]})


def _lookup() -> bytes:
    """Row ``x`` of a table of three: what an index may be, no description says."""
    table = numpy_helper.from_array(np.eye(3, dtype=np.float32), "table")
    ends = [helper.make_tensor_value_info("x", TensorProto.INT64, [1])]
    rows_of = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])]
    graph = helper.make_graph([helper.make_node("Gather", ["table", "x"], ["y"])], "lookup", ends, rows_of, [table])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_values_that_no_target_takes_are_not_held_against_the_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "lookup" / "1").mkdir(parents=True)
    path = tmp_path / "lookup" / "1" / "model.onnx"
    path.write_bytes(_lookup())
    good, bad = ({"x": np.array([index])} for index in (1, 9))
    with serve(tmp_path) as server:
        remotes = {"cloud": RemoteModel(server.address, model="lookup")}
        with Session(path, PATIENT, remotes=remotes, agent="cloud", options=QUIET) as session:
            for _ in range(3):
                session.run(None, good)
                with pytest.raises(FeedError, match="idx=9"):
                    session.run(None, bad)
            session.run(None, good)
            assert session.last is not None
            assert (session.last.inference_source, session.last.did_fallback) == ("in_cloud", False)
    assert "left out" not in caplog.text


@pytest.mark.parametrize("options", [QUIET, PINNED])
def test_a_callers_mistake_is_not_held_against_the_link(path: Path, server: Server, options: SessionOptions) -> None:
    agent = "cloud"
    with Session(path, PATIENT, remotes={"cloud": server.address}, agent=agent, options=options) as session:
        asked(session)
        for names, feeds in ((["logit"], X), (None, {"x": X["x"][:, :3]}), (None, {})):
            for _ in range(3):
                with pytest.raises(FeedError):
                    session.run(names, feeds)
        last = asked(session)
        assert (last.inference_source, last.did_fallback) == ("in_cloud", False)


def test_lists_go_over_the_wire_too(path: Path, server: Server, right: Answers) -> None:
    with Session(path, PATIENT, remotes={"cloud": server.address}, options=PINNED) as session:
        same(session.run(None, {"x": X["x"].tolist()}), right(X))


def test_what_stays_on_the_device_by_preference_is_not_sent_to_calibrate(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        address = f"127.0.0.1:{door.getsockname()[1]}"
        with Session(path, PATIENT, remotes={"cloud": address}, mode="PREFER_ON_DEVICE", options=QUIET) as session:
            for _ in range(20):
                assert asked(session).inference_source == "on_device"
        door.setblocking(False)
        with pytest.raises(BlockingIOError):
            door.accept()


def test_the_accuracy_floor_rules_out_what_is_served_too(tmp_path: Path, server: Server) -> None:
    model: Bundle = bundle(tmp_path, accuracies=(0.9, 0.6))
    remotes = {"cloud": RemoteModel(server.address, "net", precision="int8")}
    with Session(model, Goal(min_accuracy=0.8), remotes=remotes, agent="cloud", options=QUIET) as session:
        session.warm_up(X)
        assert asked(session).inference_source == "on_device"


def test_closing_ends_connections_and_probes(path: Path, server: Server, nobody: str) -> None:
    process = psutil.Process()

    def held() -> tuple[set[threading.Thread], int]:
        ours = {each for each in threading.enumerate() if not each.name.startswith("offload")}  # the server's own
        return ours, len(process.net_connections("inet"))

    with Session(path, PATIENT, remotes={"cloud": server.address}, agent="cloud") as first:
        asked(first)  # the first connection starts gRPC's own threads, which stay
    before, connections = held()
    for _ in range(3):
        with Session(path, PATIENT, remotes={"cloud": server.address, "edge": nobody}, agent="cloud") as session:
            assert asked(session).inference_source == "in_cloud"
    until(lambda: held()[0] <= before and held()[1] <= connections)
