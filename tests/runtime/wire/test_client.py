"""A model on another machine through the Open Inference Protocol: right, late, wrong, gone and found again."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import psutil
import pytest

from autoscale.errors import DeadlineExceeded, FeedError, InvalidInput, TargetUnavailable, WrongAnswer
from autoscale.query.outcome import Method
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import TensorSpec
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server, serve
from autoscale_runtime.wire.identity import Identity
from autoscale_runtime.wire.runner import RemoteRunner
from autoscale_runtime.wire.tensors import datatype_of, raw_of
from tests.runtime.serving_parts import gated
from tests.waiting import LONGEST_WAIT_S, until

ONES = np.ones((1, 4), np.float32)
ENDLESS = np.array(1 << 50, np.int64)  # steps of the slow model: years of them


def sockets() -> int:
    return len(psutil.Process().net_connections("inet"))


def test_making_one_opens_no_socket(server: Server) -> None:
    before = sockets()
    runner = RemoteRunner(server.address, "scale")
    assert sockets() == before
    runner.run(None, {"x": ONES}, LONGEST_WAIT_S)
    assert sockets() > before
    runner.close()
    runner.close()


@pytest.mark.parametrize("address", ["", "host", "host:", ":8001", "host:0", "host:65536", "http://host:1", "a b:1"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"is not an address; allowed: host:port"):
        RemoteRunner(address, "scale")


@pytest.fixture
def scale(server: Server) -> Iterator[RemoteRunner]:
    runner = RemoteRunner(server.address, "scale")
    yield runner
    runner.close()


def test_it_answers_with_the_far_sides_cost(scale: RemoteRunner) -> None:
    answer = scale.run(["y"], {"x": ONES}, LONGEST_WAIT_S)
    assert answer.outputs[0].tolist() == [[10.0] * 4]
    cost = answer.remote
    assert cost is not None
    assert cost.method is Method.MODELLED
    assert ONES.nbytes < cost.sent_bytes < 200
    assert ONES.nbytes < cost.received_bytes < 700
    for figure in (cost.compute_s, cost.energy_j, cost.carbon_operational_g, cost.carbon_embodied_g):
        assert figure is not None
        assert figure > 0.0
    assert cost.queue_s is not None


def test_a_query_may_be_larger_than_grpc_lets_it_be_by_default(scale: RemoteRunner) -> None:
    rows = np.ones((400_000, 4), np.float32)  # 6.4 MB; gRPC's own limit is 4 MiB
    answer = scale.run(None, {"x": rows}, LONGEST_WAIT_S)
    np.testing.assert_array_equal(answer.outputs[0], rows * 10)
    assert answer.remote is not None
    assert answer.remote.sent_bytes > rows.nbytes


def test_it_describes_the_model(scale: RemoteRunner) -> None:
    assert scale.inputs == (TensorSpec("x", np.dtype(np.float32), (None, 4)),)
    assert scale.outputs == (TensorSpec("y", np.dtype(np.float32), (None, 4)),)


def test_the_version_asked_for_answers(server: Server) -> None:
    runner = RemoteRunner(server.address, "scale", "3")
    assert runner.run(None, {"x": ONES}, LONGEST_WAIT_S).outputs[0].tolist() == [[3.0] * 4]
    runner.close()


def test_outputs_come_in_the_order_asked_for(server: Server) -> None:
    runner = RemoteRunner(server.address, "two")
    feeds = {"a": np.array([1, 4, 9], np.int32), "b": np.array([1, 2, 3], np.int32)}
    diff, total = runner.run(["diff", "sum"], feeds, LONGEST_WAIT_S).outputs
    assert (diff.tolist(), total.tolist()) == ([0, 2, 6], [2, 6, 12])
    runner.close()


def test_strings_are_as_onnx_runtime_has_them(server: Server) -> None:
    runner = RemoteRunner(server.address, "identity")
    feeds = {spec.name: np.array(["1", "", "1"]).astype(spec.dtype) for spec in runner.inputs if spec.dtype.hasobject}
    feeds |= {spec.name: np.ones(3, spec.dtype) for spec in runner.inputs if not spec.dtype.hasobject}
    assert runner.run(["out_object"], feeds, LONGEST_WAIT_S).outputs[0].tolist() == ["1", "", "1"]
    runner.close()


@pytest.mark.parametrize(
    ("feeds", "names", "message"),
    [
        ({"X": ONES}, None, "no input is named 'X'"),
        ({}, None, "'x': float32.* is missing"),
        ({"x": ONES.astype(np.float64)}, None, "is float64"),
        ({"x": ONES[0]}, None, r"is float32\[4\]; allowed"),
        ({"x": ONES}, ["z"], "unknown output 'z'"),
    ],
)
def test_wrong_feeds_are_not_sent(
    scale: RemoteRunner, feeds: dict[str, np.ndarray], names: list[str] | None, message: str
) -> None:
    with pytest.raises(FeedError, match=message):
        scale.run(names, feeds, LONGEST_WAIT_S)


def test_nan_is_an_answer(server: Server) -> None:
    runner = RemoteRunner(server.address, "two")
    feeds = {name: np.array([-1, -1, -1], np.int32) for name in "ab"}
    assert np.isnan(runner.run(["root"], feeds, LONGEST_WAIT_S).outputs[0]).all()
    assert runner.run(["sum"], feeds, LONGEST_WAIT_S).outputs[0].tolist() == [-2, -2, -2]
    runner.close()


def test_a_model_it_does_not_serve_is_unavailable(server: Server) -> None:
    runner = RemoteRunner(server.address, "scael")
    with pytest.raises(TargetUnavailable, match=r"'scael' is not served.*did you mean 'scale'"):
        runner.run(None, {"x": ONES}, LONGEST_WAIT_S)
    runner.close()


def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        runner = RemoteRunner(f"127.0.0.1:{free.getsockname()[1]}", "scale")
        with pytest.raises(TargetUnavailable, match=r"127\.0\.0\.1:.*refused"):
            runner.run(None, {"x": ONES}, LONGEST_WAIT_S)
        runner.close()


def test_a_peer_that_never_speaks_is_late() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        runner = RemoteRunner(f"127.0.0.1:{silent.getsockname()[1]}", "scale")
        with pytest.raises(DeadlineExceeded):
            runner.run(None, {"x": ONES}, 0.2)
        runner.close()


def test_a_closed_runner_is_unavailable(server: Server) -> None:
    runner = RemoteRunner(server.address, "scale")
    runner.close()
    with pytest.raises(TargetUnavailable, match="closed"):
        runner.run(None, {"x": ONES}, LONGEST_WAIT_S)


def test_a_slow_model_is_late_and_the_next_query_is_answered(account: ServerAccount) -> None:
    with gated(account, max_running=2, max_waiting=0) as held:
        slow, fast = RemoteRunner(held.server.address, "gate"), RemoteRunner(held.server.address, "echo")
        with pytest.raises(DeadlineExceeded):
            slow.run(None, {"x": ONES}, 0.1)
        assert fast.run(None, {"x": ONES}, LONGEST_WAIT_S).outputs[0].tolist() == ONES.tolist()
        for runner in (slow, fast):
            runner.close()


def test_a_server_with_too_much_to_do_is_unavailable(account: ServerAccount) -> None:
    with gated(account, max_running=1, max_waiting=0) as held, ThreadPoolExecutor(1) as pool:
        first, second = RemoteRunner(held.server.address, "gate"), RemoteRunner(held.server.address, "gate")
        running = pool.submit(first.run, None, {"x": ONES}, LONGEST_WAIT_S)
        until(lambda: held.gate.entered == 1)
        with pytest.raises(TargetUnavailable, match="0 queries wait for it; allowed: 0"):
            second.run(None, {"x": ONES}, LONGEST_WAIT_S)
        held.gate.open.set()
        assert running.result(LONGEST_WAIT_S).outputs[0].tolist() == ONES.tolist()
        for runner in (first, second):
            runner.close()


def test_threads_may_share_one(scale: RemoteRunner) -> None:
    feeds = [np.full((rows, 4), rows, np.float32) for rows in range(1, 41)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda each: scale.run(None, {"x": each}, LONGEST_WAIT_S), feeds)
        for fed, answer in zip(feeds, answers, strict=True):
            np.testing.assert_array_equal(answer.outputs[0], fed * 10)


def started(repository: Path, port: int) -> "subprocess.Popen[str]":
    script = "from autoscale.cli import main; main()"
    options = ["--port", str(port), "--power-table", "laptop", "--threads-per-model", "1"]
    return subprocess.Popen(
        [sys.executable, "-c", script, "serve", str(repository), *options], stdout=subprocess.PIPE, text=True
    )


def test_a_server_killed_mid_query_is_unavailable_and_found_again(repository: Path) -> None:
    with started(repository, 0) as first, ThreadPoolExecutor(1) as pool:
        assert first.stdout is not None
        address = first.stdout.readline().split()[-1]
        slow, fast = RemoteRunner(address, "slow"), RemoteRunner(address, "scale")
        fast.run(None, {"x": ONES}, LONGEST_WAIT_S)
        assert slow.inputs[0].name == "steps"
        before_s = computed_s(first)
        running = pool.submit(slow.run, None, {"steps": ENDLESS}, LONGEST_WAIT_S)
        until(lambda: computed_s(first) > before_s + 0.1)
        first.kill()
        with pytest.raises(TargetUnavailable):
            running.result(LONGEST_WAIT_S)
        with pytest.raises(TargetUnavailable):
            fast.run(None, {"x": ONES}, LONGEST_WAIT_S)
    with started(repository, int(address.split(":")[1])) as second:
        assert second.stdout is not None
        second.stdout.readline()
        assert until(lambda: attempt(fast)) == [[10.0] * 4]
        second.kill()
    for runner in (slow, fast):
        runner.close()


def computed_s(process: "subprocess.Popen[str]") -> float:
    """Of the server and the processes of its models."""
    server = psutil.Process(process.pid)
    return float(sum(each.cpu_times().user for each in (server, *server.children(recursive=True))))


def test_a_probe_tells_whether_queries_would_be_answered(
    server: Server, repository: Path, account: ServerAccount
) -> None:
    with serve(repository, account=account) as short_lived:
        runner = RemoteRunner(short_lived.address, "scale")
        runner.probe(LONGEST_WAIT_S)
    with pytest.raises(TargetUnavailable):
        runner.probe(LONGEST_WAIT_S)
    runner.close()
    unserved = RemoteRunner(server.address, "none")
    with pytest.raises(TargetUnavailable, match="'none' is not served"):
        unserved.probe(LONGEST_WAIT_S)
    unserved.close()


def attempt(runner: RemoteRunner) -> list[list[float]] | None:
    try:
        answer: list[list[float]] = runner.run(None, {"x": ONES}, LONGEST_WAIT_S).outputs[0].tolist()
    except TargetUnavailable:
        return None
    return answer


class Nonsense(grpc.GenericRpcHandler):
    """A server that describes ``scale`` and answers what it is told to."""

    def __init__(self) -> None:
        self.answer = pb.ModelInferResponse()
        self.description = DESCRIPTION

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        is_query = handler_call_details.method.endswith("/ModelInfer")
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: (self.answer if is_query else self.description).SerializeToString()
        )


def row(name: str) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=name, datatype="FP32", shape=[-1, 4])


DESCRIPTION = pb.ModelMetadataResponse(name="scale", inputs=[row("x")], outputs=[row("y")])


def answered(array: np.ndarray, name: str = "y", **more: object) -> pb.ModelInferResponse:
    output = pb.ModelInferResponse.InferOutputTensor(name=name, datatype=datatype_of(array.dtype), shape=array.shape)
    return pb.ModelInferResponse(outputs=[output], raw_output_contents=[raw_of(array)], **more)  # type: ignore[arg-type]


@pytest.fixture
def nonsense() -> Iterator[tuple[Nonsense, RemoteRunner]]:
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        servicer = Nonsense()
        server.add_generic_rpc_handlers([servicer])
        runner = RemoteRunner(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}", "scale")
        server.start()
        yield servicer, runner
        runner.close()
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (pb.ModelInferResponse(), "lacks output 'y'"),
        (answered(ONES, "z"), "lacks output 'y'"),
        (answered(ONES[0]), r"float32\[4\]; the model gives"),
        (answered(ONES.astype(np.float64)), "float64"),
        (
            pb.ModelInferResponse(outputs=answered(ONES).outputs, raw_output_contents=[b"abc"]),
            "what cannot be read: .*3 raw bytes",
        ),
    ],
)
def test_a_wrong_answer_is_reported(
    nonsense: tuple[Nonsense, RemoteRunner], answer: pb.ModelInferResponse, message: str
) -> None:
    servicer, runner = nonsense
    servicer.answer = answer
    with pytest.raises(WrongAnswer, match=message):
        runner.run(None, {"x": ONES}, LONGEST_WAIT_S)


def test_a_cost_that_cannot_be_is_left_out(nonsense: tuple[Nonsense, RemoteRunner]) -> None:
    servicer, runner = nonsense
    servicer.answer = answered(
        ONES,
        parameters={
            "energy_joules": pb.InferParameter(double_param=float("nan")),
            "carbon_operational_g": pb.InferParameter(double_param=-1.0),
            "carbon_embodied_g": pb.InferParameter(string_param="much"),
            "compute_us": pb.InferParameter(double_param=1500.0),
            "measurement_method": pb.InferParameter(string_param="guessed"),
        },
    )
    cost = runner.run(None, {"x": ONES}, LONGEST_WAIT_S).remote
    assert cost is not None
    assert (cost.energy_j, cost.carbon_operational_g, cost.carbon_embodied_g, cost.queue_s) == (None,) * 4
    assert (cost.compute_s, cost.method) == (0.0015, Method.DEFAULT)


def test_what_a_server_cannot_mean_neither_overflows_nor_is_kept(nonsense: tuple[Nonsense, RemoteRunner]) -> None:
    servicer, runner = nonsense
    numbers = ("energy_joules", "carbon_operational_g", "carbon_embodied_g", "carbon_operational_high_g", "queue_us")
    servicer.answer = answered(
        ONES,
        parameters={
            **{name: pb.InferParameter(double_param=1.7e308) for name in numbers},
            "carbon_intensity_g_per_kwh": pb.InferParameter(double_param=50.0),
            "carbon_intensity_kind": pb.InferParameter(string_param="average"),
            "carbon_region": pb.InferParameter(string_param="x" * 100_000),
        },
    )
    cost = runner.run(None, {"x": ONES}, LONGEST_WAIT_S).remote
    assert cost is not None
    assert (cost.energy_j, cost.carbon_operational_g, cost.carbon_embodied_g, cost.ends, cost.queue_s) == (None,) * 5
    assert cost.grid is not None
    assert (cost.grid.g_per_kwh, cost.grid.region) == (50.0, "")


def test_an_empty_typed_contents_beside_raw_contents_is_nothing(nonsense: tuple[Nonsense, RemoteRunner]) -> None:
    """As one widely used server writes it."""
    servicer, runner = nonsense
    servicer.answer = answered(ONES)
    servicer.answer.outputs[0].contents.SetInParent()
    assert runner.run(None, {"x": ONES}, LONGEST_WAIT_S).outputs[0].tolist() == ONES.tolist()
    servicer.answer.outputs[0].contents.fp32_contents.append(1.0)
    with pytest.raises(WrongAnswer, match="both raw and typed contents"):
        runner.run(None, {"x": ONES}, LONGEST_WAIT_S)


def test_a_description_without_tensors_leaves_them_unknown(nonsense: tuple[Nonsense, RemoteRunner]) -> None:
    servicer, runner = nonsense
    servicer.description = pb.ModelMetadataResponse(name="scale")
    servicer.answer = answered(ONES, "anything")
    assert runner.run(None, {"x": ONES}, LONGEST_WAIT_S).outputs[0].tolist() == ONES.tolist()
    with pytest.raises(WrongAnswer, match="lacks output 'y'; it has 'anything'"):
        runner.run(["y"], {"x": ONES}, LONGEST_WAIT_S)


@pytest.mark.parametrize(
    ("reported", "version", "identity"),
    [
        (pb.InferParameter(string_param="AB" * 32), "3", Identity("ab" * 32, "3")),
        (pb.InferParameter(string_param="latest"), "", Identity()),
        (pb.InferParameter(int64_param=7), "v" * 1000, Identity()),
    ],
)
def test_which_model_answered_is_reported_or_not_known(
    nonsense: tuple[Nonsense, RemoteRunner], reported: pb.InferParameter, version: str, identity: Identity
) -> None:
    servicer, runner = nonsense
    servicer.answer = answered(ONES, model_version=version, parameters={"model_sha256": reported})
    assert runner.run(None, {"x": ONES}, LONGEST_WAIT_S).identity == identity
