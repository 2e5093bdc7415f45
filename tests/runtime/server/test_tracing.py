"""A span of each query, as a real collector on loopback receives it."""

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from autoscale.errors import InvalidInput
from autoscale.profiles import load_device
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from autoscale_runtime.server.limits import Limits
from autoscale_runtime.server.operation import Operation
from autoscale_runtime.server.query_cost import ServerAccount
from autoscale_runtime.server.server import Server
from autoscale_runtime.server.tracing import BOUNDARY, Traces
from tests.otlp_collector import collector
from tests.waiting import LONGEST_WAIT_S

pytest.importorskip("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = [("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "vendor=1")]
NOT_SAMPLED = [("traceparent", f"00-{TRACE}-{PARENT}-00")]


def ones(model: str = "scale") -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[np.ones((1, 4), np.float32).tobytes()])
    request.inputs.add(name="x", datatype="FP32", shape=[1, 4])
    return request


def spans_of(received: list[Any]) -> list[Any]:
    scopes = [scope for request in received for each in request.resource_spans for scope in each.scope_spans]
    return sorted((span for scope in scopes for span in scope.spans), key=lambda span: span.start_time_unix_nano)


def attributes_of(span: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes}


def test_each_query_is_a_span_of_its_callers_trace(repository: Path, transport: str) -> None:
    received: list[Any] = []
    account = ServerAccount(load_device("laptop"))
    with collector(received) as address:
        traces = Traces(f"http://{address}")
        operation = Operation(traces=traces)
        with (
            Server(Limits(1), account, repository=repository, operation=operation, transport=transport) as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            stub = GRPCInferenceServiceStub(channel)
            told = stub.ModelInfer(ones(), metadata=SAMPLED).parameters
            stub.ModelInfer(ones(), metadata=NOT_SAMPLED)
            with pytest.raises(grpc.RpcError):
                stub.ModelInfer(ones("nobody"), timeout=LONGEST_WAIT_S)
            streamed = [*stub.ModelStreamInfer(iter([ones(), ones("nobody")]), metadata=SAMPLED)]
            assert [bool(each.error_message) for each in streamed] == [False, True]
            stub.ServerLive(pb.ServerLiveRequest())
        traces.close()
    answered, refused, *in_stream = spans_of(received)
    assert (answered.trace_id.hex(), answered.parent_span_id.hex()) == (TRACE, PARENT)
    assert (answered.trace_state, answered.kind) == ("vendor=1", answered.SPAN_KIND_SERVER)
    assert answered.name == "inference.GRPCInferenceService/ModelInfer"
    assert answered.start_time_unix_nano <= answered.events[0].time_unix_nano <= answered.end_time_unix_nano
    said = attributes_of(answered)
    assert said["rpc.system.name"] == "grpc"
    assert said["rpc.method"] == answered.name
    assert (said["rpc.response.status_code"], said["client.address"]) == ("OK", "127.0.0.1")
    assert (said["autoscale.model"], said["autoscale.batch.requests"]) == ("scale", 1)
    assert said["autoscale.energy_j"] == told["energy_joules"].double_param > 0.0
    grams = told["carbon_operational_g"].double_param + told["carbon_embodied_g"].double_param
    assert said["autoscale.sci_g"] == pytest.approx(grams)
    assert (said["autoscale.sci.unit"], said["autoscale.sci.boundary"]) == ("gCO2e per inference", BOUNDARY)
    assert said["autoscale.sci.method"] == "energy modelled, location-based, average intensity"
    assert refused.parent_span_id == b""
    assert refused.trace_id.hex() != TRACE
    wrong = attributes_of(refused)
    assert (wrong["rpc.response.status_code"], wrong["error.type"]) == ("NOT_FOUND", "NOT_FOUND")
    assert (wrong["autoscale.model"], refused.status.code) == ("nobody", 0)
    assert [attributes_of(each)["rpc.response.status_code"] for each in in_stream] == ["OK", "NOT_FOUND"]
    assert {(each.trace_id.hex(), each.parent_span_id.hex()) for each in in_stream} == {(TRACE, PARENT)}
    [resource] = {str(each.resource) for request in received for each in request.resource_spans}
    assert "autoscale-server" in resource


def test_the_command_sends_its_last_spans_as_it_stops(repository: Path) -> None:
    received: list[Any] = []
    with collector(received) as address:
        command = [sys.executable, "-c", "from autoscale.cli import main; main()", "serve", str(repository), "--quiet"]
        options = ["--port=0", "--no-isolate", f"--traces=http://{address}"]
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            greeting = process.stdout.readline()
            found = re.search(r"on (\S+)$", greeting)
            assert found is not None, greeting
            with grpc.insecure_channel(found[1]) as channel:
                GRPCInferenceServiceStub(channel).ModelInfer(ones(), timeout=LONGEST_WAIT_S)
            process.terminate()
            assert process.wait(LONGEST_WAIT_S) == 0
    assert [attributes_of(each)["autoscale.model"] for each in spans_of(received)] == ["scale"]


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4317", "http://", "ftp://x:1", "http://x:99999"])
def test_a_collector_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="allowed: http://HOST:PORT"):
        Traces(endpoint)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_collector_that_answers_nothing_holds_nothing_up_and_is_told_in_a_line(
    repository: Path, caplog: pytest.LogCaptureFixture, is_there: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if is_there else 1
        traces = Traces(f"http://127.0.0.1:{port}")
        account = ServerAccount(load_device("laptop"))
        with (
            Server(Limits(1), account, repository=repository, operation=Operation(traces=traces)) as server,
            grpc.insecure_channel(server.address) as channel,
        ):
            stub = GRPCInferenceServiceStub(channel)
            assert stub.ModelInfer(ones(), timeout=LONGEST_WAIT_S).model_name == "scale"
        traces.close()
    [told] = [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]
    assert told.getMessage().startswith(f"1 of 1 spans were lost; the trace collector at http://127.0.0.1:{port}: ")
    assert ("no answer" if is_there else "onnect") in told.getMessage()
    assert told.exc_info is None
