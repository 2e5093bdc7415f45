"""Triton with the model of a file, PATH, at loopback's port PORT, behind its Python backend."""

import sys

import numpy as np
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

path, port = sys.argv[1], int(sys.argv[2])
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@batch
def infer(x):
    return {"y": session.run(["y"], {"x": x})[0]}


config = TritonConfig(
    grpc_address="127.0.0.1",
    grpc_port=port,
    http_address="127.0.0.1",
    http_port=port + 1,
    allow_metrics=False,
)
with Triton(config=config) as triton:
    tensors = {
        "inputs": [Tensor(name="x", dtype=np.float32, shape=(8,))],
        "outputs": [Tensor(name="y", dtype=np.float32, shape=(8,))],
    }
    triton.bind(model_name="net", infer_func=infer, config=ModelConfig(max_batch_size=16), **tensors)
    print("starting", flush=True)
    triton.serve()
