"""Models in processes of their own: what crashes, hangs or grows costs what ran in it, and nobody else."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import grpc
import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper

from autoscale.profiles import load_device
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server, serve
from autoscale_runtime.server.workers.isolated import IS_POSSIBLE
from tests.waiting import LONGEST_WAIT_S, until

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="processes that share memory without a name: Linux alone")

INT_MIN: Final = -(2**31)
MIB: Final = 1 << 20


def saved(root: Path, name: str, graph: onnx.GraphProto, version: int = 1) -> None:
    folder = root / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )


def scale(factor: float) -> onnx.GraphProto:
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["n", 4]) for each in "xy"]
    constant = helper.make_tensor("factor", TensorProto.FLOAT, [], [factor])
    return helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "g", ends[:1], ends[1:], [constant])


def quotient() -> onnx.GraphProto:
    """INT_MIN / -1 ends the process that computes it."""
    ends = [helper.make_tensor_value_info(each, TensorProto.INT32, [None]) for each in "aby"]
    return helper.make_graph([helper.make_node("Div", ["a", "b"], ["y"])], "g", ends[:2], ends[2:])


def endless() -> onnx.GraphProto:
    """As many steps as ``n`` says."""
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Sin", ["v"], ["w"])],
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("v", TensorProto.FLOAT, [64])],
        [info("on", TensorProto.BOOL, []), info("w", TensorProto.FLOAT, [64])],
    )
    true = helper.make_tensor("t", TensorProto.BOOL, [], [True])
    ends = [info("n", TensorProto.INT64, []), info("x", TensorProto.FLOAT, [64])]
    loop = helper.make_node("Loop", ["n", "t", "x"], ["y"], body=body)
    return helper.make_graph([loop], "g", ends, [info("y", TensorProto.FLOAT, [64])], [true])


def ask(model: str, **feeds: np.ndarray) -> pb.ModelInferRequest:
    kinds = {"float32": "FP32", "int32": "INT32", "int64": "INT64"}
    request = pb.ModelInferRequest(model_name=model)
    for name, array in feeds.items():
        request.inputs.add(name=name, datatype=kinds[str(array.dtype)], shape=array.shape)
        request.raw_input_contents.append(array.tobytes())
    return request


def divide(a: int, b: int) -> pb.ModelInferRequest:
    return ask("quotient", a=np.array([a], np.int32), b=np.array([b], np.int32))


def loop(steps: int) -> pb.ModelInferRequest:
    return ask("endless", n=np.array(steps), x=np.ones(64, np.float32))


def ones(rows: int = 1) -> pb.ModelInferRequest:
    return ask("scale", x=np.ones((rows, 4), np.float32))


def first_number(answer: pb.ModelInferResponse) -> float:
    return float(np.frombuffer(answer.raw_output_contents[0], np.float32)[0])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("isolated")
    for name, graph in {"scale": scale(2.0), "quotient": quotient(), "endless": endless()}.items():
        saved(folder, name, graph)
    return folder


@pytest.fixture
def server(root: Path, transport: str) -> Iterator[Server]:
    """One of its own for each test: what one kills or hangs, and what the server learns of that, is no other's."""
    account = ServerAccount(load_device("laptop"))
    limits = Limits(1, 1, 64, max_message_bytes=8 * MIB)
    with serve(root, limits=limits, account=account, isolate=True, transport=transport) as running:
        yield running


@pytest.fixture
def stub(server: Server) -> Iterator[GRPCInferenceServiceStub]:
    with grpc.insecure_channel(server.address, options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield GRPCInferenceServiceStub(channel)


def code_of(call: object, request: pb.ModelInferRequest, timeout_s: float = LONGEST_WAIT_S) -> tuple[str, str]:
    try:
        call(request, timeout=timeout_s)  # type: ignore[operator]
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


def workers() -> list[psutil.Process]:
    """The models' processes."""
    return [each for each in psutil.Process().children() if "workers.worker" in " ".join(each.cmdline())]


def test_the_models_run_in_other_processes(stub: GRPCInferenceServiceStub) -> None:
    assert first_number(stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S)) == 2.0
    assert len(workers()) >= 3


def test_a_message_of_any_length_comes_whole(stub: GRPCInferenceServiceStub) -> None:
    """In the packet, in a slot, in a larger slot, and again in the first."""
    for rows in (1, 2000, 3000, 100_000, 500_000) * 2:
        x = np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32)
        answer = stub.ModelInfer(ask("scale", x=x), timeout=LONGEST_WAIT_S)
        np.testing.assert_array_equal(np.frombuffer(answer.raw_output_contents[0], np.float32), 2 * x.ravel())
    assert first_number(stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S)) == 2.0


