"""Triton's own client, unchanged, asks the server at the address given; prints check: whether it held."""

import json
import sys
from queue import Queue

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype, triton_to_np_dtype

client = triton.InferenceServerClient(sys.argv[1])
TYPES = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]
arrays = {each: np.array([0, 1, 1], each) for each in TYPES}
arrays["string"] = np.array([b"a", "ü".encode(), b""], object)


def asked(model, named):
    inputs = []
    for name, array in named.items():
        inputs.append(triton.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        inputs[-1].set_data_from_numpy(array)
    return {"model_name": model, "inputs": inputs}


def refused(call):
    try:
        call()
    except InferenceServerException as error:
        return error.status()
    return None


identity = asked("identity", {f"in_{name}": array for name, array in arrays.items()})
answer = client.infer(**identity)
brief = np.array([1.5, -2.0, 0.0], triton_to_np_dtype("BF16"))
zipped = client.infer(**identity, compression_algorithm="gzip")
replies = Queue()
client.start_stream(callback=lambda result, error: replies.put((result, error)))
for _ in range(3):
    client.async_stream_infer(**asked("net", {"x": np.ones((2, 8), np.float32)}))
streamed = [replies.get(timeout=30) for _ in range(3)]
client.stop_stream()
future = Queue()
client.async_infer(
    **asked("net", {"x": np.ones((2, 8), np.float32)}), callback=lambda result, error: future.put((result, error))
)
later = future.get(timeout=30)
index = client.get_model_repository_index(as_json=True)["models"]
print(
    json.dumps(
        {
            "live, ready": client.is_server_live() and client.is_server_ready() and client.is_model_ready("net"),
            **{
                f"{name} there and back": bool((answer.as_numpy(f"out_{name}") == array).all())
                for name, array in arrays.items()
            },
            "bfloat16 there and back": bool(
                (client.infer(**asked("bfloat16", {"x": brief})).as_numpy("y") == brief).all()
            ),
            "gzip": bool((zipped.as_numpy("out_int32") == arrays["int32"]).all()),
            "stream": all(error is None and result.as_numpy("y").shape == (2, 8) for result, error in streamed),
            "async": later[1] is None and later[0].as_numpy("y").shape == (2, 8),
            "metadata": client.get_model_metadata("net", as_json=True)["inputs"][0]["datatype"] == "FP32",
            "config": client.get_model_config("net", as_json=True)["config"]["name"] == "net",
            "statistics": bool(client.get_inference_statistics("net", as_json=True)["model_stats"]),
            "repository index": {each["name"] for each in index} == {"bfloat16", "identity", "net"},
            "unknown model": refused(lambda: client.infer(**asked("nobody", {"x": np.ones(3, np.float32)})))
            == "StatusCode.NOT_FOUND",
            "wrong shape": refused(lambda: client.infer(**asked("net", {"x": np.ones((2, 9), np.float32)})))
            == "StatusCode.INVALID_ARGUMENT",
        }
    )
)
