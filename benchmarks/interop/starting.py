"""Servers of other makers, each in an environment of its own, from when they serve until they are ended."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import grpc

from autoscale_runtime._proto import open_inference_pb2 as pb
from autoscale_runtime._proto.open_inference_pb2_grpc import GRPCInferenceServiceStub
from benchmarks.environments import python_with

HERE: Final = Path(__file__).parent
_ENGINE: Final = f"onnxruntime=={version('onnxruntime')}"
NEEDS: Final = {
    "tritonclient": ["tritonclient[grpc]"],
    "kserve": ["kserve", _ENGINE],
    "mlserver": ["mlserver", _ENGINE],
    "triton": ["nvidia-pytriton", _ENGINE],
}
"""Who to what brings it; their models run in the engine that ours run in."""

DEBIANS: Final = "/usr/bin/python3.11"
"""Triton's Python backend links Debian's libpython, and runs the standard library of that alone."""

STARTED_S: Final = 120.0
ENDED_S: Final = 20.0
ASKED_S: Final = 2.0


def server_command(whose: str, models: Sequence[Path], port: int) -> list[str]:
    """What starts a server of theirs with models, each called as the folder that it lies in."""
    base = DEBIANS if whose == "triton" and Path(DEBIANS).exists() else sys.executable
    python = python_with(f"interop/{whose}{'-server' if whose == 'triton' else ''}", NEEDS[whose], base)
    return [*map(str, (python, "-P", HERE / "servers" / f"with_{whose}.py", *models)), str(port)]


@contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A server, from when all its models answer until it is ended; its command is that of ``server_command``.

    Raises:
        RuntimeError: it ended, or does not serve in time.
    """
    names = [Path(each).parents[1].name for each in command if each.endswith(".onnx")]
    with (
        tempfile.TemporaryFile("w+") as told,
        subprocess.Popen(command, stdout=told, stderr=told, text=True) as process,
    ):
        try:
            with grpc.insecure_channel(f"127.0.0.1:{command[-1]}") as channel:
                _until(lambda: process.poll() is not None or _is_ready(channel, names))
            if process.poll() is not None:
                told.seek(0)
                raise RuntimeError(f"it ended with {process.returncode}: {told.read()[-500:]}")
            yield process
        finally:
            process.terminate()
            try:
                process.wait(ENDED_S)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    """A port of loopback that nobody listens at; the next one most likely is free as well."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _is_ready(channel: grpc.Channel, names: Sequence[str]) -> bool:
    stub = GRPCInferenceServiceStub(channel)
    try:
        return all(stub.ModelReady(pb.ModelReadyRequest(name=each), timeout=ASKED_S).ready for each in names)
    except grpc.RpcError:  # not there yet; what MLServer says of a model that it is still loading
        return False


def _until(is_so: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + STARTED_S
    while not is_so():
        if time.monotonic() > ends_s:
            raise RuntimeError(f"nothing after {STARTED_S} s")
        time.sleep(0.2)
