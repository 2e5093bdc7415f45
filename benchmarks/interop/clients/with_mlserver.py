"""MLServer's own stubs and converters, unchanged, ask the server at an address; prints check: whether it held."""

import json
import sys

import grpc
import numpy as np
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.grpc import converters
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.types import InferenceRequest

stub = GRPCInferenceServiceStub(grpc.insecure_channel(sys.argv[1]))
TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
arrays = {each: np.array([[0], [1], [1]], each)[:, 0] for each in TYPES}


def asked(use_raw):
    inputs = [NumpyCodec.encode_input(f"in_{name}", array) for name, array in {**arrays}.items()]
    for each in inputs:
        each.shape = [3]
    inputs.append(StringCodec.encode_input("in_string", ["a", "ü", ""]))
    inputs[-1].shape = [3]
    request = converters.ModelInferRequestConverter.from_types(
        InferenceRequest(inputs=inputs), model_name="identity", model_version=None, use_raw=use_raw
    )
    if use_raw:
        half = np.array([0, 1, 1], np.float16)
        request.inputs.add(name="in_float16", datatype="FP16", shape=[3])
        request.raw_input_contents.append(half.tobytes())
    return request


answer = converters.ModelInferResponseConverter.to_types(stub.ModelInfer(asked(True)))
came = {each.name: each for each in answer.outputs}
checks = {
    f"{name} there and back": bool((np.array(came[f"out_{name}"].data.root).astype(array.dtype) == array).all())
    for name, array in arrays.items()
}
checks["string there and back"] = StringCodec.decode_output(came["out_string"]) == ["a", "ü", ""]
net = InferenceRequest(inputs=[NumpyCodec.encode_input("x", np.ones((2, 8), np.float32))])
typed = converters.ModelInferRequestConverter.from_types(net, model_name="net", model_version=None)
checks["typed contents"] = list(stub.ModelInfer(typed).outputs[0].shape) == [2, 8]
print(json.dumps(checks))
