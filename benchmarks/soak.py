"""Minutes of mixed load on the server: does it grow? ``python -m benchmarks.soak [--minutes 5] [--picture FILE]``.

Three models, each asked at a steady rate with a burst now and then beyond what the queues hold; callers who leave,
whose time is up, who ask for what there is not or send what is no message, who stream, who come for one query and go.
Once a second the memory, descriptors and threads of all its processes are read, and its page of metrics. Exit code 1
where its memory grows by more than 1 MB a minute after the warm-up, or descriptors or threads by any.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import numpy as np
import psutil

from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.server.transports.choice import NAMES
from benchmarks.offload import AUTOSCALE
from benchmarks.serve_models import write_models

RATE: Final = 60.0
"""Calls a second, bursts apart."""

BURST: Final = 150
BURST_EACH_S: Final = 20.0
WARM_BURST_EACH_S: Final = 4.0
"""While it warms up: memory that a server shares with its workers grows to the most that was ever under way at once."""

WARM_S: Final = 60.0
GROWTH_MB_PER_MIN: Final = 1.0
PATIENCE_S: Final = 20.0
_SERVICE: Final = "/inference.GRPCInferenceService/"
_SHAPES: Final = {"tiny": [1, 8], "image": [1, 3, 224, 224], "conv": [1, 3, 64, 64]}


@dataclass(frozen=True, slots=True)
class Reading:
    """Of one second."""

    at_s: float
    rss_mb: float
    descriptors: int
    threads: int
    metrics: Mapping[str, float]


def main() -> None:
    """Run it, tell what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--transport", choices=NAMES, default=NAMES[0])
    parser.add_argument("--picture", type=Path, help="of the metrics over the run, a .png or .svg")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        with served(folder, options.transport) as (process, address, page):
            readings = soaked(process, address, page, 60.0 * options.minutes)
    if options.picture is not None:
        from benchmarks.soak_picture import draw

        draw(readings, options.picture)
    sys.exit(not tell(readings, options.transport))


