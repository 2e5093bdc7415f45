"""What the tests of sessions are made of: a small network, bundles of it, and servers that come and go."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import grpc
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from autoscale.query.goal import Goal
from autoscale.query.model_profile import Accuracy
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.models.bundle import Bundle
from autoscale_runtime.models.variant import Variant
from autoscale_runtime.wire.tensors import datatype_of, raw_of
from tests.waiting import LONGEST_WAIT_S

Floats = npt.NDArray[np.float32]

WIDTH: Final = 16
OUTPUTS: Final = {"logits": 8, "hidden": WIDTH}
QUIET: Final = SessionOptions(sensors=())
PATIENT: Final = Goal(latency_s=LONGEST_WAIT_S)
"""No answer is late, so that only what the test does makes a query fall back."""


def rows(count: int, seed: int = 0) -> Floats:
    """Questions for the network, shape (count, 16)."""
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def network(outputs: Mapping[str, int] = OUTPUTS, seed: int = 0, is_int8: bool = False) -> onnx.ModelProto:
    """A hidden layer of 16 and another on top of it, over any number of rows; its weights may be on int8's grid."""
    rng = np.random.default_rng(seed)
    nodes, weights = [], []
    for name, source, output in (("w0", "x", "hidden"), ("w1", "hidden", "logits")):
        values = rng.normal(size=(WIDTH, OUTPUTS[output])).astype(np.float32) / 4
        nodes.append(helper.make_node("MatMul", [source, name], [output]))
        if not is_int8:
            weights.append(numpy_helper.from_array(values, name))
            continue
        scale = np.float32(np.abs(values).max() / 127)
        weights.append(numpy_helper.from_array(np.round(values / scale).astype(np.int8), f"{name}_q"))
        weights.append(numpy_helper.from_array(np.asarray(scale), f"{name}_scale"))
        nodes.insert(0, helper.make_node("DequantizeLinear", [f"{name}_q", f"{name}_scale"], [name]))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])
    out = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width]) for name, width in outputs.items()]
    graph = helper.make_graph(nodes, "g", [x], out, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def written(path: Path, model: onnx.ModelProto) -> Path:
    """The path, with the model there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def bundle(folder: Path, int8_seed: int = 0, accuracies: tuple[float, float] | None = None) -> Bundle:
    """The network in fp32 and in int8, perhaps with accuracies; another seed makes the int8 file another network."""
    kinds = {"fp32": network(), "int8": network(seed=int8_seed, is_int8=True)}
    known = [None, None] if accuracies is None else [Accuracy(each, "a test") for each in accuracies]
    files = [written(folder / f"{precision}.onnx", model) for precision, model in kinds.items()]
    bare = Bundle.read(files[0])
    variants = [
        Variant(precision, file, "", accuracy) for precision, file, accuracy in zip(kinds, files, known, strict=True)
    ]
    return Bundle("net", bare.profile, bare.inputs, bare.outputs, tuple(variants))


def repository(folder: Path, model: onnx.ModelProto | None = None) -> Path:
    """A server's folder with the network, or another, under the name ``net``."""
    written(folder / "net" / "1" / "model.onnx", model or network())
    return folder


@contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A server as a process of its own, and its address; it dies with the block if it has not before."""
    command = [
        sys.executable,
        "-c",
        "from autoscale.cli import main; main()",
        "serve",
        str(folder),
        "--port",
        str(port),
    ]
    with subprocess.Popen([*command, "--threads-per-model", "1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


class Liar(grpc.GenericRpcHandler):
    """A server that describes one model and answers what it is told to."""

    def __init__(self, answer: pb.ModelInferResponse, outputs: Mapping[str, int] = OUTPUTS) -> None:
        self.answer = answer
        self.queries = 0
        self.description = pb.ModelMetadataResponse(
            name="net",
            inputs=[_described("x", WIDTH)],
            outputs=[_described(name, width) for name, width in outputs.items()],
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        """Whatever is called."""
        if not handler_call_details.method.endswith("/ModelInfer"):
            return grpc.unary_unary_rpc_method_handler(lambda _, __: self.description.SerializeToString())
        return grpc.unary_unary_rpc_method_handler(lambda _, __: self._lie())

    def _lie(self) -> bytes:
        self.queries += 1
        return self.answer.SerializeToString()


@contextmanager
def lying(liar: Liar, port: int = 0) -> Iterator[str]:
    """The liar's address, while it serves."""
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers([liar])
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(None).wait()


def answer(**arrays: Array) -> pb.ModelInferResponse:
    """What a server would say."""
    tensor = pb.ModelInferResponse.InferOutputTensor
    return pb.ModelInferResponse(
        outputs=[tensor(name=name, datatype=datatype_of(a.dtype), shape=a.shape) for name, a in arrays.items()],
        raw_output_contents=[raw_of(a) for a in arrays.values()],
    )


def _described(name: str, width: int) -> pb.ModelMetadataResponse.TensorMetadata:
    return pb.ModelMetadataResponse.TensorMetadata(name=name, datatype="FP32", shape=[-1, width])
