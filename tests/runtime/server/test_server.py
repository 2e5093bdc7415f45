"""The offload server through gRPC: what it says, what it refuses, and who waits for whom."""

import hashlib
import platform
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import (
    reflection_pb2,
    reflection_pb2_grpc,
)

from autoscale.errors import InvalidInput, MissingExtra, PortInUse
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server, serve
from autoscale_runtime.wire.malloc import keep_freed_memory
from tests.runtime.serving_parts import Gated, gated
from tests.waiting import LONGEST_WAIT_S, until

Input = pb.ModelInferRequest.InferInputTensor


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as opened:
        yield opened


@pytest.fixture
def stub(channel: grpc.Channel) -> GRPCInferenceServiceStub:
    return GRPCInferenceServiceStub(channel)


def scale(rows: int = 1, **changes: object) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(
        model_name="scale",
        inputs=[Input(name="x", datatype="FP32", shape=[rows, 4])],
        raw_input_contents=[np.ones((rows, 4), np.float32).tobytes()],
    )
    request.MergeFrom(pb.ModelInferRequest(**changes))  # type: ignore[arg-type]
    return request


def slow(steps: int) -> pb.ModelInferRequest:
    tensor = Input(name="steps", datatype="INT64", contents=pb.InferTensorContents(int64_contents=[steps]))
    return pb.ModelInferRequest(model_name="slow", inputs=[tensor])


def numbers(response: pb.ModelInferResponse) -> list[float]:
    return np.frombuffer(response.raw_output_contents[0], np.float32).tolist()  # type: ignore[no-any-return]


def test_it_is_live_and_ready(stub: GRPCInferenceServiceStub) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [("scale", "", True), ("scale", "3", True), ("scale", "2", False), ("scale", "x", False), ("none", "", False)],
)
def test_a_model_is_ready_where_it_is_served(
    stub: GRPCInferenceServiceStub, name: str, version: str, ready: bool
) -> None:
    assert stub.ModelReady(pb.ModelReadyRequest(name=name, version=version)).ready is ready


def test_metadata_describes_the_model(stub: GRPCInferenceServiceStub) -> None:
    reported = stub.ModelMetadata(pb.ModelMetadataRequest(name="scale"))
    assert (reported.name, list(reported.versions), reported.platform) == (
        "scale",
        ["1", "3", "10"],
        "onnxruntime_onnx",
    )
    assert (reported.inputs[0].name, reported.inputs[0].datatype, list(reported.inputs[0].shape)) == (
        "x",
        "FP32",
        [-1, 4],
    )
    server = stub.ServerMetadata(pb.ServerMetadataRequest())
    assert server.name == "autoscale"
    assert {"energy", "carbon", "statistics", "model_repository"} <= {*server.extensions}


@pytest.mark.parametrize(("version", "served", "factor"), [("", "10", 10.0), ("10", "10", 10.0), ("3", "3", 3.0)])
def test_the_version_asked_for_answers(
    stub: GRPCInferenceServiceStub, version: str, served: str, factor: float
) -> None:
    response = stub.ModelInfer(scale(rows=2, model_version=version, id="query 7"))
    assert (response.model_version, response.id) == (served, "query 7")
    assert (response.outputs[0].name, list(response.outputs[0].shape)) == ("y", [2, 4])
    assert numbers(response) == [factor] * 8


def test_requested_outputs_come_in_the_order_asked_for(stub: GRPCInferenceServiceStub) -> None:
    contents = pb.InferTensorContents(int_contents=[4, 9, 16])
    request = pb.ModelInferRequest(
        model_name="two",
        inputs=[Input(name=name, datatype="INT32", shape=[3], contents=contents) for name in "ab"],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=name) for name in ("root", "sum")],
    )
    response = stub.ModelInfer(request)
    assert [each.name for each in response.outputs] == ["root", "sum"]
    assert numbers(response) == [2.0, 3.0, 4.0]