@contextmanager
def served(folder: str, transport: str) -> Iterator[tuple[psutil.Process, str, str]]:
    """The command, its processes, its address and its page of metrics."""
    command = [sys.executable, "-c", AUTOSCALE, "serve", folder, "--port=0", "--metrics-port=0"]
    with subprocess.Popen(
        [*command, f"--transport={transport}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            found = next(filter(None, (re.search(r"metrics at (\S+)", line) for line in process.stderr)))
            yield psutil.Process(process.pid), process.stdout.readline().split()[-1], found[1]
        finally:
            process.terminate()
            process.communicate()


def soaked(process: psutil.Process, address: str, page: str, seconds: float) -> list[Reading]:
    """Load it for so long; what was read meanwhile."""
    load, readings, began_s = Load(address), [], time.perf_counter()
    read_s = burst_s = sent_s = 0.0
    while (at_s := time.perf_counter() - began_s) < seconds:
        if at_s >= read_s:
            readings.append(_read(process, page, at_s))
            read_s = at_s + 1.0
        if at_s >= burst_s:
            load.burst()
            burst_s = at_s + (BURST_EACH_S if at_s > WARM_S else WARM_BURST_EACH_S)
        sent_s = max(sent_s, at_s - 0.1)  # who was held up does not make up for it
        while sent_s < at_s:
            load.send()
            sent_s += 1.0 / RATE
        time.sleep(0.01)
    load.close()
    return readings


class Load:
    """Callers of every kind."""

    def __init__(self, address: str) -> None:
        self._address, self._rng = address, np.random.default_rng(0)
        self._channel = grpc.insecure_channel(address)
        self._infer = _call(self._channel)
        self._threads = ThreadPoolExecutor(4)
        self._open: set[grpc.CallFuture[bytes]] = set()
        self._stream: grpc.StreamStreamMultiCallable[bytes, bytes] = self._channel.stream_stream(
            f"{_SERVICE}ModelStreamInfer"
        )
        self._messages = {name: _message(name, shape) for name, shape in _SHAPES.items()}
        wrong = _message("tiny", [1, 9])
        self._wrong = [wrong, _message("nobody", [1, 8]), b"\xff" * 40, b""]
        self._kinds: list[tuple[float, Callable[[], object]]] = [
            (0.50, lambda: self._ask("tiny")),
            (0.15, lambda: self._ask("image")),
            (0.10, lambda: self._ask("conv")),
            (0.08, lambda: self._send(self._wrong[self._rng.integers(len(self._wrong))])),
            (0.05, lambda: self._ask("conv").cancel()),
            (0.05, lambda: self._send(self._messages["conv"], 0.003)),
            (0.04, lambda: self._threads.submit(self._streamed)),
            (0.03, lambda: self._threads.submit(self._visit)),
        ]

    def send(self) -> None:
        """One call, of whichever kind comes."""
        chances = [chance for chance, _ in self._kinds]
        self._kinds[int(self._rng.choice(len(chances), p=chances))][1]()

    def burst(self) -> None:
        """More at once than the queues hold."""
        for _ in range(BURST):
            self._ask("image")
            self._ask("conv")

    def close(self) -> None:
        """Leave."""
        self._threads.shutdown()
        self._channel.close()

    def _ask(self, name: str) -> "grpc.CallFuture[bytes]":
        return self._send(self._messages[name])

    def _send(self, message: bytes, patience_s: float = PATIENCE_S) -> "grpc.CallFuture[bytes]":
        answer = self._infer.future(message, timeout=patience_s)
        self._open.add(answer)  # one that nobody holds is called off
        answer.add_done_callback(self._open.discard)
        return answer

    def _streamed(self) -> None:
        with suppress(grpc.RpcError):
            for _ in self._stream(iter([self._messages["tiny"]] * 3), timeout=PATIENCE_S):
                pass

    def _visit(self) -> None:
        own = [("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self._address, own) as channel, suppress(grpc.RpcError):
            _call(channel)(self._messages["tiny"], timeout=PATIENCE_S)


def _call(channel: grpc.Channel) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
    return channel.unary_unary(f"{_SERVICE}ModelInfer")


def _message(name: str, shape: Sequence[int]) -> bytes:
    request = pb.ModelInferRequest(model_name=name, raw_input_contents=[bytes(4 * int(np.prod(shape)))])
    request.inputs.add(name="x", datatype="FP32", shape=shape)
    return request.SerializeToString()


def _read(process: psutil.Process, page: str, at_s: float) -> Reading:
    family = [process, *process.children(recursive=True)]
    rss, descriptors, threads = (
        sum(each.memory_info().rss for each in family),
        sum(each.num_fds() for each in family),
        sum(each.num_threads() for each in family),
    )
    with urllib.request.urlopen(page, timeout=PATIENCE_S) as answer:
        lines = [line.rpartition(" ") for line in answer.read().decode().splitlines() if line[:1] != "#"]
    return Reading(at_s, rss / 1e6, descriptors, threads, {name: float(value) for name, _, value in lines})


def tell(readings: Sequence[Reading], transport: str) -> bool:
    """Print what came of it; whether the server is flat."""
    after = [each for each in readings if each.at_s >= min(WARM_S, readings[-1].at_s / 2)]
    minutes = np.array([each.at_s for each in after]) / 60.0
    growth = float(np.polyfit(minutes, [each.rss_mb for each in after], 1)[0])
    codes: dict[str, float] = {}
    for name, value in readings[-1].metrics.items():
        if name.startswith("autoscale_answers_total"):
            code = name.partition('code="')[2].partition('"')[0]
            codes[code] = codes.get(code, 0.0) + value
    answers = ", ".join(f"{count:.0f} {code}" for code, count in sorted(codes.items()))
    print(f"{transport}: {readings[-1].at_s / 60:.1f} minutes; {answers}")
    print(f"memory     {after[0].rss_mb:.0f} to {after[-1].rss_mb:.0f} MB after the warm-up, {growth:+.2f} MB a minute")
    is_flat = growth < GROWTH_MB_PER_MIN
    third = len(after) // 3
    for what in ("descriptors", "threads"):
        values = [getattr(each, what) for each in after]
        first, last = (float(np.median(part)) for part in (values[:third], values[-third:]))
        print(f"{what:11}{min(values)} to {max(values)}, median of the first third {first:g}, of the last {last:g}")
        is_flat = is_flat and last <= first
    return is_flat


if __name__ == "__main__":
    main()
