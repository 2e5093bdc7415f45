"""What offloading adds to the model itself: a 602 kB request through our client and server, over loopback.

Run from the root: ``python -m benchmarks.offload``. The peer is gRPC with nothing around it, in the same run.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import grpc
import numpy as np

from autoscale_runtime.wire.malloc import keep_freed_memory
from autoscale_runtime.wire.runner import RemoteRunner

Row = dict[str, Any]

SHAPE: Final = (1, 3, 224, 224)
CHANNELS: Final = 32
CALLS: Final = 60
REPEATS: Final = 8
FRESH: Final = 4
"""Repeats left out: the first few hundred calls of a channel are faster than all that follow."""

LIMIT_MS: Final = 1.5
AUTOSCALE: Final = "from autoscale.cli import main; main()"


def run() -> list[Row]:
    """Both a model of no work at all, and one of some 10 ms, during which client and caches fall asleep."""
    keep_freed_memory()
    image = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        repository = Path(folder)
        for name, layers in (("empty", 0), ("network", 4)):
            write_model(repository / name / "1" / "model.onnx", layers)
        served = stack.enter_context(first_line("-c", AUTOSCALE, "serve", folder, "--port=0", "--threads-per-model=1"))
        return [_row(stack, repository, name, served.split()[-1], image) for name in ("empty", "network")]


def main() -> None:
    """Print the rows."""
    for row in run():
        print(f"{row['name']:36} {row['value']:8.3f} {row['unit']:4} <= {row['target']:g}  {row['peer']}")


def _row(stack: ExitStack, repository: Path, name: str, address: str, image: np.ndarray[Any, Any]) -> Row:
    path = str(repository / name / "1" / "model.onnx")
    port = stack.enter_context(first_line("-m", "benchmarks.bare_grpc", path))
    channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}"))
    bare: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/bare/Infer")
    ours = RemoteRunner(address, name)
    stack.callback(ours.close)
    payload = image.tobytes()
    calls = (lambda: compute_s(ours, image), lambda: float(bare(payload)))
    # By turns, so that whatever else the machine does falls on both.
    rounds = np.array([[added_ms(call) for call in calls] for _ in range(REPEATS)])
    value, floor = rounds[FRESH:].min(axis=0)
    peer = f"bare gRPC in this run: {floor:.2f} ms"
    return {
        "name": f"602 kB request over the {name} model",
        "value": value,
        "unit": "ms",
        "target": LIMIT_MS,
        "peer": peer,
    }


def compute_s(runner: RemoteRunner, image: np.ndarray[Any, Any]) -> float:
    """Answer one query; the seconds the server's model took."""
    cost = runner.run(None, {"x": image}, 10.0).remote
    assert cost is not None
    assert cost.compute_s is not None
    return cost.compute_s


def added_ms(call: Callable[[], float]) -> float:
    """The median of what a call takes beyond the seconds it says the model took."""

    def once() -> float:
        begun_s = perf_counter()
        model_s = call()
        return perf_counter() - begun_s - model_s

    return float(np.median([once() for _ in range(CALLS)])) * 1e3


def write_model(path: Path, layers: int) -> None:
    """A mean over the image, after so many convolutions."""
    import onnx
    from onnx import helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for layer in range(layers):
        shape = (CHANNELS, CHANNELS if layer else SHAPE[1], 3, 3)
        weights.append(numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), f"w{layer}"))
        stride = 1 if layer else 2
        nodes.append(
            helper.make_node("Conv", [last, f"w{layer}"], [f"h{layer}"], strides=[stride] * 2, pads=[1, 1, 1, 1])
        )
        last = f"h{layer}"
    nodes.append(helper.make_node("ReduceMean", [last], ["y"], keepdims=0))
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, SHAPE)]
    outputs = [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    path.parent.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))


@contextmanager
def first_line(*arguments: str) -> Iterator[str]:
    """Run Python with these arguments; the first line it prints. It ends with the block."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