def test_the_answer_tells_its_cost(stub: GRPCInferenceServiceStub, account: ServerAccount) -> None:
    reported = stub.ModelInfer(slow(100)).parameters
    compute_s = reported["compute_us"].int64_param / 1e6
    threads = Limits().settled().threads
    machine, cpu = account.machine, account.machine.processors["cpu"]
    least_j = machine.idle_w * threads / cpu.cores * compute_s
    assert compute_s > 0.0
    assert reported["queue_us"].int64_param >= 0
    assert reported["energy_joules"].double_param > least_j
    assert reported["carbon_operational_g"].double_param == pytest.approx(
        reported["energy_joules"].double_param / 3.6e6 * 100.0 * account.pue
    )
    assert reported["carbon_embodied_g"].double_param > 0.0
    assert reported["measurement_method"].string_param == "modelled"


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (pb.ModelInferRequest(model_name="scael"), "NOT_FOUND", "'scael' (did you mean 'scale'?)"),
        (scale(model_version="2"), "NOT_FOUND", "no version '2'; allowed: '1', '3', '10'"),
        (pb.ModelInferRequest(model_name="scale"), "INVALID_ARGUMENT", "input 'x': float32[?x4] is missing"),
        (
            pb.ModelInferRequest(model_name="scale", inputs=scale().inputs, raw_input_contents=[np.ones(5).tobytes()]),
            "INVALID_ARGUMENT",
            "takes 4",
        ),
        (
            scale(outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="z")]),
            "INVALID_ARGUMENT",
            "unknown output 'z'",
        ),
    ],
)
def test_a_wrong_request_has_its_status(
    stub: GRPCInferenceServiceStub, request_: pb.ModelInferRequest, code: str, message: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request_)
    assert caught.value.code() is grpc.StatusCode[code]
    assert message in str(caught.value.details())


def test_metadata_of_an_unknown_model_is_not_found(stub: GRPCInferenceServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelMetadata(pb.ModelMetadataRequest(name="none"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_many_at_once_are_all_answered(stub: GRPCInferenceServiceStub) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda rows: stub.ModelInfer(scale(rows)), range(1, 61)))
    assert [len(numbers(each)) for each in answers] == [4 * rows for rows in range(1, 61)]


@pytest.fixture
def narrow(account: ServerAccount, transport: str) -> Iterator[tuple[Gated, GRPCInferenceServiceStub]]:
    """One query runs, one waits; the model answers when its gate is opened."""
    with (
        gated(account, max_running=1, max_waiting=1, transport=transport) as held,
        grpc.insecure_channel(held.server.address) as opened,
    ):
        yield held, GRPCInferenceServiceStub(opened)
        held.gate.open.set()


def gate() -> pb.ModelInferRequest:
    return scale(model_name="gate")


def test_one_query_too_many_is_refused(narrow: tuple[Gated, GRPCInferenceServiceStub]) -> None:
    held, stub = narrow
    first = stub.ModelInfer.future(gate())
    until(lambda: held.gate.entered == 1)
    second = stub.ModelInfer.future(gate())
    until(lambda: held.server.waiting == 1)
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(gate())
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not first.done()
    held.gate.open.set()
    assert first.result(LONGEST_WAIT_S).outputs[0].name == "y"
    assert second.result(LONGEST_WAIT_S).parameters["queue_us"].int64_param > 0


def test_a_late_query_leaves_the_queue(narrow: tuple[Gated, GRPCInferenceServiceStub]) -> None:
    held, stub = narrow
    first = stub.ModelInfer.future(gate())
    until(lambda: held.gate.entered == 1)
    assert stub.ModelInfer.future(gate(), timeout=0.1).code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: held.server.waiting == 0)
    _answered_after(held, stub, first)


def test_a_caller_that_hangs_up_leaves_the_queue(narrow: tuple[Gated, GRPCInferenceServiceStub]) -> None:
    held, stub = narrow
    first = stub.ModelInfer.future(gate())
    until(lambda: held.gate.entered == 1)
    gone = stub.ModelInfer.future(gate())
    until(lambda: held.server.waiting == 1)
    gone.cancel()
    until(lambda: held.server.waiting == 0)
    _answered_after(held, stub, first)


def _answered_after(held: Gated, stub: GRPCInferenceServiceStub, first: grpc.Future) -> None:
    """The place in the queue is free again, and who left it never ran."""
    second = stub.ModelInfer.future(gate())
    until(lambda: held.server.waiting == 1)
    held.gate.open.set()
    assert second.result(LONGEST_WAIT_S).parameters["queue_us"].int64_param > 0
    assert first.result(LONGEST_WAIT_S).outputs[0].name == "y"
    assert held.gate.entered == 2


def test_a_stream_goes_on_after_an_error(stub: GRPCInferenceServiceStub) -> None:
    wrong, unknown = scale(model_version="2"), scale(model_name="none")
    answers = [*stub.ModelStreamInfer(iter([scale(rows=2, id="1"), wrong, unknown, scale(id="4")]))]
    assert [each.infer_response.id for each in answers] == ["1", "", "", "4"]
    assert [each.error_message[:11] for each in answers] == ["", "[NOT_FOUND]", "[NOT_FOUND]", ""]
    assert numbers(answers[0].infer_response) == [10.0] * 8


def test_the_best_elements_come_as_value_and_index(stub: GRPCInferenceServiceStub) -> None:
    request = scale()
    request.raw_input_contents[0] = np.array([1, 4, 2, 3], np.float32).tobytes()
    request.outputs.add(name="y").parameters["classification"].int64_param = 2
    [output], [raw] = (answer := stub.ModelInfer(request)).outputs, answer.raw_output_contents
    assert (output.datatype, list(output.shape)) == ("BYTES", [1, 2])
    assert raw[4:15] == b"40.000000:1"


