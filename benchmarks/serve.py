"""Our server, through each of its transports, beside Triton and MLServer: ``python -m benchmarks.serve``.

`make bench-serve`. All serve the same three models in the same ONNX Runtime on one thread a query, and answer the same
client: gRPC's, four connections, so many requests always open. Turns are short and taken by rotation, so that whatever
else the machine does falls on all; figures are medians of the turns. A peer that cannot be had is named and left out.
Triton runs them behind its Python backend, two instances; MLServer on its loop.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import grpc
import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from autoscale.query.target import Target
from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime.backends.onnxruntime import OnnxRuntime
from autoscale_runtime.backends.tensors import Array
from autoscale_runtime.server.transports.choice import NAMES as TRANSPORTS
from autoscale_runtime.wire.tensors import datatype_of, request_bytes
from benchmarks.interop.starting import free_port, server_command, started
from benchmarks.offload import AUTOSCALE
from benchmarks.serve_models import write_models

PEERS: Final = ("triton", "mlserver")
CONNECTIONS: Final = 4
PATIENCE_S: Final = 30.0
WARM_S: Final = 0.3
METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True, slots=True)
class Case:
    """So many clients of a model, and what was aimed at beside Triton, with ``grpc`` and with ``fast``."""

    model: str
    clients: int
    goals: tuple[float, float] | None = None


CASES: Final = (
    Case("tiny", 1, (0.8, 1.3)),
    Case("tiny", 16, (0.8, 1.8)),
    Case("tiny", 64, (0.8, 2.0)),
    Case("image", 1),
    Case("image", 16, (1.0, 1.1)),
    Case("image", 64, (1.0, 1.3)),
    Case("conv", 16, (1.25, 1.25)),
    Case("conv", 64, (1.25, 1.25)),
)


@dataclass(slots=True)
class Server:
    """One that answers: where, and which processes are its."""

    address: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """Core-seconds that its family has taken; of those that are gone nothing."""
        taken_s = 0.0
        for each in (self.process, *self.process.children(recursive=True)):
            try:
                times = each.cpu_times()
            except psutil.NoSuchProcess:
                continue
            taken_s += times.user + times.system
        return taken_s


@dataclass(slots=True)
class Turn:
    """What came of one: latencies of answers within it, all answers, requests without one, the server's CPU time."""

    seconds: float
    latencies_s: list[float] = field(default_factory=list)
    answers: int = 0
    errors: int = 0
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies_s) / self.seconds

    @property
    def cpu_us(self) -> float:
        """Of the server's processes, for each answer: those that were under way at the turn's end took theirs too."""
        return 1e6 * self.cpu_s / max(self.answers, 1)

    def ms(self, percentile: float) -> float:
        """A percentile of the latencies."""
        return 1e3 * float(np.percentile(self.latencies_s, percentile)) if self.latencies_s else float("nan")


Turns = dict[tuple[Case, str], list[Turn]]


