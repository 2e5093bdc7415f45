"""What holding a session costs: memory, threads, and the time of the first query."""

import gc
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from autoscale.query.goal import Goal
from autoscale_runtime import Session, SessionOptions
from autoscale_runtime.host.cores import usable_cores
from tests.runtime.session_parts import QUIET, network, rows, written
from tests.waiting import LONGEST_WAIT_S, until

X = {"x": rows(3)}

RESIDENT = """
import sys, numpy as np, onnxruntime as ort, psutil
from autoscale_runtime import Session
path, agent = sys.argv[1:]
before = psutil.Process().memory_info().rss
session = Session(path, agent=agent, mode="ONLY_ON_DEVICE") if agent else ort.InferenceSession(path)
for _ in range(40):
    session.run(None, {"x": np.ones((1, 1024), np.float32)})
if agent:
    assert len(session.targets) > 1, session.targets
print(psutil.Process().memory_info().rss - before)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("model") / "net.onnx", network())


@pytest.mark.skipif(usable_cores() < 2, reason="one core leaves one thread count")
@pytest.mark.parametrize("agent", ["q-learning", "corrector"])
def test_a_large_model_is_held_once_however_many_thread_counts(tmp_path: Path, agent: str) -> None:
    layers, last = [], "x"
    for index in range(24):
        layers.append(helper.make_node("MatMul", [last, f"w{index}"], [f"h{index}"]))
        last = f"h{index}"
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1024]) for name in ("x", last)]
    weight = np.full((1024, 1024), 1e-3, np.float32)
    weights = [numpy_helper.from_array(weight, f"w{index}") for index in range(24)]
    graph = helper.make_graph(layers, "g", ends[:1], ends[1:], weights)
    model = written(
        tmp_path / "m.onnx", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    )
    bare, session = (
        int(subprocess.run([sys.executable, "-c", RESIDENT, model, each], capture_output=True, check=True).stdout)
        for each in ("", agent)
    )
    assert session <= bare + 30e6


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield f"127.0.0.1:{door.getsockname()[1]}"


@pytest.mark.parametrize("mode", ["AUTO", "PREFER_IN_CLOUD"])
def test_the_first_query_is_answered_while_silent_remotes_are_still_asked(path: Path, silent: str, mode: str) -> None:
    options = SessionOptions(sensors=(), timeout_s=LONGEST_WAIT_S)
    remotes = dict.fromkeys(("cloud", "edge:tab", "edge:pc"), silent)
    with Session(path, Goal(latency_s=0.2), remotes=remotes, mode=mode, options=options) as session:
        for _ in range(10):
            session.run(None, X)
            assert session.last is not None
            assert session.last.inference_source == "on_device"
        assert [each.is_alive() for each in session._decider.calibration.under_way] == [True] * 3
    until(lambda: not any(each.is_alive() for each in session._decider.calibration.under_way))


def test_silent_remotes_are_asked_all_at_once(path: Path, silent: str) -> None:
    """Where nobody else may answer; one after the other would take three times as long."""
    options = SessionOptions(sensors=(), timeout_s=1.0)
    remotes = dict.fromkeys(("cloud", "edge:tab", "edge:pc"), silent)
    with Session(path, Goal(latency_s=0.2), remotes=remotes, options=options) as session:
        session.warm_up(X)
        assert not any(each.is_alive() for each in session._decider.calibration.under_way)
        assert session.calibration.distrusted == {}


@pytest.mark.parametrize("is_cyclic", [False, True])
def test_a_dropped_session_leaves_no_thread(path: Path, is_cyclic: bool) -> None:
    before = set(threading.enumerate())
    for _ in range(5):
        session = Session(path, mode="ONLY_ON_DEVICE", options=QUIET)
        session.run(None, X)
        if is_cyclic:
            session.myself = session  # type: ignore[attr-defined]  # only the garbage collector finds it then
        assert set(threading.enumerate()) > before
        del session
    # its thread may hold it for the length of a turn: what it lets go of after one collection, the next one finds
    until(lambda: gc.collect() >= 0 and set(threading.enumerate()) <= before)
