"""What a session adds to ONNX Runtime: the same file, the same target, the two by turns.

Run from the root: ``python -m benchmarks.session``.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from autoscale_runtime.ort import InferenceSession
from autoscale_runtime.session import Session, SessionOptions
from benchmarks.offload import SHAPE, write_model

Row = dict[str, Any]

LIMIT_US: Final = 40.0
FACADE_US: Final = 10.0
"""What the session in ONNX Runtime's place may add to one that decides."""

NETWORKS: Final = {"tiny": (0, 2000), "8 ms": (4, 150)}
"""Convolutions of the network, and calls in a round."""
ROUNDS: Final = 5
TARGET: Final = "device:cpu/fp32@1t"


def run() -> list[Row]:
    """A network of next to no work shows the loop; one of some 8 ms also what it does to caches and clocks."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [_row(Path(folder) / name / "model.onnx", name) for name in NETWORKS]
        return [*rows, _facade_row(Path(folder) / "tiny" / "model.onnx")]


def main() -> None:
    """Print the rows."""
    for row in run():
        print(f"{row['name']:36} {row['value']:8.2f} {row['unit']:4} <= {row['target']:g}  {row['peer']}")


def _row(path: Path, name: str) -> Row:
    layers, calls = NETWORKS[name]
    write_model(path, layers)
    feeds = {"x": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)}
    bare = _bare(path)
    with Session(path, options=SessionOptions(target=TARGET)) as session:
        both = (lambda: session.run(None, feeds), lambda: bare.run(None, feeds))
        rounds_us = np.array([_medians_us(both, calls) for _ in range(ROUNDS)])
    ours_us, theirs_us = np.median(rounds_us, axis=0)
    return {
        "name": f"Session.run over the {name} network",
        "value": float(np.median(rounds_us[:, 0] - rounds_us[:, 1])),
        "unit": "us",
        "target": LIMIT_US,
        "peer": f"{ours_us:.0f} us against ONNX Runtime's own {theirs_us:.0f} us",
    }


def _facade_row(path: Path) -> Row:
    feeds = {"x": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)}
    options = SessionOptions(target=TARGET)
    facade = InferenceSession(str(path), providers=["CPUExecutionProvider"], options=options)
    with Session(path, options=options) as session:
        both = (lambda: facade.run(None, feeds), lambda: session.run(None, feeds))
        rounds_us = np.array([_medians_us(both, NETWORKS["tiny"][1]) for _ in range(ROUNDS)])
    ours_us, theirs_us = np.median(rounds_us, axis=0)
    return {
        "name": "ort.InferenceSession.run over Session.run",
        "value": float(np.median(rounds_us[:, 0] - rounds_us[:, 1])),
        "unit": "us",
        "target": FACADE_US,
        "peer": f"{ours_us:.0f} us against Session's {theirs_us:.0f} us",
    }


def _bare(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _medians_us(both: tuple[Callable[[], object], ...], calls: int) -> list[float]:
    """Call by call by turns, so that whatever else the machine does falls on both."""
    times_us = [[_timed_us(call) for call in both] for _ in range(calls)]
    return [float(each) for each in np.median(times_us, axis=0)]


def _timed_us(call: Callable[[], object]) -> float:
    begun_s = perf_counter()
    call()
    return 1e6 * (perf_counter() - begun_s)


if __name__ == "__main__":
    main()