def main() -> None:
    """Run the cases, print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=5, help="of each case and server; figures are their medians")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        paths = write_models(Path(folder))
        servers, missing = _servers(stack, Path(folder), [*paths.values()])
        bare = {name: _bare(path) for name, path in paths.items()}
        turns: Turns = defaultdict(list)
        for number in range(options.turns + 1):
            for case in CASES:
                for name in _rotated([*servers], number):
                    seconds = options.seconds if number else WARM_S
                    turn = taken(servers[name], case, bare[case.model].message, seconds)
                    if number:
                        turns[case, name].append(turn)
    show(turns, [*servers], missing, bare)


def taken(server: Server, case: Case, message: bytes, seconds: float) -> Turn:
    """One turn of a case at a server."""
    turn, began_cpu_s = Turn(seconds), server.cpu_s()
    with ExitStack() as stack:
        calls = [stack.enter_context(_calls(server.address)) for _ in range(min(CONNECTIONS, case.clients))]
        ended, began_s = threading.Semaphore(0), time.perf_counter()

        def send(client: int) -> None:
            sent_s = time.perf_counter()
            answer = calls[client % len(calls)].future(message, timeout=PATIENCE_S)
            answer.add_done_callback(lambda done: come(client, sent_s, done))

        def come(client: int, sent_s: float, answer: "grpc.CallFuture[bytes]") -> None:
            now_s = time.perf_counter()
            is_answered = answer.code() is grpc.StatusCode.OK
            if is_answered and now_s < began_s + seconds:
                turn.latencies_s.append(now_s - sent_s)
            turn.answers += is_answered
            turn.errors += not is_answered
            send(client) if now_s < began_s + seconds else ended.release()

        for client in range(case.clients):
            send(client)
        for _ in range(case.clients):
            ended.acquire()
    turn.cpu_s = server.cpu_s() - began_cpu_s
    return turn


@contextmanager
def _calls(address: str) -> Iterator["grpc.UnaryUnaryMultiCallable[bytes, bytes]"]:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        grpc.channel_ready_future(channel).result(PATIENCE_S)
        yield call


@dataclass(frozen=True, slots=True)
class Bare:
    """A request of a model, and how long the model alone takes."""

    message: bytes
    p50_s: float


def _bare(path: Path) -> Bare:
    runner = OnnxRuntime().load(path, Target("device", "cpu", "fp32", threads=1))
    [spec] = runner.inputs
    array: Array = np.random.default_rng(0).normal(size=[each or 1 for each in spec.shape]).astype(spec.dtype)
    took_s = []
    for _ in range(100):
        begun_s = time.perf_counter()
        runner.run(None, {spec.name: array})
        took_s.append(time.perf_counter() - begun_s)
    request = pb.ModelInferRequest(model_name=path.parents[1].name)
    request.inputs.add(name=spec.name, datatype=datatype_of(array.dtype), shape=array.shape)
    return Bare(request_bytes(request, [array]), float(np.median(took_s)))


def _servers(stack: ExitStack, folder: Path, paths: Sequence[Path]) -> tuple[dict[str, Server], dict[str, str]]:
    """Those that serve, and why others do not."""
    servers, missing = {}, {}
    for transport in TRANSPORTS:
        servers[f"ours, {transport}"] = stack.enter_context(_ours(folder, transport))
    for whose in PEERS:
        try:
            command = server_command(whose, paths, free_port())
            process = stack.enter_context(started(command))
        except (RuntimeError, subprocess.SubprocessError) as error:
            missing[whose] = str(error)
        else:
            servers[whose] = Server(f"127.0.0.1:{command[-1]}", psutil.Process(process.pid))
    return servers, missing


@contextmanager
def _ours(folder: Path, transport: str) -> Iterator[Server]:
    """As an operator runs it: with its processes, its bill, its metrics."""
    command = ["-c", AUTOSCALE, "serve", str(folder), "--port=0", "--metrics-port=0", "--threads-per-model=1"]
    command = [sys.executable, *command, "--quiet", f"--transport={transport}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().split()[-1], psutil.Process(process.pid))
        finally:
            process.terminate()


def _rotated(names: list[str], by: int) -> list[str]:
    return names[by % len(names) :] + names[: by % len(names)]


def show(turns: Turns, names: list[str], missing: dict[str, str], bare: dict[str, Bare]) -> None:
    """Answers a second beside Triton's, the time over the bare model, and core-seconds."""
    console = Console(width=120)
    rates = Table("answers/s (x Triton)", *names, "goal", title="Rate")
    costs = Table("µs of CPU a query", *names, title="All processes of a server")
    added = Table("1 client, ms over the model, p50 / p95", *names, title="Latency")
    for case in CASES:
        row = {name: turns[case, name] for name in names}
        middle = {name: float(np.median([each.rate for each in found])) for name, found in row.items()}
        cells = [_rate(middle[name], middle.get("triton"), row[name]) for name in names]
        goals = "" if case.goals is None else " / ".join(f"{each:g}" for each in case.goals)
        label = f"{case.model}, {case.clients} client{'s' if case.clients > 1 else ''}"
        rates.add_row(label, *cells, goals)
        costs.add_row(label, *(f"{np.median([each.cpu_us for each in row[name]]):.0f}" for name in names))
        if case.clients == 1:
            floor_ms = 1e3 * bare[case.model].p50_s
            ends = [[np.median([each.ms(p) for each in row[name]]) - floor_ms for p in (50, 95)] for name in names]
            added.add_row(f"{case.model} ({floor_ms:.3f} ms)", *(f"{low:.2f} / {high:.2f}" for low, high in ends))
    for table in (rates, added, costs):
        console.print(table)
    console.print(
        f"onnxruntime {version('onnxruntime')}, grpcio {version('grpcio')}; {psutil.cpu_count()} cores, ", end=""
    )
    console.print(
        f"load {psutil.getloadavg()[0]:.1f} of which some is this; conv alone {1e3 * bare['conv'].p50_s:.1f} ms"
    )
    for whose, why in missing.items():
        console.print(f"{whose} is left out: {why}")


def _rate(rate: float, peers: float | None, turns: Sequence[Turn]) -> str:
    errors = sum(each.errors for each in turns)
    beside = f" ({rate / peers:.2f})" if peers else ""
    return f"{rate:.0f}{beside}{f', {errors} failed' if errors else ''}"


if __name__ == "__main__":
    main()