@pytest.mark.parametrize("name", ["shared_memory_region", "sequence_id"])
def test_what_it_does_not_do_is_refused(stub: GRPCInferenceServiceStub, name: str) -> None:
    request = scale()
    parameters = request.parameters if name == "sequence_id" else request.inputs[0].parameters
    parameters[name].string_param = "7"
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_long_error_is_told_shortly(stub: GRPCInferenceServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(scale(model_name="n" * 20_000))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert len(caught.value.details() or "") < 2000


def test_health_speaks_for_the_server_and_the_service(channel: grpc.Channel) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "inference.GRPCInferenceService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="other"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_services(channel: grpc.Channel) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    [answer] = list(reflection.ServerReflectionInfo(asked))
    assert {each.name for each in answer.list_services_response.service} == {
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    }


def test_a_port_in_use_is_an_error(repository: Path, account: ServerAccount, server: Server, transport: str) -> None:
    with pytest.raises(PortInUse, match=f"cannot listen at 127.0.0.1:{server.port}: .*a free port"):
        serve(repository, port=server.port, account=account, transport=transport)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(PortInUse):
            serve(repository, port=other.getsockname()[1], account=account)


@pytest.mark.parametrize("port", [-1, 70_000, "8001", 80.0])
def test_what_is_no_port_is_refused(repository: Path, account: ServerAccount, port: Any) -> None:
    """70 000 would be 4464 to gRPC."""
    with pytest.raises(InvalidInput, match=f"port is {port!r}; allowed: 0 .* to 65535"):
        serve(repository, port=port, account=account)


def test_a_stopped_server_ends_what_runs_and_frees_its_port(
    repository: Path, account: ServerAccount, transport: str
) -> None:
    with (
        gated(account, max_running=1, max_waiting=1, transport=transport) as held,
        grpc.insecure_channel(held.server.address) as opened,
    ):
        stub = GRPCInferenceServiceStub(opened)
        running = stub.ModelInfer.future(gate())
        until(lambda: held.gate.entered == 1)
        stopping = threading.Thread(target=held.server.stop, args=(LONGEST_WAIT_S,))
        stopping.start()
        until(lambda: _takes_no_more(stub))
        assert not running.done()
        held.gate.open.set()
        assert running.result(LONGEST_WAIT_S).outputs[0].name == "y"
        stopping.join(LONGEST_WAIT_S)
        assert not stopping.is_alive()
    with serve(repository, port=held.server.port, account=account, transport=transport) as second:
        assert second.port == held.server.port


def _takes_no_more(stub: GRPCInferenceServiceStub) -> bool:
    try:
        return not stub.ServerLive(pb.ServerLiveRequest(), timeout=LONGEST_WAIT_S).live
    except grpc.RpcError:
        return True


@pytest.mark.parametrize("name", ["threads", "max_running", "max_waiting"])
def test_limits_below_zero_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is -1; allowed: 0 or more"):
        Limits(**{name: -1})


def test_every_address_of_this_machine_will_do(repository: Path, account: ServerAccount, transport: str) -> None:
    with serve(repository, host="::1", account=account, transport=transport) as server:
        assert server.address == f"[::1]:{server.port}"
        with grpc.insecure_channel(server.address) as opened:
            assert GRPCInferenceServiceStub(opened).ServerLive(pb.ServerLiveRequest(), timeout=LONGEST_WAIT_S).live
    with pytest.raises(PortInUse, match=r"192\.0\.2\.1:0: .*an address of this machine"):
        serve(repository, host="192.0.2.1", account=account)


@pytest.mark.parametrize(
    ("module", "package"),
    [("grpc_health.v1", "grpcio-health-checking"), ("grpc_reflection.v1alpha", "grpcio-reflection")],
)
def test_without_its_extra_it_tells_what_to_install(
    repository: Path, account: ServerAccount, monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"'{package}': pip install 'autoscale-inference\[serve\]'"):
        serve(repository, account=account)


def test_freed_memory_is_kept_where_the_c_library_is_glibc() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


@pytest.mark.parametrize("version", ["1", "3"])
def test_an_answer_names_the_file_that_gave_it(stub: GRPCInferenceServiceStub, repository: Path, version: str) -> None:
    answer = stub.ModelInfer(scale(model_version=version))
    file = repository / "scale" / version / "model.onnx"
    assert answer.parameters["model_sha256"].string_param == hashlib.sha256(file.read_bytes()).hexdigest()
    assert answer.model_version == version