def test_a_query_that_kills_its_process_costs_that_query(stub: GRPCInferenceServiceStub) -> None:
    code, text = code_of(stub.ModelInfer, divide(INT_MIN, -1))
    assert (code, "SIGFPE" in text) == ("INTERNAL", True)
    assert code_of(stub.ModelInfer, ones()) == ("OK", "")
    assert code_of(stub.ModelInfer, divide(6, 3)) == ("OK", "")  # it waits for the new process, and is answered


def test_a_query_that_hangs_ends_at_its_deadline(server: Server, stub: GRPCInferenceServiceStub) -> None:
    assert code_of(stub.ModelInfer, loop(10**15), 0.3)[0] == "DEADLINE_EXCEEDED"
    # Once it is known how long they take, the next may be refused at once.
    assert code_of(stub.ModelInfer, loop(10**15), 0.3)[0] in ("DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
    until(lambda: server.running == 0)
    assert code_of(stub.ModelInfer, loop(10)) == ("OK", "")


def test_a_query_whose_caller_leaves_ends(server: Server, stub: GRPCInferenceServiceStub) -> None:
    gone = stub.ModelInfer.future(loop(10**15), timeout=LONGEST_WAIT_S)
    until(lambda: server.running == 1)
    gone.cancel()
    until(lambda: server.running == 0)


def test_a_process_that_is_killed_is_there_again(server: Server, stub: GRPCInferenceServiceStub) -> None:
    busy = stub.ModelInfer.future(loop(10**15), timeout=LONGEST_WAIT_S)
    until(lambda: server.running == 1)
    for each in workers():
        os.kill(each.pid, signal.SIGKILL)
    assert busy.code() is grpc.StatusCode.INTERNAL
    for request in (loop(10), ones(), divide(6, 3)):
        assert code_of(stub.ModelInfer, request) == ("OK", "")


def test_a_process_that_stands_still_is_replaced(server: Server, stub: GRPCInferenceServiceStub) -> None:
    """It neither answers nor reads that it is to end: it is killed with that unread."""
    stopped = workers()
    for each in stopped:
        each.suspend()
    try:
        until(lambda: all(each.status() == psutil.STATUS_STOPPED for each in stopped))
        assert code_of(stub.ModelInfer, loop(10), 0.3)[0] == "DEADLINE_EXCEEDED"
        assert code_of(stub.ModelInfer, loop(10)) == ("OK", "")
    finally:
        for each in stopped:
            with suppress(psutil.NoSuchProcess):
                each.resume()


def test_no_memory_for_an_answer_is_told(server: Server, stub: GRPCInferenceServiceStub) -> None:
    for each in workers():
        each.rlimit(psutil.RLIMIT_FSIZE, (MIB // 2, MIB // 2))
    code, text = code_of(stub.ModelInfer, ones(4000))
    assert (code, text.rpartition(": ")[2]) == ("RESOURCE_EXHAUSTED", "File too large")
    assert code_of(stub.ModelInfer, ones()) == ("OK", "")


def test_what_the_socket_of_a_process_does_not_hold_yet_is_sent_later(root: Path, transport: str) -> None:
    limits, account = Limits(1, 16, 64), ServerAccount(load_device("laptop"))
    with (
        serve(root, limits=limits, account=account, isolate=True, transport=transport) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub, stopped = GRPCInferenceServiceStub(channel), workers()
        for each in stopped:
            each.suspend()
        asked = [stub.ModelInfer.future(ones(2000), timeout=LONGEST_WAIT_S) for _ in range(16)]
        until(lambda: server.running == 16)
        for _ in range(30):  # the server does nothing else for what waits: others are answered
            assert stub.ServerLive(pb.ServerLiveRequest(), timeout=LONGEST_WAIT_S).live
        for each in stopped:
            each.resume()
        assert {each.code() for each in asked} == {grpc.StatusCode.OK}


def grows(folder: Path) -> None:
    """A model that answers with as many zeros as it is told."""
    info = helper.make_tensor_value_info
    node = helper.make_node("ConstantOfShape", ["s"], ["y"])
    ends = info("s", TensorProto.INT64, [None]), info("y", TensorProto.FLOAT, None)
    saved(folder, "grow", helper.make_graph([node], "g", [ends[0]], [ends[1]]))


def test_an_answer_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    grows(tmp_path)
    limits = Limits(1, max_message_bytes=MIB)
    account = ServerAccount(load_device("laptop"))
    with (
        serve(tmp_path, limits=limits, account=account, isolate=True) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        code, text = code_of(stub.ModelInfer, ask("grow", s=np.array([64 * MIB])))
        assert code == "RESOURCE_EXHAUSTED"
        assert f"allowed by this server: {MIB}" in text
        big = sum(each.memory_info().rss for each in psutil.Process().children())
        until(lambda: sum(each.memory_info().rss for each in psutil.Process().children()) < big - 128 * MIB)
        assert code_of(stub.ModelInfer, ask("grow", s=np.array([8]))) == ("OK", "")


def test_a_server_that_stops_leaves_no_process_that_was_just_being_replaced(tmp_path: Path) -> None:
    grows(tmp_path)
    limits, before = Limits(1, max_message_bytes=MIB), {*psutil.Process().children()}
    with (
        serve(tmp_path, limits=limits, account=ServerAccount(load_device("laptop")), isolate=True) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        assert code_of(stub.ModelInfer, ask("grow", s=np.array([64 * MIB])))[0] == "RESOURCE_EXHAUSTED"
        until(lambda: len({*psutil.Process().children()} - before) > 1)
    assert not {*psutil.Process().children()} - before


def test_a_reload_loses_no_query_and_a_bad_version_replaces_no_good_one(tmp_path: Path) -> None:
    saved(tmp_path, "scale", scale(2.0))
    account = ServerAccount(load_device("laptop"))
    with (
        serve(tmp_path, limits=Limits(1), account=account, isolate=True) as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        stub = GRPCInferenceServiceStub(channel)
        codes: list[str] = []
        done = threading.Event()

        def ask_on() -> None:
            while not done.is_set():
                codes.append(code_of(stub.ModelInfer, ones())[0])

        asking = threading.Thread(target=ask_on, daemon=True)
        asking.start()
        saved(tmp_path, "scale", scale(3.0), version=2)
        assert server.reload() == []
        assert first_number(stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S)) == 3.0
        (tmp_path / "scale" / "2" / "model.onnx").write_bytes(b"half of a file")
        for _ in range(2):  # what failed once is tried, and told, again
            assert "scale/2/model.onnx" in str(server.reload()[0])
            assert any("scale/2/model.onnx" in each for each in server.left_out)
        load = pb.RepositoryModelLoadRequest(model_name="scale")
        assert code_of(stub.RepositoryModelLoad, load)[0] == "INVALID_ARGUMENT"
        assert first_number(stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S)) == 3.0
        saved(tmp_path, "scale", scale(5.0), version=2)
        server.reload()
        assert first_number(stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S)) == 5.0
        done.set()
        asking.join()
        assert {*codes} == {"OK"}
        waiting = [stub.ModelInfer.future(ones(), timeout=LONGEST_WAIT_S) for _ in range(20)]
        stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name="scale"))
        assert {each.code().name for each in waiting} <= {"OK", "NOT_FOUND"}
        assert code_of(stub.ModelInfer, ones())[0] == "NOT_FOUND"
        stub.RepositoryModelLoad(load)
        assert first_number(stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S)) == 5.0


def test_a_stopping_server_ends_what_hangs(root: Path) -> None:
    server = serve(root, limits=Limits(1), account=ServerAccount(load_device("laptop")), isolate=True)
    with grpc.insecure_channel(server.address) as channel:
        hanging = GRPCInferenceServiceStub(channel).ModelInfer.future(loop(10**15), timeout=LONGEST_WAIT_S)
        until(lambda: server.running == 1)
        server.stop(0.1)
        assert hanging.code() is grpc.StatusCode.UNAVAILABLE


def test_a_query_that_left_before_its_turn_ends_nobody_else(server: Server) -> None:
    """It lies in the worker behind one that runs: that one is still waited for."""
    with grpc.insecure_channel(server.address) as channel:
        call = GRPCInferenceServiceStub(channel).ModelInfer
        for _ in range(3):  # the worker has more than one of so quick a model before it
            call(loop(10), timeout=LONGEST_WAIT_S)
        before = {each.pid for each in workers()}
        runs = call.future(loop(200_000), timeout=LONGEST_WAIT_S)
        until(lambda: server.running == 1)
        waits = call.future(loop(10), timeout=LONGEST_WAIT_S)
        until(lambda: server.running == 2)
        waits.cancel()
        assert runs.result().outputs
        assert {each.pid for each in workers()} == before
