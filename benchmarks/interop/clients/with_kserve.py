"""KServe's own client, unchanged, asks the server at the address given; prints check: whether it held."""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.utils.numpy_codec import from_np_dtype

TYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"]
arrays = {each: np.array([0, 1, 1], each) for each in [*TYPES, "float16"]}
arrays["string"] = np.array([b"a", "ü".encode(), b""], object)


def asked():
    inputs = []
    for name, array in arrays.items():
        each = InferInput(f"in_{name}", list(array.shape), from_np_dtype(array.dtype))
        each.set_data_from_numpy(array, binary_data=True)
        inputs.append(each)
    return InferRequest(model_name="identity", infer_inputs=inputs)


async def main():
    client = InferenceGRPCClient(sys.argv[1])
    checks = {
        "live, ready": await client.is_server_live()
        and await client.is_server_ready()
        and await client.is_model_ready("net")
    }
    answer = await client.infer(infer_request=asked())
    came = {each.name: each.as_numpy() for each in answer.outputs}
    for name, array in arrays.items():
        checks[f"{name} there and back"] = bool((came[f"out_{name}"] == array).all())
    request = InferRequest(model_name="net", infer_inputs=[InferInput("x", [1, 8], "FP32", data=[1.0] * 8)])
    typed = await client.infer(infer_request=request)
    checks["typed contents"] = typed.outputs[0].as_numpy().shape == (1, 8)
    return checks


print(json.dumps(asyncio.run(main())))
