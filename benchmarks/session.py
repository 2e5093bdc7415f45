"""What a session adds to an engine: the same file, the same target, the two by turns; and what it takes to decide.

Run from the root: ``python -m benchmarks.session``.
"""

import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from autoscale.query.goal import Goal
from autoscale_runtime.demo.play import Effort, Timed
from autoscale_runtime.device.options import SessionOptions
from autoscale_runtime.ort import InferenceSession
from autoscale_runtime.session import Session
from benchmarks.agents import timings
from benchmarks.offload import SHAPE, write_model

Row = dict[str, Any]
Call = Callable[[dict[str, np.ndarray[Any, Any]]], object]

LIMITS_US: Final = {"p50": 40.0, "p99": 120.0}
FACADE_US: Final = 10.0
"""What the session in ONNX Runtime's place may add to one that decides."""

NETWORKS: Final = {"tiny": (0, 2000, ("p50", "p99")), "8 ms": (4, 150, ("p50",))}
"""Convolutions of the network, calls in a round, and what is told of these: one in a hundred is too few of 150."""
ROUNDS: Final = 5
TARGET: Final = "device:cpu/fp32@1t"

DECISION_US: Final = 80.0
"""What the agent's choosing and learning may take together between two inferences, which leave the caches to others."""
DECISIONS: Final = 200
PAUSE_S: Final = 0.025
"""Between two queries of some 8 ms, as a camera's frames come."""
LIMITS_S: Final = (0.05, 0.06)
"""Goals by turns: what was worked out for the one is of no use for the other."""


def run() -> list[Row]:
    """A network of next to no work shows the loop; one of some 8 ms also what it does to caches and clocks."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for name, (layers, _, _) in NETWORKS.items():
            path = Path(folder) / name / "model.onnx"
            write_model(path, layers)
            rows += [row for engine in ENGINES if find_spec(engine) for row in _rows(path, name, engine)]
        rows.append(_facade_row(Path(folder) / "tiny" / "model.onnx"))
        return [*rows, *_decision_rows(Path(folder) / "8 ms" / "model.onnx")]


def main() -> None:
    """Print the rows."""
    for row in run():
        print(f"{row['name']:36} {row['value']:8.2f} {row['unit']:4} <= {row['target']:g}  {row['peer']}")


def _rows(path: Path, name: str, engine: str) -> list[Row]:
    _, calls, ranks = NETWORKS[name]
    title, suffix, make_bare = ENGINES[engine]
    feeds = {"x": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)}
    bare = make_bare(path)
    with Session(path, options=SessionOptions(target=TARGET + suffix)) as session:
        both = (lambda: session.run(None, feeds), lambda: bare(feeds))
        rounds_us = np.array([_quantiles_us(both, calls) for _ in range(ROUNDS)])
    return [
        {
            "name": f"Session.run over the {name} network in {title}, {rank}",
            "value": float(np.median(ours_us - theirs_us)),
            "unit": "us",
            "target": LIMITS_US[rank],
            "peer": f"{np.median(ours_us):.0f} us against its own {np.median(theirs_us):.0f} us",
        }
        for rank, (ours_us, theirs_us) in zip(ranks, rounds_us.transpose(1, 2, 0), strict=False)
    ]


def _facade_row(path: Path) -> Row:
    feeds = {"x": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)}
    options = SessionOptions(target=TARGET)
    facade = InferenceSession(str(path), providers=["CPUExecutionProvider"], options=options)
    with Session(path, options=options) as session:
        both = (lambda: facade.run(None, feeds), lambda: session.run(None, feeds))
        rounds_us = np.array([_quantiles_us(both, NETWORKS["tiny"][1])[0] for _ in range(ROUNDS)])
    ours_us, theirs_us = np.median(rounds_us, axis=0)
    return {
        "name": "ort.InferenceSession.run over Session.run",
        "value": float(np.median(rounds_us[:, 0] - rounds_us[:, 1])),
        "unit": "us",
        "target": FACADE_US,
        "peer": f"{ours_us:.0f} us against Session's {theirs_us:.0f} us",
    }


def _decision_rows(path: Path) -> list[Row]:
    """What choosing takes of the caller's time, and learning of the time after, beside both in warm caches."""
    feeds = {"x": np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)}
    efforts = {"ahead": Effort(), "asked": Effort()}
    goals = {"ahead": [Goal(latency_s=LIMITS_S[0])], "asked": [Goal(latency_s=each) for each in LIMITS_S]}
    with Session(path, goals["ahead"][0]) as session:
        session.warm_up(feeds)
        agent = session.agent
        for _ in range(ROUNDS):
            for kind, effort in efforts.items():
                session.agent = Timed(agent, effort)
                for number in range(DECISIONS // ROUNDS):
                    session.query(feeds, goal=goals[kind][number % len(goals[kind])])
                    sleep(PAUSE_S)
        warm = timings("corrector", session.targets)
    select_us, asked_us = (1e6 * float(np.median(effort.select_s)) for effort in efforts.values())
    learn_us = 1e6 * float(np.median(efforts["ahead"].learn_s))
    return [
        {
            "name": "corrector select between inferences of 8 ms",
            "value": select_us,
            "unit": "us",
            "target": DECISION_US,
            "peer": f"{asked_us:.0f} us where none is worked out ahead; {warm['select']:.0f} us in warm caches",
        },
        {
            "name": "the same with learn, after the answer",
            "value": select_us + learn_us,
            "unit": "us",
            "target": DECISION_US,
            "peer": f"learn {learn_us:.0f} us; both {sum(warm.values()):.0f} us in warm caches",
        },
    ]


def _bare_onnxruntime(path: Path) -> Call:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)


def _bare_openvino(path: Path) -> Call:
    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = import_module("openvino").Core().compile_model(str(path), "CPU", options)
    request = compiled.create_infer_request()
    return lambda feeds: request.infer(feeds, share_inputs=True)


ENGINES: Final[dict[str, tuple[str, str, Callable[[Path], Call]]]] = {
    "onnxruntime": ("ONNX Runtime", "", _bare_onnxruntime),
    "openvino": ("OpenVINO", "#openvino", _bare_openvino),
}
"""Module to the engine's name, how targets say it, and what makes its bare call; those that are installed are told."""


def _quantiles_us(both: tuple[Callable[[], object], ...], calls: int) -> np.ndarray[Any, Any]:
    """Median and 99th percentile of each, call by call by turns, so that whatever else the machine does falls on both.

    Shape (2, calls by turns).
    """
    times_us = [[_timed_us(call) for call in both] for _ in range(calls)]
    return np.quantile(times_us, (0.5, 0.99), axis=0)


def _timed_us(call: Callable[[], object]) -> float:
    begun_s = perf_counter()
    call()
    return 1e6 * (perf_counter() - begun_s)


if __name__ == "__main__":
    main()
