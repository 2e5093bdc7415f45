"""Clients and servers of others, unchanged, with ours: ``python -m benchmarks.interop [NAME ...]``, `make interop`.

Each lives in an environment of its own. Their clients ask our server in every type the protocol has; our session asks
their servers for a network, and its answers must be the network's. It takes minutes and a gigabyte.
"""

import argparse
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from autoscale_runtime.server.server import serve
from benchmarks.environments import python_with
from benchmarks.interop.models import write_models

HERE: Final = Path(__file__).parent
NEEDS: Final = {
    "tritonclient": ["tritonclient[grpc]"],
    "kserve": ["kserve", "onnxruntime"],
    "mlserver": ["mlserver", "onnxruntime"],
    "triton": ["nvidia-pytriton", "onnxruntime"],
}
"""Who to what brings it."""

CLIENTS: Final = ("tritonclient", "kserve", "mlserver")
SERVERS: Final = ("mlserver", "triton", "kserve")
DEBIANS: Final = "/usr/bin/python3.11"
"""Triton's Python backend links Debian's libpython, and runs the standard library of that alone."""

STARTED_S: Final = 120.0
ENDED_S: Final = 20.0
ASKED_S: Final = 180.0
Checks = Mapping[str, bool]


def main() -> None:
    """Run them, print a table; exit code 1 where a check fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interop", description=__doc__.partition("\n")[0])
    names = [*(f"client:{each}" for each in CLIENTS), *(f"server:{each}" for each in SERVERS)]
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*names, []], help=f"which: {', '.join(names)}")
    table = Table("whose", "checks", "failed")
    is_good = True
    with tempfile.TemporaryDirectory() as folder:
        write_models(Path(folder))
        for name in parser.parse_args().names or names:
            kind, _, whose = name.partition(":")
            try:
                checks = (their_client if kind == "client" else their_server)(whose, Path(folder))
            except (RuntimeError, subprocess.SubprocessError) as error:
                checks = {str(error): False}
            failed = [check for check, holds in checks.items() if not holds]
            is_good = is_good and not failed
            table.add_row(
                f"{whose}'s {kind}" if kind == "server" else whose, str(len(checks)), ", ".join(failed) or "-"
            )
    Console().print(table)
    sys.exit(not is_good)


def their_client(whose: str, models: Path) -> Checks:
    """What a client of theirs says of our server."""
    python = python_with(f"interop/{whose}", NEEDS[whose])
    with serve(models) as ours:
        return _said([python, "-P", HERE / "clients" / f"with_{whose}.py", ours.address])


def their_server(whose: str, models: Path) -> Checks:
    """What our session says of a server of theirs."""
    base = DEBIANS if whose == "triton" and Path(DEBIANS).exists() else sys.executable
    python = python_with(f"interop/{whose}{'-server' if whose == 'triton' else ''}", NEEDS[whose], base)
    model = models / "net" / "1" / "model.onnx"
    port = _free_port()
    server = [python, "-P", HERE / "servers" / f"with_{whose}.py", model, str(port)]
    ask = [sys.executable, "-P", HERE / "clients" / "ours.py", f"127.0.0.1:{port}", model]
    if whose == "kserve":  # listens at every interface, whatever it is told: so it has none but loopback
        if shutil.which("unshare") is None:
            raise RuntimeError("unshare is not here: KServe would listen to the world")
        return _said(
            ["unshare", "-Urn", sys.executable, "-m", "benchmarks.interop.alone", *map(str, (*server, "--", *ask))]
        )
    with started(list(map(str, server)), port):
        return _said(ask)


@contextmanager
def started(command: list[str], port: int) -> Iterator[None]:
    """A server, from when its port takes connections until it is ended."""
    with tempfile.TemporaryFile("w+") as told, subprocess.Popen(command, stdout=told, stderr=told) as process:
        try:
            _until(lambda: process.poll() is not None or _takes_connections(port))
            if process.poll() is not None:
                told.seek(0)
                raise RuntimeError(f"it ended with {process.returncode}: {told.read()[-500:]}")
            yield
        finally:
            process.terminate()
            try:
                process.wait(ENDED_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _said(command: list[str | Path]) -> Checks:
    done = subprocess.run(command, capture_output=True, text=True, timeout=ASKED_S, check=False, cwd=HERE.parent.parent)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    checks: Checks = json.loads(done.stdout.splitlines()[-1])
    return checks


def _free_port() -> int:
    """One of two that are free."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _takes_connections(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1.0)
        return one.connect_ex(("127.0.0.1", port)) == 0


def _until(is_so: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + STARTED_S
    while not is_so():
        if time.monotonic() > ends_s:
            raise RuntimeError(f"nothing after {STARTED_S} s")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
